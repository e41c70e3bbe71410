"""Costs: device time of every attempt, the killed ones too, money, and a budget that a nightly run
does not exceed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel_pipeline.costs import (
    Cost,
    cost_rows,
    costs_markdown,
    device_cost,
    read_cost,
    refuse_beyond,
    write_cost,
    write_estimate,
)
from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.records.training_spec import Budget


def leave(logs: Path, name: str, rows: list[dict[str, object]], torn: str = "") -> None:
    logs.mkdir(exist_ok=True)
    (logs / name).write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """An attempt that was killed after 30 s, and one that ended after 50."""
    folder = tmp_path / "logs"
    marks = [("start", 100.0), ("start", 200.0), ("end", 250.0)]
    leave(folder, "attempts.jsonl", [{"event": event, "time": at} for event, at in marks])
    rows = [(110.0, 400), (130.0, 1000), (210.0, 300), (240.0, 2500)]
    leave(
        folder,
        "progress.jsonl",
        [{"time": at, "tokens": tokens} for at, tokens in rows],
        torn='{"time": 24',
    )
    return folder


def test_a_killed_attempt_counts_up_to_its_last_word(logs: Path) -> None:
    assert device_cost(logs) == Cost(device_s=80.0, tokens=3500, attempts=2)


def test_wall_time_of_attempts_is_added_up(logs: Path) -> None:
    write_cost(logs, 40.0)
    assert (
        write_cost(logs, 60.0)
        == read_cost(logs)
        == Cost(wall_s=100.0, device_s=80.0, tokens=3500, attempts=2)
    )


def test_a_stage_without_a_worker_costs_no_device_time(tmp_path: Path) -> None:
    assert write_cost(tmp_path / "logs", 3.0) == Cost(wall_s=3.0)
    assert read_cost(tmp_path / "nowhere") is None


def test_rows_hold_the_estimate_beside_the_actual_and_the_money(logs: Path) -> None:
    write_cost(logs, 100.0)
    write_estimate(logs, Cost(device_s=90.0))
    write_estimate(logs, Cost(device_s=1.0))
    budget = Budget(hourly_rate=1.74, max_hours=2.0)
    (row,) = cost_rows({"sft_checkpoint": logs, "task_bank": logs / "nothing"}, budget)
    assert (row["device_s"], row["estimated_device_s"], row["cost"]) == (
        80.0,
        90.0,
        round(80 / 3600 * 1.74, 4),
    )
    assert "0.022 device hours of 2 h allowed, 0.04 USD at 1.74 an hour" in costs_markdown(
        [row], budget
    )


def test_a_nightly_run_stops_before_the_stage_that_its_budget_cannot_pay() -> None:
    budget = Budget(max_hours=1.0)
    refuse_beyond(budget, "sft_checkpoint", 1800.0, Cost(device_s=1800.0))
    refuse_beyond(Budget(), "sft_checkpoint", 1e9, None)
    with pytest.raises(
        GateRefused,
        match=r"dpo_checkpoint would exceed the budget: 0\.500 h spent, 0\.501 h expected",
    ):
        refuse_beyond(budget, "dpo_checkpoint", 1800.0, Cost(device_s=1803.0))
