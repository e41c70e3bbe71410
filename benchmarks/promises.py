"""What the gates keep of what they promise: false promotions and coverage, by number of items, true
rate and answers an item.

``python -m benchmarks.promises [REPORTS]`` prints tables in Markdown. Cells with one answer an item
are exact, those with several, the paired ones and those of ``eval_reward`` are simulated with
REPORTS reports each (1,000 where absent).
"""

from __future__ import annotations

import sys

from sentinel_pipeline.gates.simulation import (
    error_rates,
    promise,
    promise_of_kept,
    promise_of_tasks,
)
from sentinel_pipeline.records.gate_spec import GatePolicy

ITEMS = (8, 20, 40, 100, 164, 300, 600)
RATES = (0.02, 0.05, 0.2, 0.5, 0.8, 0.95, 0.98)
SAMPLES = (2, 4, 16)
ALIKE = 0.5
DISCORDANCE = (0.02, 0.1, 0.3)
REWARD_ITEMS = (8, 40, 148, 300)
WINDOWS = (1, 7, 61)
BAR = 0.55
"""Of ``eval_reward``, the default."""


def main(reports: int) -> None:
    print("| items | " + " | ".join(f"truth {rate:g}" for rate in RATES) + " |")
    print("|---" * (len(RATES) + 1) + "|")
    for n in ITEMS:
        cells = [promise(GatePolicy(metric="pass_at_1", threshold=rate), n) for rate in RATES]
        print(_row(f"{n}", [f"{_percent(c.promoted)}, {_percent(c.covered)}" for c in cells]))
    print()
    print("| items × answers | " + " | ".join(f"truth {rate:g}" for rate in RATES) + " |")
    print("|---" * (len(RATES) + 1) + "|")
    for n in (40, 164, 600):
        for samples in SAMPLES:
            texts = []
            for rate in RATES:
                policy = GatePolicy(metric="pass_at_1", threshold=rate)
                cell = promise_of_tasks(policy, n, samples, ALIKE, reports=reports)
                texts.append(f"{_percent(cell.promoted)}, {_percent(cell.covered)}")
            print(_row(f"{n} × {samples}", texts))
    print()
    print("| items | bar | " + " | ".join(f"{share:g} differ" for share in DISCORDANCE) + " |")
    print("|---" * (len(DISCORDANCE) + 2) + "|")
    for n in ITEMS:
        for bar in (0.0, -0.02):
            policy = GatePolicy(metric="pass_at_1", threshold=bar, stage="dpo", against="sft")
            texts = [
                _percent(error_rates(policy, n, share, reports=reports).false_promotions)
                for share in DISCORDANCE
            ]
            print(_row(f"{n} | {bar:+.2f}", texts))
    print()
    print(
        "| fresh prompts | rewards | "
        + " | ".join(f"{n} window{'s' if n > 1 else ''}" for n in WINDOWS)
        + " |"
    )
    print("|---" * (len(WINDOWS) + 2) + "|")
    for n in REWARD_ITEMS:
        for name, graded in (("0 and 1", False), ("graded", True)):
            texts = []
            for windows in WINDOWS:
                kept = promise_of_kept(BAR, n, windows, graded=graded, reports=reports)
                texts.append(f"{_percent(kept.fresh)}, {_percent(kept.by_window)}")
            print(_row(f"{n} | {name}", texts))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _row(head: str, cells: list[str]) -> str:
    return f"| {head} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
