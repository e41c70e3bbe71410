"""A user's own tasks: read, divided by groups of near-duplicates, deduplicated, and every reference
run against its own verifier, in one pass; time and memory at two sizes.

Rows are generated: requests of random words with a text, JSON or Python verifier, a tenth of them
repeated with a changed word, a twentieth repeated as they are, one in a thousand with a wrong
reference. Each size runs in a process of its own; peak resident memory is that process's own, its
sandbox workers' apart. How many of the planted near-duplicates and wrong references were found is
counted.

python benchmarks/task_sources.py [--tasks 100000] [--code 0.1] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sentinel_pipeline.records import Quarantined
from sentinel_pipeline.records.task_source import TaskSource
from sentinel_pipeline.task_sources.divide import divide

WORDS = [f"{first}{second}" for first in ("ka", "mo", "ri", "tu", "ve") for second in
         ("lan", "bor", "sil", "dem", "fus", "gar", "hin", "jop", "kel", "nam", "pov", "qer")]  # fmt: skip
BARS = {"peak_times_a_tenth": "flat: about 1"}


def rows(count: int, code: float) -> Iterator[dict[str, Any]]:
    """Tasks with the defect that was planted in each, if any."""
    draw = random.Random(17)
    earlier: list[dict[str, Any]] = []
    for number in range(count):
        kind = draw.random()
        if earlier and kind < 0.05:
            yield draw.choice(earlier) | {"task_id": number, "planted": "repeated"}
            continue
        if earlier and kind < 0.15:
            row = draw.choice(earlier)
            words = row["prompt"].split()
            words[draw.randrange(len(words))] = "elsewhere"
            yield row | {"task_id": number, "prompt": " ".join(words), "planted": "near"}
            continue
        request = " ".join(draw.choices(WORDS, k=60))
        wrong = draw.random() < 0.001
        if draw.random() < code:
            name = f"f{number}"
            row = {
                "prompt": f"{request} {name}",
                "tests": f"assert {name}(2) == {2 + number}",
                "reference": f"def {name}(x):\n    return x + {number + wrong}\n",
            }
        else:
            value = json.dumps({"number": number, "words": draw.choices(WORDS, k=12)})
            verifier = {"kind": "json_answer", "expected": value}
            row = {"prompt": request, "verifier": verifier, "reference": "{}" if wrong else value}
        row |= {"task_id": number, "planted": "wrong" if wrong else ""}
        if not wrong:
            earlier.append(row)
            del earlier[:-500]
        yield row


def size(count: int, code: float, folder: Path) -> dict[str, Any]:
    planted: dict[str, int] = {}
    with (folder / "mine.jsonl").open("w") as stream:
        for row in rows(count, code):
            planted[row["planted"]] = planted.get(row["planted"], 0) + 1
            stream.write(json.dumps(row) + "\n")
    scratch = folder / "scratch"
    scratch.mkdir()
    start_mib = peak_mib()
    began = time.perf_counter()
    division = divide([TaskSource(file="mine.jsonl")], 17, root=folder, scratch=scratch)
    divided = time.perf_counter()
    quarantined = sum(isinstance(item, Quarantined) for item in division.rows())
    ended = time.perf_counter()
    report = division.report
    in_groups = len(division.dealt.sides) - report.groups
    return {
        "tasks": count,
        "divided_rows_per_s": count / (divided - began),
        "audited_rows_per_s": count / (ended - divided),
        "seconds": ended - began,
        "start_mib": start_mib,
        "peak_mib": peak_mib(),
        "groups_on_two_sides": report.overlap["groups_on_two_sides"],
        "near_or_repeated_found": f"{in_groups} of {planted.get('near', 0) + planted['repeated']}",
        "wrong_references_found": f"{quarantined} of {planted.get('wrong', 0)}",
        **{side: sum(tasks.values()) for side, tasks in report.sides.items()},
    }


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(count: int, code: float) -> dict[str, Any]:
    """A size in a process of its own."""
    command = [sys.executable, __file__, "--step", "--tasks", str(count), "--code", str(code)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--code", type=float, default=0.1, help="Share of Python tasks.")
    parser.add_argument("--step", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.step:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(size(args.tasks, args.code, Path(folder))))
        return
    tenth = alone(args.tasks // 10, args.code)
    whole = alone(args.tasks, args.code)
    result = {f"tenth_{name}": tenth[name] for name in ("tasks", "seconds", "peak_mib")} | whole
    result["peak_times_a_tenth"] = whole["peak_mib"] / tenth["peak_mib"]
    if args.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        shown = f"{value:,.2f}" if isinstance(value, float) else str(value)
        print(f"{name:28} {shown:>16}  {BARS.get(name, '')}")


if __name__ == "__main__":
    main()
