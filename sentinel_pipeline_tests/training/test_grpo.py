"""GRPO of a model of a few thousand weights, for real: rewards through the sandbox, windows, rules,
interrupted and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates.curve_files import evidence_of, read_curves
from sentinel_pipeline.gates.reward import (
    KEPT_REWARD,
    RewardBound,
    RewardPolicy,
    decide_eval_reward,
    weights_hash,
)
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation.loading import load_model
from sentinel_pipeline.records.decode import Fault
from sentinel_pipeline.records.grpo_spec import GrpoSpec, WatchRule
from sentinel_pipeline.records.task import suite_hash
from sentinel_pipeline.rewards import Scoring
from sentinel_pipeline.sandbox import isolation
from sentinel_pipeline.store import sha256_file, write_parquet
from sentinel_pipeline.tasks.task_bank import build, reward_prompts
from sentinel_pipeline.training.loop.grpo_watch import GrpoWatch
from sentinel_pipeline.training.loop.kept_reward import ANSWERS, measure_kept
from sentinel_pipeline.training.loop.windows import window_tasks
from sentinel_pipeline.training.trainers.grpo import train_grpo
from sentinel_pipeline.training.trainers.grpo_trainer import grpo_trainer_class
from sentinel_pipeline.training.trainers.trainer import ByLength
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import GrpoJob, read_job, write_job
from sentinel_pipeline_tests.training.material import exact_match, silent, stop_at_step


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training tasks and window tasks."""
    folder = tmp_path_factory.mktemp("tasks")
    bank = build(5, {"functions": 8, "chat": 8}, {"functions": 3, "chat": 3})
    for name, rows in (("train", bank.train), ("window", bank.heldout)):
        write_parquet(folder / f"{name}.parquet", (task.to_row() for task in rows), "tasks")
    return folder / "train.parquet", folder / "window.parquet"


def grpo_job(out: Path, model: Path, tasks: tuple[Path, Path], **changes: Any) -> GrpoJob:
    settings: dict[str, Any] = {
        "method": "full", "max_steps": 4, "prompts_per_step": 2, "num_generations": 3, "learning_rate": 1e-3, "save_steps": 2,
        "max_completion_length": 8, "eval_steps": 2, "eval_items": 6, "max_prompt_length": 200,
    }  # fmt: skip
    spec = GrpoSpec(**{**settings, **changes})
    return GrpoJob(
        kind="grpo",
        out=out, logs=out / "logs", model=model, rows=tasks[0], suite=tasks[1], seed=3, spec=spec,
        decoding=Decoding(max_new_tokens=8, batch_size=8),
    )  # fmt: skip


def run(job: GrpoJob, interrupts: Interrupts | None = None) -> dict[str, Any]:
    job.out.mkdir(parents=True, exist_ok=True)
    return train_grpo(job, silent(job.logs), interrupts or Interrupts(), exact_match)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts that no window asks."""
    path = tmp_path_factory.mktemp("fresh") / "reward.parquet"
    rows = reward_prompts(5, {"functions": 10, "chat": 10}, ())
    write_parquet(path, (task.to_row() for task in rows), "tasks")
    return path


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, base: Path, tasks: tuple[Path, Path], fresh: Path
) -> GrpoJob:
    job = grpo_job(
        tmp_path_factory.mktemp("grpo"),
        base,
        tasks,
        micro_batch=2,
        reward_items=18,
        temperature=1.3,
    )
    job = replace(job, fresh=fresh)
    run(job)
    return job


def kept_reward(job: GrpoJob) -> dict[str, Any]:
    measured: dict[str, Any] = json.loads((job.out / KEPT_REWARD).read_text())
    return measured


def test_the_kept_weights_answer_fresh_prompts_as_rollouts_are_drawn(finished: GrpoJob) -> None:
    measured = kept_reward(finished)
    assert len(measured["rewards"]) == 18 == len(set(measured["ids"]))
    asked = {row["id"] for row in rows_of(finished.logs / ANSWERS)}
    assert asked == set(measured["ids"])
    windows = {task.id for task in window_tasks(finished.suite or Path(), 6)}
    assert asked.isdisjoint(windows)
    decoding = json.loads(measured["decoding"])
    assert (decoding["temperature"], decoding["max_new_tokens"]) == (1.3, 8)
    files = {
        path.relative_to(finished.out).as_posix(): sha256_file(path)
        for path in finished.out.rglob("*")
        if path.is_file()
    }
    assert measured["weights"] == weights_hash(files)
    best = json.loads((finished.out / "training.json").read_text())["best_step"]
    assert measured["step"] == best
    tasks = window_tasks(finished.fresh or Path(), 18)
    bound = RewardBound(
        weights_hash(files), suite_hash(task.content_hash for task in tasks), scorer_version()
    )
    policy = RewardPolicy(
        threshold=0.9, items=18, decoding=measured["decoding"], report_temperature=0.0
    )
    assert decide_eval_reward(policy, measured, bound).verdict == "fail", "it has learnt nothing"


def test_a_killed_measurement_goes_on_where_it_was_and_gives_no_answer_twice(
    finished: GrpoJob, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(finished.out, tmp_path / "again")
    job = replace(finished, out=tmp_path / "again", logs=tmp_path / "again" / "logs")
    (job.out / KEPT_REWARD).unlink()
    rows = (job.logs / ANSWERS).read_text().splitlines(keepends=True)
    first = json.loads(rows[0])
    marked = json.dumps({**first, "completion": "marked"}) + "\n"
    swapped = json.dumps({**json.loads(rows[1]), "completion": "other", "weights": "x"}) + "\n"
    torn = rows[2][:20]
    (job.logs / ANSWERS).write_text(marked + swapped + torn)
    scoring = Scoring(job.spec.rewards)
    try:
        measure_kept(job, 4, scoring, silent(job.logs), Interrupts())
    finally:
        scoring.close()
    answers = {row["id"]: row["completion"] for row in rows_of(job.logs / ANSWERS)}
    before = {row["id"]: row["completion"] for row in map(json.loads, rows)}
    assert answers == {**before, first["id"]: "marked"}


def test_a_measurement_that_is_asked_to_stop_stops_and_can_go_on(
    finished: GrpoJob, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(finished.out, tmp_path / "again")
    job = replace(finished, out=tmp_path / "again", logs=tmp_path / "again" / "logs")
    (job.logs / ANSWERS).unlink()
    interrupts = Interrupts()
    interrupts.asked = "SIGTERM"
    scoring = Scoring(job.spec.rewards)
    try:
        with pytest.raises(Interrupted, match="SIGTERM"):
            measure_kept(job, 4, scoring, silent(job.logs), interrupts)
        assert not (job.out / KEPT_REWARD).exists(), "an old measurement does not stand for a new"
        answered = rows_of(job.logs / ANSWERS)
        assert 0 < len(answered) < 18
        measure_kept(job, kept_reward(finished)["step"], scoring, silent(job.logs), Interrupts())
    finally:
        scoring.close()
    assert kept_reward(job) == kept_reward(finished)


def test_without_fresh_prompts_nothing_is_measured(finished: GrpoJob, tmp_path: Path) -> None:
    job = replace(finished, out=tmp_path, fresh=None)
    scoring = Scoring(job.spec.rewards)
    assert measure_kept(job, 4, scoring, silent(tmp_path), Interrupts()) is None
    assert not (tmp_path / KEPT_REWARD).exists()


def test_every_step_and_every_window_is_recorded(finished: GrpoJob) -> None:
    rows = read_curves(finished.out / "curves.jsonl")
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert {
        "reward",
        "frac_reward_zero_std",
        "grad_norm",
        "learning_rate",
        "completions/clipped_ratio",
    } <= steps[-1].keys()
    assert {"rewards/functions", "rewards/functions_parses", "rewards/chat"} & steps[-1].keys()
    assert "kl" not in steps[-1], "at beta 0 there is no divergence to log"
    looks = [row for row in rows if "eval/mean_reward" in row]
    assert [row["step"] for row in looks] == [0, 2, 4]
    assert (looks[0]["eval/mean_reward/n"], looks[0]["eval/functions/n"]) == (6, 3)
    assert (
        looks[0]["eval/mean_reward/low"]
        <= looks[0]["eval/mean_reward"]
        <= looks[0]["eval/mean_reward/high"]
    )
    assert {"eval/mean_reward", "eval/pass_at_1", "eval/chat"} <= evidence_of(rows).keys()


def test_coverage_is_counted_as_it_runs(finished: GrpoJob) -> None:
    steps = [row for row in rows_of(finished.out / "curves.jsonl") if "loss" in row]
    assert [row["coverage"] for row in steps] == [2 / 16, 4 / 16, 6 / 16, 8 / 16]
    assert steps[-1]["coverage/functions"] + steps[-1]["coverage/chat"] == pytest.approx(1.0)
    assert json.loads((finished.out / "training.json").read_text())["prompts_seen"] == 8


def test_the_checkpoint_is_whole_and_says_what_it_reached(finished: GrpoJob) -> None:
    reached = json.loads((finished.out / "training.json").read_text())
    assert (reached["kind"], reached["steps"], reached["planned_steps"], reached["stopped_by"]) == (
        "grpo",
        4,
        4,
        None,
    )
    assert reached["tokens"] > 4 * 6 * 9, "24 completions of 8 tokens at most, and their prompts"
    gain = reached["eval_gain"]
    assert (gain["from_step"], gain["to_step"], gain["n"]) == (0, 4, 6)
    assert json.loads((finished.out / "parity.json").read_text())["passed"]
    timings = rows_of(finished.logs / "timings.jsonl")
    assert all(row["total"] >= row["generation"] > 0 for row in timings)


def test_a_stop_signal_saves_and_the_resumed_run_ends_alike(
    finished: GrpoJob, tmp_path: Path, base: Path, tasks: tuple[Path, Path]
) -> None:
    job = replace(finished, out=tmp_path / "again", logs=tmp_path / "again" / "logs")
    job.out.mkdir()
    interrupts, progress = Interrupts(), silent(job.logs)
    stop_at_step(progress, interrupts, 3)
    with pytest.raises(Interrupted, match="SIGTERM at step 3"):
        train_grpo(job, progress, interrupts, exact_match)
    run(job)
    for name in (
        "final/model.safetensors",
        "curves.jsonl",
        "evals.jsonl",
        "windows.jsonl",
        "training.json",
        KEPT_REWARD,
    ):
        assert (job.out / name).read_bytes() == (finished.out / name).read_bytes(), name


def test_a_share_of_the_start_changes_what_is_kept_and_not_what_is_trained(
    finished: GrpoJob, tmp_path: Path, base: Path, tasks: tuple[Path, Path]
) -> None:
    job = grpo_job(
        tmp_path / "averaged", base, tasks, micro_batch=2, start_share=0.5, temperature=1.3
    )
    run(job)
    losses = [
        [row["loss"] for row in rows_of(out / "curves.jsonl") if "loss" in row]
        for out in (job.out, finished.out)
    ]
    assert losses[0] == losses[1]
    with pytest.raises(Fault, match="method is 'lora'"):
        GrpoSpec(start_share=0.5, method="lora").check()


def test_windows_see_the_average_and_training_goes_on_from_its_own_weights(base: Path) -> None:
    start = dict(load_model(base, exact=True).named_parameters())
    model = load_model(base, exact=True)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    watch: Any = SimpleNamespace(
        spec=GrpoSpec(method="full", start_share=0.25),
        job=SimpleNamespace(model=base),
        trainer=SimpleNamespace(model=model),
    )
    with pytest.raises(RuntimeError, match="the window broke"), GrpoWatch.averaged(watch, 5):
        for name, weight in model.named_parameters():
            assert torch.allclose(weight, start[name] + 0.75, atol=1e-6)
        raise RuntimeError("the window broke")
    assert all(torch.equal(weight, start[name] + 1.0) for name, weight in model.named_parameters())


def test_a_rule_stops_the_run_and_says_what_it_saw(
    tmp_path: Path, base: Path, tasks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (
        WatchRule(
            name="clipped",
            metric="completions/clipped_ratio",
            test="above",
            threshold=-1.0,
            action="warn",
        ),
        WatchRule(
            name="no_contrast",
            metric="frac_reward_zero_std",
            test="above",
            threshold=0.5,
            points=2,
            because="B.",
        ),
    )
    job = grpo_job(tmp_path, base, tasks, watch=rules)
    told: list[str] = []
    progress = silent(job.logs)
    monkeypatch.setattr(progress, "note", told.append)
    result = train_grpo(job, progress, Interrupts(), exact_match)
    expected = "no_contrast: frac_reward_zero_std is 1 at step 2, above 0.5, 2 times in a row. B."
    assert (result["steps"], result["stopped_by"]) == (2, expected)
    found = rows_of(job.out / "watch.jsonl")
    assert [(row["step"], row["rule"], row["action"]) for row in found] == [
        (1, "clipped", "warn"),
        (2, "no_contrast", "stop"),
    ]
    assert f"stop: {expected}" in told
    again = train_grpo(job, silent(job.logs), Interrupts(), exact_match)
    assert again == result, "what had stopped by rule is not trained further"


def test_a_curriculum_measures_first_and_takes_all_where_nothing_has_contrast(
    tmp_path: Path, base: Path, tasks: tuple[Path, Path]
) -> None:
    job = grpo_job(tmp_path, base, tasks, curriculum_samples=2, max_steps=1, eval_steps=9)
    run(job)
    rates = rows_of(job.out / "pass_rates.jsonl")
    assert len(rates) == 16 and not any(rate["contrast"] for rate in rates), (
        "this model earns nothing"
    )


def test_an_adapter_is_trained_and_merged(
    tmp_path: Path, base: Path, tasks: tuple[Path, Path]
) -> None:
    job = grpo_job(tmp_path, base, tasks, method="lora", lora_r=4, max_steps=2)
    result = run(job)
    assert 0 < result["trained_parameters"] < result["parameters"] / 2
    assert json.loads((job.out / "parity.json").read_text())["passed"]
    assert (job.out / "adapter" / "adapter_config.json").is_file() and (
        job.out / "model" / "model.safetensors"
    ).is_file()


def test_what_cannot_work_is_refused(tmp_path: Path, base: Path, tasks: tuple[Path, Path]) -> None:
    with pytest.raises(BadInput, match="0 of 16 prompts have at most 3 tokens, a step needs 2"):
        run(grpo_job(tmp_path / "a", base, tasks, max_prompt_length=3))
    with pytest.raises(BadInput, match="vLLM is not installed"):
        run(grpo_job(tmp_path / "b", base, tasks, engine="vllm"))


@pytest.mark.parametrize("logits", [1 << 24, 4000])
def test_scores_without_padding_are_those_of_the_whole_batch(
    base: Path, monkeypatch: pytest.MonkeyPatch, logits: int
) -> None:
    """Prompts are padded on the left, answers on the right, as TRL's batch of GRPO has them."""
    monkeypatch.setattr("sentinel_pipeline.training.trainers.trainer.LOGITS", logits)
    model = load_model(base).train()
    draw = torch.Generator().manual_seed(7)
    ids = torch.randint(5, 200, (11, 24), generator=draw)
    first = torch.randint(0, 9, (11,), generator=draw)
    last = torch.randint(14, 25, (11,), generator=draw)
    place = torch.arange(24)
    mask = ((place >= first[:, None]) & (place < last[:, None])).long()
    labels = ids.masked_fill((mask == 0) | (place < 12), -100)
    lean = ByLength(model, temperature=0.7)(
        input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True
    )
    position = (mask.cumsum(-1) - 1).clamp(min=0)
    whole = model(input_ids=ids, attention_mask=mask, position_ids=position).logits[:, :-1] / 0.7
    every = whole.log_softmax(-1)
    targets = labels[:, 1:]
    scored = targets != -100
    expected = {
        "log_probs": every.gather(-1, targets.clamp(min=0)[..., None])[..., 0],
        "entropy": -(every.exp() * every).sum(-1),
        "mean_logits": whole.mean(-1),
        "is_top1": whole.argmax(-1) == targets,
    }
    assert 0 < int(scored.sum()) < scored.numel()
    for name, values in expected.items():
        assert torch.allclose(
            getattr(lean, name).float(), values.masked_fill(~scored, 0).float(), atol=1e-5
        ), name
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    ours = torch.autograd.grad(lean.log_probs.square().sum(), trained)
    theirs = torch.autograd.grad(expected["log_probs"][scored].square().sum(), trained)
    for gradient, other in zip(ours, theirs, strict=True):
        assert torch.allclose(gradient, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [({}, 2), ({"beta": 0.1}, 5), ({"loss_type": "dapo"}, 5), ({"aux_loss_enabled": True}, 5)],
)
def test_rows_without_an_advantage_are_left_out_where_the_loss_stays_the_same(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], rows: int
) -> None:
    """The base's loss is Dr. GRPO's: a sum over rows divided by their number."""
    import torch
    from trl import GRPOTrainer

    passed: list[int] = []

    def compute_loss(self: Any, model: Any, inputs: Any, *_: Any) -> Any:
        passed.append(len(inputs["advantages"]))
        terms = inputs["advantages"] * inputs["completion_mask"].sum(1)
        return terms.sum() / len(inputs["advantages"])

    monkeypatch.setattr(GRPOTrainer, "compute_loss", compute_loss)
    trainer = object.__new__(grpo_trainer_class())
    settings = {"loss_type": "dr_grpo", "beta": 0.0, "aux_loss_enabled": False, **changes}
    vars(trainer).update(
        settings, accelerator=SimpleNamespace(num_processes=1), step_loss=0.0, step_tokens=0
    )
    inputs = {
        "advantages": torch.tensor([0.0, 0.5, 0.0, -0.5, 0.0]),
        "prompt_mask": torch.ones(5, 3),
        "completion_mask": torch.tensor([[1, 1], [1, 1], [1, 0], [1, 0], [0, 0]]),
        "num_items_in_batch": torch.tensor(6.0),
    }
    loss = trainer.compute_loss(None, inputs)
    assert passed == [rows]
    assert float(loss) == pytest.approx((0.5 * 2 - 0.5 * 1) / 5)
    assert trainer.step_tokens == 5 * 3 + 6, "what was read is counted whole"
    nothing = trainer.compute_loss(None, inputs | {"advantages": torch.zeros(5)})
    assert (passed[1], float(nothing)) == (1 if rows == 2 else 5, 0.0)


def test_a_job_file_comes_back_as_it_was_written(
    tmp_path: Path, base: Path, tasks: tuple[Path, Path]
) -> None:
    rule = WatchRule(name="a", metric="reward", test="below", threshold=0.1)
    job = grpo_job(tmp_path, base, tasks, watch=(rule,), weights={"functions": 0.5})
    assert read_job(write_job(job)) == job
    assert replace(job, seed=4) != job


def test_the_sandbox_is_there() -> None:
    """Rewards run code: without isolation the tests above would be refused, not passed."""
    assert isolation().level is not None
