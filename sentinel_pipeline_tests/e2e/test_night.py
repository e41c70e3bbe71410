"""A night with five faults: each is named, every later recipe runs, no gate is wrong, nothing is
lost, ``verify`` names the damage.

What happens is in ``night.py``; here it is judged.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.disk import NO_MOUNT
from sentinel_pipeline_tests.e2e.night import NAMES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
_FULL = re.compile(
    "No space left on device|disk is full|disk I/O error|out of memory or of disk space"
)
"""Whichever write fails first: of a worker, of DuckDB, of Dagster's own events."""
BEFORE_THE_GATE = {
    "accepted_set", "alt_base_report", "base_checkpoint", "base_report", "critic_labels", "decontamination_report",
    "human_corrections", "instruct_report", "raw_candidates", "rebalanced_mix", "rejected_set", "repair_traces",
    "reward_audit", "self_repairs", "task_bank",
}  # fmt: skip


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("night")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "sentinel_pipeline_tests.e2e.night",
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == NO_MOUNT:
        pytest.skip(f"this user may mount no disk of its own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def needs(morning: dict[str, Any]) -> list[str]:
    return [line for line in morning["digest"].splitlines() if line.startswith("- ")]


def test_every_fault_is_named_in_the_digest(morning: dict[str, Any]) -> None:
    assert len(morning["injected"]) == 5
    for fault, words in morning["injected"].items():
        assert any(words in line for line in needs(morning)), f"{fault}: {morning['digest']}"
    full = [line for line in needs(morning) if line.startswith("- second: the run failed.")]
    assert any(map(_FULL.search, full)), full


def test_every_later_recipe_still_ran(morning: dict[str, Any]) -> None:
    assert set(morning["statuses"]) == set(NAMES)
    assert set(morning["made"]["third"]) >= BEFORE_THE_GATE


def test_no_gate_is_wrong(morning: dict[str, Any]) -> None:
    """90 % is asked of a model that can do nothing: it fails, and nobody trains. What no judge saw
    is inconclusive, not failed."""
    third = morning["verdicts"]["third"]
    assert (third["capability_gap"], third["judged"]) == ("fail", "inconclusive")
    assert "sft_checkpoint" not in morning["made"]["third"]
    for name in ("first", "second"):
        assert set(morning["verdicts"][name]) <= {"scorer_licence"}, "its base model was never made"


def test_no_artifact_is_lost_and_verify_names_the_damaged_one(morning: dict[str, Any]) -> None:
    assert morning["lost"] == []
    (damaged,) = morning["verify"]["damaged"]
    assert damaged["artifact"].startswith("first/task_bank/") and damaged["file"] == "train.parquet"
    assert morning["verify"]["code"] == 1
    assert morning["verify"]["artifacts"] == sum(len(made) for made in morning["made"].values())
