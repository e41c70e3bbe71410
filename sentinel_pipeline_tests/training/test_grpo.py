"""GRPO of a model of a few thousand weights, for real: rewards through the sandbox, windows, rules,
interrupted and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates.curve_files import evidence_of, read_curves
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.records.grpo_spec import GrpoSpec, WatchRule
from sentinel_pipeline.sandbox import isolation
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.trainers.grpo import train_grpo
from sentinel_pipeline.training.trainers.grpo_trainer import grpo_trainer_class
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
def finished(
    tmp_path_factory: pytest.TempPathFactory, base: Path, tasks: tuple[Path, Path]
) -> GrpoJob:
    job = grpo_job(tmp_path_factory.mktemp("grpo"), base, tasks, micro_batch=2)
    run(job)
    return job


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
    job = grpo_job(tmp_path / "again", base, tasks, micro_batch=2)
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
    ):
        assert (job.out / name).read_bytes() == (finished.out / name).read_bytes(), name


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
