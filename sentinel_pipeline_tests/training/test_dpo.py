"""Preference optimisation of a model of a few thousand weights, for real: full, with adapters,
interrupted, and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records.training_spec import DpoSpec, Windows
from sentinel_pipeline.training.data.pair_tokens import prepare_pairs
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.trainers.dpo import build_trainer, train_dpo
from sentinel_pipeline.training.trainers.fit import TrainingSetup, load_trainable, open_watch
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import DpoJob, read_job, write_job
from sentinel_pipeline_tests.training.material import (
    exact_match,
    silent,
    small_sft_job,
    stop_at_step,
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, material: tuple[Path, Path]) -> Path:
    """The training rows' answers, each against another row's."""
    rows = [json.loads(line) for line in material[0].read_text().splitlines()]
    answers = [row["completion"] for row in rows]
    path = tmp_path_factory.mktemp("pairs") / "train.jsonl"
    found = [
        {"prompt": row["prompt"], "chosen": row["completion"], "rejected": answers[index - 1]}
        for index, row in enumerate(rows)
        if row["completion"] != answers[index - 1]
    ][:24]
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def dpo_job(out: Path, model: Path, pairs: Path, suite: Path | None, **changes: Any) -> DpoJob:
    windows = Windows(eval_steps=9, eval_items=4, early_stop_step=0, syntax_drops=0)
    settings = {
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup_steps": 1,
        "save_steps": 2,
        "windows": windows,
    }
    spec = DpoSpec(**{**settings, **changes})
    base = small_sft_job(out, model, pairs, suite)
    return DpoJob(
        kind="dpo",
        out=out,
        logs=out / "logs",
        model=model,
        rows=pairs,
        suite=suite,
        seed=3,
        spec=spec,
        decoding=base.decoding,
    )


def run(job: DpoJob, interrupts: Interrupts | None = None) -> dict[str, Any]:
    return train_dpo(job, silent(job.logs), interrupts or Interrupts(), exact_match)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, base: Path, pairs: Path, material: tuple[Path, Path]
) -> DpoJob:
    job = dpo_job(tmp_path_factory.mktemp("dpo"), base, pairs, material[1], num_train_epochs=3.0)
    run(job)
    return job


def test_the_first_step_is_at_the_reference_and_margins_grow(finished: DpoJob) -> None:
    rows = rows_of(finished.out / "losses.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 19))
    assert rows[0]["loss"] == pytest.approx(0.693147, abs=1e-5), (
        "log 2: policy and reference are one"
    )
    assert rows[0]["rewards/margins"] == pytest.approx(0.0, abs=1e-6)
    assert sum(row["rewards/margins"] for row in rows[-6:]) / 6 > 0.01, "over the last pass"
    assert {"rewards/accuracies", "logps/chosen", "logps/rejected"} <= rows[-1].keys()
    shown = rows_of(finished.logs / "progress.jsonl")[-1]
    assert {"margins", "accuracies", "tokens"} <= shown.keys()


def test_a_window_before_the_first_step_says_what_is_to_be_beaten(finished: DpoJob) -> None:
    assert [row["step"] for row in rows_of(finished.out / "windows.jsonl")] == [0, 9, 18]


def test_the_reports_say_what_was_trained(finished: DpoJob) -> None:
    report = json.loads((finished.out / "token_report.json").read_text())
    assert (report["rows"], report["kept"], report["stop_trained"]) == (24, 24, 24)
    parity = json.loads((finished.out / "parity.json").read_text())
    assert parity["passed"] and parity["variants"][0]["logit_distance"] == 0


def test_a_higher_beta_deviates_less(tmp_path: Path, base: Path, pairs: Path) -> None:
    """The stage 1 plan has it the other way round."""
    from safetensors.torch import load_file

    start = load_file(base / "model.safetensors")
    moved = []
    for beta in (0.1, 10.0):
        job = dpo_job(tmp_path / str(beta), base, pairs, None, beta=beta, num_train_epochs=3.0)
        run(job)
        last = rows_of(job.out / "losses.jsonl")[-1]
        moved.append(abs(last["rewards/margins"]) / beta)
        assert any(
            not value.equal(start[name])
            for name, value in load_file(job.out / "final/model.safetensors").items()
        )
    assert moved[1] < moved[0], "log-ratios against the reference"


def test_a_stop_signal_saves_and_the_resumed_run_ends_alike(
    finished: DpoJob, tmp_path: Path, base: Path, pairs: Path, material: tuple[Path, Path]
) -> None:
    job = dpo_job(tmp_path, base, pairs, material[1], num_train_epochs=3.0)
    stop_at(job, 7)
    run(job)
    assert_alike(job, finished, "final/model.safetensors")


def stop_at(job: DpoJob, at: int) -> None:
    interrupts, progress = Interrupts(), silent(job.logs)
    stop_at_step(progress, interrupts, at)
    with pytest.raises(Interrupted, match=f"SIGTERM at step {at}"):
        train_dpo(job, progress, interrupts, exact_match)
    assert complete_checkpoints(job.logs / "checkpoints")[-1].step == at


def assert_alike(job: DpoJob, other: DpoJob, weights: str) -> None:
    for name in (weights, "losses.jsonl", "windows.jsonl", "training.json"):
        assert (job.out / name).read_bytes() == (other.out / name).read_bytes(), name


@pytest.fixture(scope="module")
def adapted(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> Path:
    """An SFT checkpoint of an adapter."""
    job = small_sft_job(
        tmp_path_factory.mktemp("lora"),
        base,
        material[0],
        None,
        method="lora",
        lora_r=4,
        max_steps=6,
    )
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    return job.out


def test_an_adapter_goes_on_against_a_frozen_copy_of_itself(
    tmp_path: Path, adapted: Path, pairs: Path
) -> None:
    """The reference is the SFT adapter, not the base model: the first step's loss is log 2 only
    then."""
    job = dpo_job(tmp_path / "a", adapted / "adapter", pairs, None, method="lora", lora_r=4)
    result = run(job)
    first = rows_of(job.out / "losses.jsonl")[0]
    assert first["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert 0 < result["trained_parameters"] < result["parameters"] / 2
    assert not (job.out / "adapter" / "ref").exists()
    parity = json.loads((job.out / "parity.json").read_text())
    assert parity["passed"] and [one["name"] for one in parity["variants"]] == [
        "adapter",
        "saved again",
    ]

    again = dpo_job(tmp_path / "b", adapted / "adapter", pairs, None, method="lora", lora_r=4)
    stop_at(again, 3)
    run(again)
    for name in ("final/adapter_model.safetensors", "losses.jsonl"):
        assert (again.out / name).read_bytes() == (job.out / name).read_bytes(), name


def test_a_whole_model_may_get_a_new_adapter(tmp_path: Path, base: Path, pairs: Path) -> None:
    job = dpo_job(tmp_path, base, pairs, None, method="lora", lora_r=4)
    run(job)
    assert rows_of(job.out / "losses.jsonl")[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert (job.out / "model" / "model.safetensors").is_file()


def test_our_tokens_are_those_of_trl(base: Path, pairs: Path) -> None:
    """TRL's own preparation of the same rows: same prompt, same sides up to what its template
    writes after the stop token."""
    from trl.trainer.dpo_trainer import DPOTrainer

    tokenizer = load_tokenizer(base)
    ours = prepare_pairs(pairs, tokenizer, 256).pairs
    from datasets import Dataset

    rows = Dataset.from_list(rows_of(pairs))
    prepare: Any = DPOTrainer._prepare_dataset  # noqa: SLF001 -- TRL prepares rows in no public function
    theirs = prepare(None, rows, tokenizer, _Arguments(), "train")
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.prompt == other["prompt_ids"]
        for side in ("chosen", "rejected"):
            got, whole = getattr(mine, side), other[f"{side}_ids"]
            assert got == whole[: len(got)] and got[-1] == tokenizer.eos_token_id
            assert len(whole) - len(got) <= 1


class _Arguments:
    dataset_num_proc, max_length, truncation_mode = None, None, "keep_start"


def test_the_likelihood_of_the_chosen_side_may_join_the_loss(
    tmp_path: Path, base: Path, pairs: Path
) -> None:
    tokenizer = load_tokenizer(base)
    prepared = prepare_pairs(pairs, tokenizer, 256).pairs
    job = dpo_job(tmp_path, base, pairs, None, sft_weight=0.5)
    fitting = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(prepared), reached={})
    watch = open_watch(fitting, silent(job.logs), Interrupts(), exact_match, None)
    trainer = build_trainer(fitting, load_trainable(base, "full"), prepared, watch)
    assert (trainer.loss_types, trainer.loss_weights) == (["sigmoid", "sft"], [1.0, 0.5])


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("logits", [1 << 24, 5000])
def test_loss_gradient_and_numbers_are_trls_own_though_padding_and_prompts_are_left_out(
    tmp_path: Path,
    base: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: Any,
    logits: int,
) -> None:
    """At weights apart from the reference; with ``logits`` numbers of the head held at once."""
    import torch

    tokenizer = load_tokenizer(base)
    prepared = prepare_pairs(pairs, tokenizer, 256).pairs
    job = dpo_job(tmp_path, base, pairs, None, sft_weight=0.5, batch_size=12, method=method)
    fitting = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(prepared), reached={})
    watch = open_watch(fitting, silent(job.logs), Interrupts(), exact_match, None)
    trainer = build_trainer(fitting, load_trainable(base, method), prepared, watch)
    inputs = next(iter(trainer.get_train_dataloader()))
    assert int(inputs["attention_mask"].sum()) < inputs["attention_mask"].numel(), "some padding"
    monkeypatch.setattr("sentinel_pipeline.training.trainers.trainer.LOGITS", logits)
    torch.manual_seed(3)
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    for weight in trained:
        weight.data += 0.02 * torch.randn_like(weight)

    def measured() -> tuple[float, list[Any], dict[str, float], list[float]]:
        loss = trainer.compute_loss(trainer.model, inputs)
        gradients = torch.autograd.grad(loss, trained)
        numbers = {name: values[-1] for name, values in trainer._metrics["train"].items()}  # noqa: SLF001 -- all that TRL measures
        sides = trainer.compute_ref_log_probs(trainer.model, inputs)
        return loss.item(), list(gradients), numbers, [float(value) for value in torch.cat(sides)]

    trainer.model.train()
    ours = measured()
    monkeypatch.setattr(type(trainer), "head_is_plain", lambda self, model: False)
    theirs = measured()
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5) and abs(ours[0] - 0.693147) > 0.01
    for gradient, expected in zip(ours[1], theirs[1], strict=True):
        assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-6)
    assert set(ours[2]) == set(theirs[2]) >= {"entropy", "logits/chosen", "mean_token_accuracy"}
    totals = {"num_tokens"}  # counts both calls
    for name in set(ours[2]) - totals:
        assert ours[2][name] == pytest.approx(theirs[2][name], rel=1e-4, abs=1e-6), name
    assert ours[3] == pytest.approx(theirs[3], rel=1e-5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": [{"role": "user", "content": "x"}], "chosen": "y", "rejected": "z"},
            r"train\.jsonl:1.*expected",
        ),
        ({"chosen": [], "rejected": []}, r"train\.jsonl:1.*expected \{'prompt'"),
        (
            {name: [{"role": "user", "content": "x"}] for name in ("prompt", "chosen", "rejected")},
            r"train\.jsonl:1.*two sides are equal",
        ),
    ],
)
def test_a_row_that_is_no_pair_is_named_by_its_line(
    tmp_path: Path, base: Path, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(BadInput, match=message):
        prepare_pairs(path, load_tokenizer(base), 256)


def test_no_pairs_and_too_long_pairs_are_refused(tmp_path: Path, base: Path, pairs: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(BadInput, match="holds no rows"):
        prepare_pairs(tmp_path / "empty.jsonl", load_tokenizer(base), 256)
    with pytest.raises(BadInput, match=r"dpo\.max_length.*24 of 24 rows would be lost"):
        prepare_pairs(pairs, load_tokenizer(base), 8)


def test_a_loss_that_is_not_finite_names_the_key(tmp_path: Path, base: Path, pairs: Path) -> None:
    job = dpo_job(tmp_path, base, pairs, None, learning_rate=1e30, optimizer="adamw")
    with pytest.raises(BadInput, match=r"dpo\.learning_rate.*loss is (nan|inf)"):
        run(job)
    assert not (job.out / "model").exists()


def test_weights_of_another_architecture_are_refused(
    tmp_path: Path, base: Path, pairs: Path
) -> None:
    import shutil

    wrong = Path(shutil.copytree(base, tmp_path / "wrong"))
    config = json.loads((wrong / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(BadInput, match="lack .* of the architecture's tensors"):
        run(dpo_job(tmp_path / "out", wrong, pairs, None))


def test_a_job_file_is_read_back(tmp_path: Path, base: Path, pairs: Path) -> None:
    job = dpo_job(tmp_path, base, pairs, None, beta=0.3)
    assert read_job(write_job(job)) == replace(job)
