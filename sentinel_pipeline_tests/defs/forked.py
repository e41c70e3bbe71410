"""A run of two steps that do nothing but note how their process began, launched as Dagster's daemon
launches one: ``python -m sentinel_pipeline_tests.defs.forked FOLDER [START_METHOD]`` prints one
JSON object for each step, and one of the run."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository

from sentinel_pipeline.defs.executor import STEPS

HERE = "sentinel_pipeline_tests.defs.forked"


def _note(step: str) -> None:
    note = {
        "step": step,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "cpu_s": time.process_time(),
        "threads": threading.active_count(),
        "modules": sorted(sys.modules),
    }
    (Path(os.environ["DAGSTER_HOME"]) / f"{step}.json").write_text(json.dumps(note))


@dg.op
def first() -> None:
    _note("first")


@dg.op(ins={"before": dg.In(dg.Nothing)})
def second() -> None:
    _note("second")


@dg.job(executor_def=STEPS)
def idle() -> None:
    second(first())


defs = dg.Definitions(jobs=[idle])


def main(folder: Path, *start_method: str) -> None:
    os.environ["DAGSTER_HOME"] = str(folder)
    methods: dict[str, Any] = {name: {} for name in start_method}
    execution = {"multiprocess": {"start_method": methods}}
    config: dict[str, Any] = {"execution": {"config": execution}} if methods else {}
    job = ReconstructableRepository.for_module(HERE, "defs").get_reconstructable_job("idle")
    with dg.DagsterInstance.get() as instance:
        success = dg.execute_job(job, instance=instance, run_config=config).success
    for step in ("first", "second"):
        print((folder / f"{step}.json").read_text())
    print(json.dumps({"pid": os.getpid(), "success": success}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
