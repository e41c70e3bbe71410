"""KTO of a model of a few thousand weights, for real: full, with adapters, interrupted, out of
memory, and refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import EXIT_DONE, BadInput
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.records.kto_spec import KtoSpec
from sentinel_pipeline.records.launch_spec import LaunchSpec
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.training_spec import Windows
from sentinel_pipeline.training.data.unpaired_tokens import EncodedAnswer, laid_out, prepare_answers
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.loop.out_of_memory import next_remedy, with_remedies
from sentinel_pipeline.training.trainers.fit import TrainingSetup, load_trainable, open_watch
from sentinel_pipeline.training.trainers.kto import KtoJob, build_trainer, train_kto
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.training.trainers.trainer import sample_order
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import read_job, write_job
from sentinel_pipeline_tests.training.material import (
    exact_match,
    silent,
    small_sft_job,
    stop_at_step,
)
from sentinel_pipeline_tests.training.test_launch import start


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, material: tuple[Path, Path]) -> Path:
    """Each prompt's own answer (16 of them) is desirable, another prompt's (8) is not."""
    rows = rows_of(material[0])
    wrong = [
        {"prompt": row["prompt"], "completion": rows[index - 1]["completion"], "label": False}
        for index, row in enumerate(rows)
        if row["completion"] != rows[index - 1]["completion"]
    ][:8]
    right = [{**row, "label": True} for row in rows[8:24]]
    path = tmp_path_factory.mktemp("answers") / "train.jsonl"
    mixed = [*right[:8], *wrong, *right[8:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in mixed))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kto_job(out: Path, model: Path, rows: Path, suite: Path | None, **changes: Any) -> KtoJob:
    windows = Windows(eval_steps=9, eval_items=4, early_stop_step=0, syntax_drops=0)
    settings: dict[str, Any] = {
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup_steps": 1,
        "save_steps": 2,
        "windows": windows,
    }
    return KtoJob(
        kind="kto",
        out=out,
        logs=out / "logs",
        model=model,
        rows=rows,
        suite=suite,
        seed=3,
        spec=KtoSpec(**{**settings, **changes}),
        decoding=small_sft_job(out, model, rows, suite).decoding,
    )


def run(job: KtoJob, interrupts: Interrupts | None = None) -> dict[str, Any]:
    return train_kto(job, silent(job.logs), interrupts or Interrupts(), exact_match)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, base: Path, answers: Path, material: tuple[Path, Path]
) -> KtoJob:
    job = kto_job(tmp_path_factory.mktemp("kto"), base, answers, material[1], num_train_epochs=3.0)
    run(job)
    return job


def test_the_first_loss_is_half_the_mean_weight_of_its_answers(finished: KtoJob) -> None:
    """Model and reference are one there: every log-ratio and z are 0, and 1 - sigmoid(0) is a
    half."""
    weights = {True: 1.0, False: 1.5}
    labels = [row["label"] for row in rows_of(finished.rows)]
    first = sample_order(24, 72, 3)[:4]
    expected = sum(weights[labels[index]] for index in first) / 4 / 2
    row = rows_of(finished.out / "losses.jsonl")[0]
    assert row["loss"] == pytest.approx(expected, abs=1e-6)
    assert row["kl"] == pytest.approx(0.0, abs=1e-6)
    assert row["rewards/margins"] == pytest.approx(0.0, abs=1e-6)


def test_the_loss_falls_and_the_two_classes_part(finished: KtoJob) -> None:
    rows = rows_of(finished.out / "losses.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 19))
    first = sum(row["loss"] for row in rows[:6]) / 6
    last = sum(row["loss"] for row in rows[-6:]) / 6
    assert last < first - 0.01
    margins = [row["rewards/margins"] for row in rows[-6:] if "rewards/margins" in row]
    assert sum(margins) / len(margins) > 0.05


def test_a_window_before_the_first_step_says_what_is_to_be_beaten(finished: KtoJob) -> None:
    assert [row["step"] for row in rows_of(finished.out / "windows.jsonl")] == [0, 9, 18]


def test_the_reports_say_what_was_trained_and_how_the_classes_weigh(finished: KtoJob) -> None:
    report = json.loads((finished.out / "token_report.json").read_text())
    assert (report["rows"], report["kept"], report["stop_trained"]) == (24, 24, 24)
    assert (report["desirable"], report["undesirable"]) == (16, 8)
    assert (report["desirable_weight"], report["undesirable_weight"]) == (1.0, 1.5)
    training = json.loads((finished.out / "training.json").read_text())
    assert (training["kind"], training["rows"], training["undesirable_weight"]) == ("kto", 24, 1.5)
    parity = json.loads((finished.out / "parity.json").read_text())
    assert parity["passed"] and parity["variants"][0]["logit_distance"] == 0


def trainer_of(job: KtoJob, start: Path) -> Any:
    tokenizer = load_tokenizer(start)
    prepared = prepare_answers(job.rows, tokenizer, 256)
    setup = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(prepared.answers), reached={})
    watch = open_watch(setup, silent(job.logs), Interrupts(), exact_match, None)
    weights = job.spec.weights(prepared.desirable, prepared.undesirable)
    return build_trainer(setup, load_trainable(start, "full"), prepared.answers, weights, watch)


def log_prob(model: Any, prompt: list[int], completion: list[int]) -> float:
    """Of the completion after the prompt, position by position, without padding."""
    import torch

    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        logs = model(input_ids=ids).logits[0].float().log_softmax(-1)
    return sum(float(logs[len(prompt) + at - 1, token]) for at, token in enumerate(completion))


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mixed precision, so that numbers may be compared to the last digits."""
    monkeypatch.setattr("sentinel_pipeline.training.trainers.fit.bfloat16_pays", lambda: False)


@pytest.mark.usefixtures("in_float32")
def test_the_loss_of_a_batch_is_the_formula_computed_by_hand(
    tmp_path: Path, base: Path, finished: KtoJob, answers: Path
) -> None:
    """A model that has moved from its reference: log-ratios, z and weights all take part."""
    beta, weight_of = 0.3, {True: 1.1, False: 2.5}
    job = kto_job(
        tmp_path, base, answers, None, beta=beta, desirable_weight=1.1, undesirable_weight=2.5,
        batch_size=8,
    )  # fmt: skip
    trainer = trainer_of(job, base)
    assert trainer.loss_type == "kto"
    moved = load_model(finished.out / "final")
    trainer.model.load_state_dict(moved.state_dict())
    reference = load_model(base)
    trainer.model.train()
    batches = list(trainer.get_train_dataloader())
    for batch in batches:
        ratios: list[float] = []
        mismatched: list[float] = []
        for row in range(len(batch["label"])):
            for prefix, target in (("", ratios), ("KL_", mismatched)):
                width = int(batch[f"{prefix}attention_mask"][row].sum())
                ids = batch[f"{prefix}input_ids"][row, :width].tolist()
                start = width - int(batch[f"{prefix}completion_mask"][row].sum())
                target.append(
                    log_prob(moved, ids[:start], ids[start:])
                    - log_prob(reference, ids[:start], ids[start:])
                )
        z = max(0.0, sum(mismatched) / len(mismatched))
        losses = []
        for label, ratio in zip(batch["label"].tolist(), ratios, strict=True):
            sign = 1 if label else -1
            losses.append(weight_of[label] * (1 - 1 / (1 + math.exp(-beta * sign * (ratio - z)))))
        loss = float(trainer.compute_loss(trainer.model, batch))
        assert loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
        assert any(abs(ratio) > 0.01 for ratio in ratios), "the model has moved"
    assert len(batches) == 3


@pytest.mark.usefixtures("in_float32")
def test_the_reference_is_the_model_that_training_starts_from(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    rows = trainer_of(kto_job(tmp_path, base, answers, None), base).train_dataset
    reference = load_model(base)
    for row in rows.select(range(4)):
        assert row["ref_logps"] == pytest.approx(
            log_prob(reference, row["prompt_ids"], row["completion_ids"]), rel=1e-4
        )
        assert row["ref_KL_logps"] == pytest.approx(
            log_prob(reference, row["prompt_ids"], row["KL_completion_ids"]), rel=1e-4
        )


def test_only_the_answer_takes_part_in_the_loss(tmp_path: Path, base: Path, answers: Path) -> None:
    job = kto_job(tmp_path, base, answers, None)
    trainer = trainer_of(job, base)
    tokenizer = load_tokenizer(base)
    texts = [row["completion"][0]["content"] for row in rows_of(answers)]
    for batch in trainer.get_train_dataloader():
        for prefix in ("", "KL_"):
            for ids, mask in zip(
                batch[f"{prefix}input_ids"], batch[f"{prefix}completion_mask"], strict=True
            ):
                trained = ids[mask.bool()].tolist()
                assert trained[-1] == tokenizer.eos_token_id
                assert tokenizer.decode(trained[:-1]) in texts


def test_a_stop_signal_saves_and_the_resumed_run_ends_alike(
    finished: KtoJob, tmp_path: Path, base: Path, answers: Path, material: tuple[Path, Path]
) -> None:
    job = kto_job(tmp_path, base, answers, material[1], num_train_epochs=3.0)
    stop_at(job, 7)
    run(job)
    assert_alike(job, finished, "final/model.safetensors")


def stop_at(job: KtoJob, at: int) -> None:
    interrupts, progress = Interrupts(), silent(job.logs)
    stop_at_step(progress, interrupts, at)
    with pytest.raises(Interrupted, match=f"SIGTERM at step {at}"):
        train_kto(job, progress, interrupts, exact_match)
    assert complete_checkpoints(job.logs / "checkpoints")[-1].step == at


def assert_alike(job: KtoJob, other: KtoJob, weights: str) -> None:
    for name in (weights, "losses.jsonl", "windows.jsonl", "training.json"):
        assert (job.out / name).read_bytes() == (other.out / name).read_bytes(), name


def test_a_full_memory_leaves_two_answers_a_micro_batch(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    job = kto_job(tmp_path, base, answers, None, gradient_checkpointing=True)
    tried: list[tuple[int, int]] = []

    def attempt(changed: KtoJob) -> dict[str, Any]:
        tried.append((changed.spec.batch_size, changed.spec.gradient_accumulation_steps))
        if changed.spec.batch_size > 2:
            raise RuntimeError("CPU out of memory")
        return run(changed)

    result = with_remedies(job, attempt, silent(job.logs))
    assert (tried, result["steps"]) == ([(4, 1), (2, 2)], 6)
    assert next_remedy(replace(job.spec, batch_size=2), False, job.stage.smallest_batch) is None
    first = rows_of(job.out / "losses.jsonl")[0]
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def adapted(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> Path:
    """An SFT checkpoint of an adapter."""
    folder = tmp_path_factory.mktemp("lora")
    job = small_sft_job(folder, base, material[0], None, method="lora", lora_r=4, max_steps=6)
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    return job.out


def test_an_adapter_goes_on_against_a_frozen_copy_of_itself(
    tmp_path: Path, adapted: Path, answers: Path
) -> None:
    """The reference is the SFT adapter, not the base model: z and the margin are 0 at the first
    step only then."""
    job = kto_job(tmp_path / "a", adapted / "adapter", answers, None, method="lora", lora_r=4)
    result = run(job)
    first = rows_of(job.out / "losses.jsonl")[0]
    assert first["kl"] == pytest.approx(0.0, abs=1e-5)
    assert first["rewards/chosen"] == pytest.approx(0.0, abs=1e-5)
    assert 0 < result["trained_parameters"] < result["parameters"] / 2
    assert not (job.out / "adapter" / "ref").exists()
    parity = json.loads((job.out / "parity.json").read_text())
    assert parity["passed"] and parity["variants"][0]["name"] == "adapter"

    again = kto_job(tmp_path / "b", adapted / "adapter", answers, None, method="lora", lora_r=4)
    stop_at(again, 3)
    run(again)
    for name in ("final/adapter_model.safetensors", "losses.jsonl"):
        assert (again.out / name).read_bytes() == (job.out / name).read_bytes(), name


def test_a_whole_model_may_get_a_new_adapter(tmp_path: Path, base: Path, answers: Path) -> None:
    job = kto_job(tmp_path, base, answers, None, method="lora", lora_r=4)
    run(job)
    assert rows_of(job.out / "losses.jsonl")[0]["kl"] == pytest.approx(0.0, abs=1e-5)
    assert (job.out / "model" / "model.safetensors").is_file()


def test_our_tokens_are_those_of_trl(base: Path, answers: Path) -> None:
    """TRL's own preparation of the same rows: same prompt, same answer up to what its template
    writes after the stop token."""
    from datasets import Dataset
    from trl import KTOTrainer

    tokenizer = load_tokenizer(base)
    ours = prepare_answers(answers, tokenizer, 256).answers
    rows = Dataset.from_list(rows_of(answers))
    like: Any = _Like(tokenizer)
    arguments: Any = _Arguments()
    prepare = KTOTrainer._prepare_dataset  # noqa: SLF001 -- TRL prepares rows in no public function
    theirs = prepare(like, rows, tokenizer, arguments, "train")
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.prompt, mine.desirable) == (other["prompt_ids"], other["label"])
        whole = other["completion_ids"]
        assert mine.completion == whole[: len(mine.completion)]
        assert mine.completion[-1] == tokenizer.eos_token_id
        assert len(whole) - len(mine.completion) <= 1


class _Arguments:
    dataset_num_proc, max_length, per_device_train_batch_size = None, None, 4


class _Like:
    """What TRL's preparation asks of its trainer."""

    calculate_KL = True  # noqa: N815 -- TRL's name
    desirable_weight = undesirable_weight = 1.0

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer


TOKENS = st.lists(st.integers(1, 3), min_size=1, max_size=2)


@given(
    st.lists(st.tuples(TOKENS, TOKENS, st.booleans()), min_size=2, max_size=12),
    st.integers(2, 5),
    st.integers(0, 5),
)
def test_mismatched_answers_are_those_of_the_micro_batch_each_once(
    rows: list[tuple[list[int], list[int], bool]], micro_batch: int, seed: int
) -> None:
    answers = [EncodedAnswer(*row) for row in rows]
    order = sample_order(len(answers), 2 * len(answers) // micro_batch * micro_batch, seed)
    samples = laid_out(answers, order, micro_batch)
    assert [sample.answer for sample in samples] == [answers[index] for index in order]
    for place in range(0, len(samples), micro_batch):
        batch = samples[place : place + micro_batch]
        assert sorted(sample.mismatched for sample in batch) == sorted(
            sample.answer.completion for sample in batch
        )
    assert samples == laid_out(answers, order, micro_batch)


def test_a_mismatched_answer_is_another_prompts_where_the_batch_has_one() -> None:
    """Three answers to one prompt and three to another, so that a shift by one place would give
    prompts their own answers."""
    rows = [EncodedAnswer([1], [10 + index], True) for index in range(3)]
    rows += [EncodedAnswer([2], [20 + index], False) for index in range(3)]
    for sample in laid_out(rows, range(6), 6):
        assert sample.mismatched[0] // 10 != sample.answer.prompt[0]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_weights_that_are_left_open_balance_the_classes(desirable: int, undesirable: int) -> None:
    weights = KtoSpec().weights(desirable, undesirable)
    assert 1 - 1e-9 <= weights.ratio(desirable, undesirable) <= 4 / 3 + 1e-9
    assert min(weights) == pytest.approx(1.0), "one weight stays 1, the other is raised"


@pytest.mark.parametrize(
    ("desirable", "undesirable", "expected"),
    [
        (100, 100, (1.0, 1.0)),
        (120, 100, (1.0, 1.0)),
        (10, 100, (10.0, 1.0)),
        (400, 100, (1.0, 3.0)),
    ],
)
def test_the_lighter_class_is_weighed_up(
    desirable: int, undesirable: int, expected: tuple[float, float]
) -> None:
    """The paper's own example: with one desirable answer for ten undesirable ones, its weight is 10
    or more."""
    assert KtoSpec().weights(desirable, undesirable) == pytest.approx(expected)


def test_a_weight_of_the_recipe_is_taken_and_the_other_follows_it() -> None:
    assert KtoSpec(desirable_weight=2.0).weights(100, 100) == pytest.approx((2.0, 1.5))
    assert KtoSpec(undesirable_weight=2.0).weights(100, 100) == pytest.approx((2.0, 2.0))
    assert KtoSpec(desirable_weight=5.0, undesirable_weight=1.0).weights(9, 9) == (5.0, 1.0)


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("beta = 0.0", "kto.beta", "Usual values are 0.01 to 0.5."),
        ("batch_size = 1", "kto.batch_size", "the reference point is estimated within a batch"),
        ("desirable_weight = -1.0", "kto.desirable_weight", "more than 0"),
        ("answers = { max_ratio = 0.5 }", "kto.answers.max_ratio", "1 or more"),
        ("answers = { max_per_class = 4 }", "kto.answers.max_per_class", "min_per_class = 8"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(
    tmp_path: Path, text: str, field: str, says: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[kto]\n{text}\n")
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert caught.value.field == field and says in str(caught.value)


def test_one_answer_a_batch_is_refused_before_a_model_is_loaded(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    with pytest.raises(BadInput, match=r"kto\.batch_size.*reference point is estimated on 2"):
        run(kto_job(tmp_path, base, answers, None, batch_size=1))


@pytest.mark.parametrize(("label", "word"), [(True, "undesirable"), (False, "desirable")])
def test_answers_of_one_class_only_are_refused(
    tmp_path: Path, base: Path, answers: Path, label: bool, word: str
) -> None:
    path = tmp_path / "train.jsonl"
    rows = [row for row in rows_of(answers) if row["label"] is label]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BadInput, match=f"holds no {word} answer among {len(rows)}"):
        prepare_answers(path, load_tokenizer(base), 256)


TURN = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": TURN, "completion": "y", "label": True},
            r"train\.jsonl:1.*expected \{'prompt'",
        ),
        ({"completion": TURN, "label": True}, r"train\.jsonl:1.*expected \{'prompt'"),
        ({"prompt": TURN, "completion": TURN, "label": 1}, r"train\.jsonl:1.*the label is 1"),
        ({"prompt": TURN, "completion": TURN}, r"train\.jsonl:1.*the label is None"),
    ],
)
def test_a_row_of_another_shape_is_named_by_its_line(
    tmp_path: Path, base: Path, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(BadInput, match=message):
        prepare_answers(path, load_tokenizer(base), 256)


def test_an_answer_with_both_labels_is_refused(tmp_path: Path, base: Path, answers: Path) -> None:
    first = rows_of(answers)[0]
    path = tmp_path / "train.jsonl"
    path.write_text(answers.read_text() + json.dumps({**first, "label": not first["label"]}) + "\n")
    with pytest.raises(BadInput, match=r"train\.jsonl:25.*has the other label in line 1\."):
        prepare_answers(path, load_tokenizer(base), 256)


def test_no_answers_and_too_long_answers_are_refused(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(BadInput, match="holds no rows"):
        prepare_answers(tmp_path / "empty.jsonl", load_tokenizer(base), 256)
    with pytest.raises(BadInput, match=r"kto\.max_length.*24 of 24 rows would be lost"):
        prepare_answers(answers, load_tokenizer(base), 8)


def test_a_loss_that_is_not_finite_names_the_key(tmp_path: Path, base: Path, answers: Path) -> None:
    job = kto_job(tmp_path, base, answers, None, learning_rate=1e30, optimizer="adamw")
    with pytest.raises(BadInput, match=r"kto\.learning_rate.*loss is (nan|inf)"):
        run(job)
    assert not (job.out / "model").exists()


def test_thoughts_are_left_out_unless_the_recipe_trains_on_them(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    rows = rows_of(answers)
    thought = [{"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."}]
    path = tmp_path / "train.jsonl"
    rows[0]["completion"] = thought
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = load_tokenizer(base)
    plain = prepare_answers(path, tokenizer, 256)
    whole = prepare_answers(path, tokenizer, 256, train_on_thoughts=True)
    assert "Hm." not in tokenizer.decode(plain.answers[0].completion)
    assert "Hm." in tokenizer.decode(whole.answers[0].completion)
    assert plain.report.thoughts == whole.report.thoughts == 1


def test_a_job_file_is_read_back(tmp_path: Path, base: Path, answers: Path) -> None:
    job = kto_job(tmp_path, base, answers, None, beta=0.3, undesirable_weight=1.5)
    assert read_job(write_job(job)) == job


@pytest.mark.slow
def test_two_processes_meet_the_reference_of_their_own_rows(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    """Each process estimates z on its own half of a step; rows and log-probabilities of the
    reference go together, else the first loss would not be half the mean weight of its rows."""
    spec = LaunchSpec(engine="accelerate", processes=2)
    job = replace(kto_job(tmp_path / "two", base, answers, None, max_steps=3), launch=spec)
    process = start(job)
    words = process.communicate(timeout=400)[1]
    assert process.returncode == EXIT_DONE, words
    alone = kto_job(
        tmp_path / "one", base, answers, None, max_steps=3, batch_size=2,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    run(alone)
    two, one = (rows_of(each.out / "losses.jsonl") for each in (job, alone))
    assert (two[0]["loss"], two[0]["kl"]) == pytest.approx((one[0]["loss"], 0.0), abs=1e-5)
    assert len(two) == 3 and (job.out / "model" / "model.safetensors").is_file()
