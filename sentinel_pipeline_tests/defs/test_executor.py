"""The steps of a launched run: each a process of its own, forked off one that has loaded the
definitions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dagster._core.system_config.objects import ResolvedRunConfig

from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.executor import PRELOADED, STEPS
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.defs.forked import idle


class Run(NamedTuple):
    """What the process of a run printed."""

    steps: list[dict[str, Any]]
    pid: int


def launched(folder: Path, *start_method: str) -> Run:
    command = [sys.executable, "-m", "sentinel_pipeline_tests.defs.forked", str(folder)]
    done = subprocess.run(
        [*command, *start_method], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    *steps, run = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert run["success"], done.stderr
    return Run(steps, run["pid"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return launched(tmp_path_factory.mktemp("forked"))


def test_each_step_is_a_process_of_its_own_forked_off_the_same_one(run: Run) -> None:
    first, second = run.steps
    assert len({first["pid"], second["pid"], first["parent"], run.pid}) == 4
    assert first["parent"] == second["parent"]


def test_a_step_finds_the_definitions_loaded_and_no_library_that_a_fork_must_not_share(
    run: Run,
) -> None:
    for step in run.steps:
        assert {PRELOADED, "sentinel_pipeline.definitions"} <= set(step["modules"])
        assert {"torch", "pandas", "pyarrow", "duckdb"}.isdisjoint(step["modules"])


def test_a_step_of_no_work_takes_less_than_a_second_of_the_processor(run: Run) -> None:
    assert [step["step"] for step in run.steps if step["cpu_s"] >= 1.0] == []


def test_the_process_that_steps_are_forked_off_ends_with_its_run(run: Run) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{run.steps[0]['parent']}").exists():
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.1)


def test_what_steps_are_forked_off_has_one_thread() -> None:
    code = f"import {PRELOADED}, threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_the_graph_uses_it() -> None:
    assert defs.executor is STEPS
    for job in defs.get_repository_def().get_all_jobs():
        assert job.executor_def is STEPS, job.name


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"forkserver": {"preload_modules": [PRELOADED]}}),
        (
            {"multiprocess": {"max_concurrent": 3}},
            {"forkserver": {"preload_modules": [PRELOADED]}},
        ),
        ({"multiprocess": {"start_method": {"spawn": {}}}}, {"spawn": {}}),
        ({"in_process": {}}, None),
    ],
)
def test_a_run_may_choose_otherwise_as_with_dagsters_own_executor(
    chosen: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    config = {"execution": {"config": chosen}} if chosen else {}
    resolved: Any = ResolvedRunConfig.build(idle, config).execution.execution_engine_config
    assert set(resolved) == (set(chosen) or {"multiprocess"})
    (settings,) = resolved.values()
    assert settings.get("start_method") == expected
    for name, value in chosen.get("multiprocess", {}).items():
        assert settings[name] == value
