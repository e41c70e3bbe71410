"""The rules that end a run, on simulated runs: healthy ones go on, the others are ended."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from sentinel_pipeline_tests.conftest import ROOT

RUNS = 60


def benchmark() -> ModuleType:
    """``benchmarks/stopping.py``, which is no package of ours."""
    spec = importlib.util.spec_from_file_location("stopping", ROOT / "benchmarks" / "stopping.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stopping"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ended() -> list[tuple[str, str, bool, float]]:
    return [(each.rule, each.text, each.healthy, each.wrong) for each in benchmark().simulate(RUNS)]


def test_healthy_runs_are_hardly_ever_stopped(ended: list[tuple[str, str, bool, float]]) -> None:
    healthy = [row for row in ended if row[2]]
    assert len(healthy) >= 8
    chance = 3 * (0.05 * 0.95 / RUNS) ** 0.5
    assert [row for row in healthy if row[3] > 0.05 + chance] == []


def test_what_a_rule_is_there_for_is_hardly_ever_missed(
    ended: list[tuple[str, str, bool, float]],
) -> None:
    ill = [row for row in ended if not row[2]]
    assert len(ill) >= 8
    chance = 3 * (0.10 * 0.90 / RUNS) ** 0.5
    assert [row for row in ill if row[3] > 0.10 + chance] == []
