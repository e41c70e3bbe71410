"""What to try is said where the symptom is seen, once, with the numbers and the recipe's keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline import advice
from sentinel_pipeline.bench.compare import no_gain
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.run_job import failure_of
from sentinel_pipeline.worker.jobs import AnswerJob, SftJob, write_job
from sentinel_pipeline.worker.progress import ADVICE, Progress, read_advice


@given(st.lists(st.floats(0.1, 5), min_size=20, max_size=60))
def test_a_loss_that_rises_is_flat_and_one_that_halves_is_not(losses: list[float]) -> None:
    assert advice.is_flat(sorted(losses))
    assert not advice.is_flat([5.0 / (1 + step) for step in range(len(losses))])


def test_a_short_run_is_not_judged_by_its_loss() -> None:
    assert not advice.is_flat([2.0] * (advice.LEAST_STEPS - 1))
    assert advice.is_flat([2.0] * advice.LEAST_STEPS)
    text = advice.flat_loss("sft", [2.0] * 40)
    assert "2.000 at first, 2.000 at step 40" in text
    assert "sft.learning_rate" in text and "train.jsonl" in text and "sft.num_train_epochs" in text


def test_a_symptom_is_told_once_and_kept_beside_the_progress(tmp_path: Path) -> None:
    lines: list[str] = []
    progress = Progress(tmp_path / "progress.jsonl", "answer", lines.append)
    for _ in range(3):
        progress.advise("slow", "try this")
    again = Progress(tmp_path / "progress.jsonl", "answer", lines.append)
    again.advise("slow", "try that")
    again.advise("flat", "look there")
    assert lines == ["answer: try this", "answer: try that", "answer: look there"]
    assert read_advice(tmp_path / ADVICE) == [
        {"symptom": "slow", "text": "try that"},
        {"symptom": "flat", "text": "look there"},
    ]
    assert read_advice(tmp_path / "none.jsonl") == []


def test_hours_are_expected_only_when_the_rate_has_settled(tmp_path: Path) -> None:
    now = [0.0]
    progress = Progress(None, "answer", lambda text: None, clock=lambda: now[0])
    now[0] = 60.0
    progress.update(10, 1000)
    assert progress.expected_hours(10, 1000) == 0.0
    now[0] = 3600.0
    assert progress.expected_hours(109, 1009) == pytest.approx(10.0)


def test_slow_answers_name_the_keys_and_not_what_is_done_already() -> None:
    sampled = advice.slow_generation(9.04, "transformers", "bench.max_new_tokens", 1.0)
    assert (
        "9.0 h" in sampled and 'bench.engine = "vllm"' in sampled and "temperature = 0" in sampled
    )
    greedy = advice.slow_generation(9.0, "vllm", "bench.max_new_tokens", 0.0)
    assert "temperature = 0" not in greedy and 'bench.engine = "vllm"' not in greedy


def test_an_error_of_memory_names_the_remedies_of_its_job_in_the_plan_s_order(
    tmp_path: Path,
) -> None:
    common: dict[str, Any] = {"logs": tmp_path / "logs", "model": tmp_path}
    sft = write_job(SftJob(kind="sft", out=tmp_path, rows=tmp_path, spec=SftSpec(), **common))
    text = failure_of(MemoryError("no room"), sft).message
    keys = ["sft.batch_size", "sft.lora_r", "sft.gradient_checkpointing", "sft.max_length"]
    assert [text.index(key) for key in keys] == sorted(text.index(key) for key in keys)
    answer = write_job(AnswerJob(suites={}, **common))
    assert "bench.batch_size" in failure_of(MemoryError("no room"), answer).message
    assert "Lower the batch size" in failure_of(MemoryError("no room")).message


ROW = {
    "from": "base", "to": "sft", "suite": "ifeval", "n": 80, "gained": 3, "lost": 2,
    "difference": 0.01, "interval": [-0.05, 0.07], "p": 1.0,
}  # fmt: skip


def test_only_an_sft_that_is_shown_to_be_better_nowhere_is_told_what_to_look_at() -> None:
    better = ROW | {"suite": "heldout", "difference": 0.3, "interval": [0.2, 0.4]}
    later = ROW | {"from": "sft", "to": "dpo"}
    smoke = ROW | {"suite": "smoke", "n": 8}
    assert no_gain([ROW, better, later]) == [] == no_gain([later]) == no_gain([])
    (row,) = no_gain([ROW, smoke, later])
    assert (row["asset"], row["symptom"]) == ("sft_report", advice.NO_GAIN)
    assert "ifeval +1.0 %" in row["text"] and "n 8" in row["text"]
    assert "sft.learning_rate" in row["text"]


def test_a_training_without_a_gain_in_its_loss_says_so(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    from sentinel_pipeline.training.trainers.sft import train_sft
    from sentinel_pipeline.worker.interrupts import Interrupts
    from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job

    job = small_sft_job(tmp_path, base, *material)
    still = replace(job, spec=replace(job.spec, learning_rate=1e-12, weight_decay=0.0))
    train_sft(still, silent(still.logs), Interrupts(), exact_match)
    (row,) = read_advice(still.logs / ADVICE)
    assert row["symptom"] == advice.FLAT_LOSS and "the loss does not fall" in row["text"]
