"""Which figures of run B are worse than those of run A by more than their noise; exit code 1 if one
is.

Ratios against a peer are compared wherever they were measured; rates, times and memory only where
both runs are of the same machine. Noise is the spread over a run's repeats: a figure is worse where
B's best is worse than A's worst, and the medians differ by more than ``LEAST`` (by ``ALONE`` where
a run has it once only, since nothing then says how it varies). What this module does not do: say
why; a busy machine is the first suspect.

python -m benchmarks.compare A.json B.json [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

LEAST = 0.03
ALONE = 0.15
Verdict = Literal["worse", "better", "same"]
_SMALLER_RATIOS = ("_memory_times", "_time_times", "times_a_tenth", "times_time_a_row")
_RATES = ("_per_s", "_per_second", "_per_processor_s", "/s")
_AMOUNTS = ("seconds", "_s", "_ms", "_us", "_mib", "_us_a_row", "us_a_row", "_bytes_a_row")


class Figure(NamedTuple):
    """One number of one benchmark in both runs."""

    benchmark: str
    name: str
    before: float
    after: float
    change: float
    """Of the medians: +0.1 is a tenth better, whichever way is better."""
    noise: float
    """The larger of the two spreads, as a share of its median."""
    verdict: Verdict


def direction(name: str) -> tuple[bool, bool] | None:
    """Whether a figure is a ratio, and whether more of it is better; None: it is no figure of
    speed or memory."""
    if name.endswith(_SMALLER_RATIOS):
        return True, False
    for part in name.split("."):
        if part.startswith(("times_", "ratio")) or part.endswith(("_ratio", "_times_one")):
            return True, True
    if name.endswith(_RATES):
        return False, True
    if name.endswith(_AMOUNTS):
        return False, False
    return None


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Figure]:
    """Every figure that both runs have and that can be compared, the worst change first."""
    same_machine = _identity(before["machine"]) == _identity(after["machine"])
    figures: list[Figure] = []
    for benchmark, values in before["benchmarks"].items():
        others = after["benchmarks"].get(benchmark, {})
        for name, first in values.items():
            second = others.get(name)
            meaning = direction(name)
            if not second or not first or meaning is None or not (meaning[0] or same_machine):
                continue
            figures.append(_judge(benchmark, name, first, second, more_is_better=meaning[1]))
    return sorted(figures, key=lambda figure: figure.change)


def missing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Benchmarks that run B was to have and that failed there."""
    return sorted(set(before["benchmarks"]) & set(after.get("failed", ())))


def _identity(machine: dict[str, Any]) -> tuple[Any, ...]:
    return machine["processor"], machine["cores"], machine["memory_gib"]


def _judge(
    benchmark: str, name: str, first: list[float], second: list[float], *, more_is_better: bool
) -> Figure:
    before, after = statistics.median(first), statistics.median(second)
    sign = 1 if more_is_better else -1
    change = sign * (after - before) / abs(before) if before else 0.0
    noise = max(_spread(first), _spread(second))
    least = LEAST if min(len(first), len(second)) > 1 else ALONE
    worst = [sign * value for value in first]
    best = [sign * value for value in second]
    verdict: Verdict = "same"
    if change < -least and max(best) < min(worst):
        verdict = "worse"
    elif change > least and min(best) > max(worst):
        verdict = "better"
    return Figure(benchmark, name, before, after, change, noise, verdict)


def _spread(values: list[float]) -> float:
    middle = abs(statistics.median(values))
    return (max(values) - min(values)) / middle if middle else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", type=Path, metavar="A.json", help="The run before.")
    parser.add_argument("b", type=Path, metavar="B.json", help="The run after.")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for path in (args.a, args.b):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            runs.append(run | {"machine": run["machine"], "benchmarks": run["benchmarks"]})
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{path} is not a run of the benchmarks: {error}", file=sys.stderr)
            sys.exit(2)
    figures = compare(*runs)
    failed = missing(*runs)
    worse = [figure for figure in figures if figure.verdict == "worse"]
    if args.json:
        rows = [figure._asdict() for figure in figures]
        print(json.dumps({"worse": len(worse), "failed": failed, "figures": rows}))
    else:
        if _identity(runs[0]["machine"]) != _identity(runs[1]["machine"]):
            print("The machines differ: only ratios are compared.")
        for figure in figures:
            print(
                f"{figure.verdict:6} {figure.benchmark:22} {figure.name:36} {figure.before:12,.2f}"
                f" -> {figure.after:12,.2f}  {figure.change:+7.1%}  noise {figure.noise:.1%}"
            )
        for name in failed:
            print(f"failed {name}")
        print(f"{len(figures)} figures compared, {len(worse)} worse by more than their noise.")
    if worse or failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
