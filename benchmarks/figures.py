"""``docs/figures.md``: the figures of the newest runs of the benchmarks, from their JSON.

Of each machine and benchmark the newest run in ``benchmarks/results`` counts; median and spread
over its repeats are shown. What this module does not do: run anything.

python -m benchmarks.figures
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.compare import direction
from benchmarks.record import RESULTS, VARIANTS

PAGE = RESULTS.parents[1] / "docs" / "figures.md"
HEAD = """# Figures

Written by `python -m benchmarks.figures` from the runs in `benchmarks/results`, and tested against them. `make bench` makes such a
file; `python -m benchmarks.compare A.json B.json` says which figure is worse by more than its noise. Ratios are against a peer in
the same run; rates and times are those of the machine that is named, with what else it did at the time.
"""


def runs(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every run, the newest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda run: str(run["at"]), reverse=True)


def page(all_runs: list[dict[str, Any]]) -> str:
    """The page: a section for each machine, a table for each benchmark."""
    lines = [HEAD]
    shown: set[tuple[str, str]] = set()
    machine = ""
    for run in all_runs:
        facts = run["machine"]
        name = f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB"
        new = {
            benchmark: values
            for benchmark, values in run["benchmarks"].items()
            if (name, benchmark) not in shown
        }
        if not new:
            continue
        if name != machine:
            lines += [f"## {name}", "", f"{facts['system']}, Python {facts['python']}.", ""]
            machine = name
        for benchmark, values in sorted(new.items()):
            shown.add((name, benchmark))
            repeats = max(map(len, values.values()), default=0)
            module, options = VARIANTS.get(benchmark, (benchmark, []))
            lines += [
                f"### `{' '.join([f'benchmarks/{module}.py', *options])}`",
                "",
                f"{run['at'][:10]}, commit {run['commit']}, {repeats} times, load before {facts['load_before']}.",
                "",
                "| figure | median | least | largest |",
                "|---|---|---|---|",
            ]
            for figure, numbers in values.items():
                shown_name = figure.replace("|", "/")
                mark = "**" if (direction(figure) or (False,))[0] else ""
                cells = (statistics.median(numbers), min(numbers), max(numbers))
                lines.append(
                    f"| {mark}{shown_name}{mark} | " + " | ".join(map(_short, cells)) + " |"
                )
            lines.append("")
    return "\n".join(lines)


def _short(number: float) -> str:
    if number == int(number):
        return f"{int(number):,}"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


if __name__ == "__main__":
    PAGE.write_text(page(runs()), encoding="utf-8")
