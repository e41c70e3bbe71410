"""How long the command, the definitions and a step of a launched run take to start, in seconds of
the processor, beside the part that Python, Typer and Dagster take alone.

Each round runs every command once, so that what else the machine does falls on all of them; the
least of the rounds counts. ``*_alone_s`` is the same without this package: a Python of no work,
Typer's import, Dagster's import, ``dg check defs`` of a project with no definitions. ``step_s`` is
the whole process of a step that does nothing, forked as the definitions have it; ``spawned_step_s``
is the same by Dagster's default. What it does not do: count what the machine waits for a disk.

python benchmarks/start.py [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
STEPS = 6
_EMPTY = {
    "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "empty"\n'
    'code_location_target_module = "empty.definitions"\n',
    "empty/__init__.py": "",
    "empty/definitions.py": "import dagster as dg\n\ndefs = dg.Definitions()\n",
}
_STEP_DEFS = """
import os
import time
from multiprocessing.util import Finalize
from pathlib import Path

import dagster as dg

from sentinel_pipeline.definitions import defs as product
from sentinel_pipeline.defs.executor import STEPS

FOLDER = Path(os.environ["DAGSTER_HOME"])


def note(name):
    (FOLDER / f"{name}.cpu").write_text(str(time.process_time()))


def nothing(number):
    @dg.op(name=f"nothing_{number}")
    def step():
        # The last thing that a child of multiprocessing does.
        Finalize(None, note, (f"step_{number}",), exitpriority=-1000)

    return step


@dg.job(executor_def=STEPS)
def idle():
    for number in range(int(os.environ["STEPS"])):
        nothing(number)()


defs = dg.Definitions(jobs=[idle])
"""
_RUN = """
import json
import sys

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository

if __name__ == "__main__":
    job = ReconstructableRepository.for_module("step_defs", "defs").get_reconstructable_job("idle")
    with dg.DagsterInstance.get() as instance:
        done = dg.execute_job(job, instance=instance, run_config=json.loads(sys.argv[1]))
    assert done.success
"""


def cpu_seconds(command: list[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Of the command and of all the processes that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def step_seconds(start_method: str | None) -> float:
    """The median of the steps of one run: the first steps wait for what they are forked off."""
    settings: dict[str, Any] = {"max_concurrent": 1}
    if start_method is not None:
        settings["start_method"] = {start_method: {}}
    config = {"execution": {"config": {"multiprocess": settings}}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "step_defs.py").write_text(_STEP_DEFS, encoding="utf-8")
        (folder / "launch.py").write_text(_RUN, encoding="utf-8")
        environment = {"DAGSTER_HOME": name, "PYTHONPATH": name, "STEPS": str(STEPS)}
        cpu_seconds([sys.executable, "launch.py", json.dumps(config)], folder, environment)
        times = sorted(float(path.read_text()) for path in folder.glob("*.cpu"))
    if len(times) != STEPS:
        raise RuntimeError(f"{len(times)} of {STEPS} steps ended")
    return times[STEPS // 2]


def measure(rounds: int) -> dict[str, float]:
    python = str(sys.executable)
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        for file, text in _EMPTY.items():
            (empty / file).parent.mkdir(exist_ok=True)
            (empty / file).write_text(text, encoding="utf-8")
        check = [str(BIN / "dg"), "check", "defs", "--use-active-venv"]
        commands = {
            "python_alone_s": ([python, "-c", "pass"], ROOT),
            "help_s": ([str(BIN / "sentinel"), "--help"], ROOT),
            "typer_alone_s": ([python, "-c", "import typer._adapters"], ROOT),
            "gate_list_s": ([str(BIN / "sentinel"), "gate", "list"], ROOT),
            "dagster_alone_s": ([python, "-c", "import dagster"], ROOT),
            "definitions_s": ([python, "-c", "import sentinel_pipeline.definitions"], ROOT),
            "dg_check_alone_s": (check, empty),
            "dg_check_defs_s": (check, ROOT),
        }
        environment = {"PYTHONPATH": name}
        # The first time writes the compiled modules: what an installed package has.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for command, folder in commands.values():
            cpu_seconds(command, folder, environment)
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for figure, (command, folder) in commands.items():
                times.setdefault(figure, []).append(cpu_seconds(command, folder, environment))
            times.setdefault("step_s", []).append(step_seconds(None))
            times.setdefault("spawned_step_s", []).append(step_seconds("spawn"))
    least = {figure: round(min(values), 3) for figure, values in times.items()}
    ratio = round(least["spawned_step_s"] / least["step_s"], 2)
    return {**least, "times_spawned_step": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.rounds)
    if args.json:
        print(json.dumps(figures))
        return
    for figure, value in figures.items():
        print(f"{figure:<20}{value:>8.3f}")


if __name__ == "__main__":
    main()
