"""How often the rules that end a run are wrong: false stops of healthy runs, and misses of the runs
that they are there for.

``python -m benchmarks.stopping [RUNS]`` draws that many runs of each case (1,000 where absent),
asks the rule at every step as a trainer does, and prints a table in Markdown. The rules are those
of ``tucano-0.5b-v4.1``; the cases are those that the documents behind it tell of, with the noise of
its 148 prompts a window and two groups a step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from sentinel_pipeline.gates.curve_files import curves_of
from sentinel_pipeline.gates.curve_rules import Curves, curve_rules
from sentinel_pipeline.gates.rules import Rule, findings
from sentinel_pipeline.gates.statistics import wilson_rate
from sentinel_pipeline.gates.window_rules import Series, syntax_dropped
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.window import Window

ROOT = Path(__file__).resolve().parents[1]
RECIPE = load_recipe(ROOT / "data" / "recipes" / "tucano-0.5b-v4.1.toml")
STEPS = 600
EVERY = 10
ITEMS = 148
GROUPS = 2
Row = dict[str, float]
Rate = Callable[[int], float]


class Case(NamedTuple):
    """A kind of run. ``draw`` gives the rows of one run, a window or a step after the other."""

    rule: str
    text: str
    healthy: bool
    draw: Callable[[Random], list[Row]]


def measured(name: str, truth: float, random: Random, n: int = ITEMS) -> Row:
    """A rate as a window records it."""
    rate = sum(random.random() < truth for _ in range(n)) / n
    low, high, _ = wilson_rate(rate, n)
    return {name: rate, f"{name}/low": low, f"{name}/high": high, f"{name}/n": float(n)}


def windows(name: str, truth: Rate, random: Random, n: int = ITEMS) -> list[Row]:
    steps = range(EVERY, STEPS + 1, EVERY)
    return [{"step": step, **measured(name, truth(step), random, n)} for step in steps]


def groups(name: str, share: float, random: Random) -> list[Row]:
    """A share of a step's groups."""
    return [
        {"step": step, name: sum(random.random() < share for _ in range(GROUPS)) / GROUPS}
        for step in range(1, STEPS + 1)
    ]


def cut_off(share: Rate, random: Random) -> list[Row]:
    """The share of a step's 32 answers that run into the length limit."""
    name = "completions/clipped_ratio"
    return [
        {"step": step, name: sum(random.random() < share(step) for _ in range(32)) / 32}
        for step in range(1, STEPS + 1)
    ]


def reward(truth: Rate, random: Random) -> list[Row]:
    """The mean training reward of a step: that of sixteen answers to each of two prompts."""
    rows = []
    for step in range(1, STEPS + 1):
        hard = [min(1.0, max(0.0, random.gauss(truth(step), 0.25))) for _ in range(GROUPS)]
        earned = [random.random() < p for p in hard for _ in range(16)]
        rows.append({"step": step, "reward": sum(earned) / len(earned)})
    return rows


def hacking(up: Rate, down: Rate, random: Random) -> list[Row]:
    rows = reward(up, random)
    for row in windows("eval/pass_at_1", down, random):
        rows[int(row["step"]) - 1] |= row
    return rows


def rising(low: float, high: float, until: int = STEPS) -> Rate:
    return lambda step: low + (high - low) * min(step, until) / until


CASES = (
    Case("plateau", "mean reward rises from .36 to .55", True,
         lambda r: windows("eval/mean_reward", rising(0.36, 0.55), r)),
    Case("plateau", "mean reward rises to .476 by step 130, then stands still", False,
         lambda r: windows("eval/mean_reward", rising(0.36, 0.476, 130), r)),
    Case("plateau", "mean reward stands still from the start", False,
         lambda r: windows("eval/mean_reward", lambda step: 0.40, r)),
    Case("reward_hacking", "reward and Pass@1 rise by .19", True,
         lambda r: hacking(rising(0.40, 0.59), rising(0.30, 0.49), r)),
    Case("reward_hacking", "reward rises by .19, Pass@1 stays", True,
         lambda r: hacking(rising(0.40, 0.59), lambda step: 0.40, r)),
    Case("reward_hacking", "reward rises by .19, Pass@1 falls by .15", False,
         lambda r: hacking(rising(0.40, 0.59), rising(0.40, 0.25), r)),
    Case("no_contrast", "two groups in five are without contrast", True,
         lambda r: groups("frac_reward_zero_std", 0.4, r)),
    Case("no_contrast", "three in five are", False,
         lambda r: groups("frac_reward_zero_std", 0.6, r)),
    Case("no_contrast", "four in five are", False,
         lambda r: groups("frac_reward_zero_std", 0.8, r)),
    Case("length_ceiling", "one answer in ten is cut off", True,
         lambda r: cut_off(lambda step: 0.1, r)),
    Case("length_ceiling", "half are, in four of five steps", False,
         lambda r: cut_off(lambda step: 0.5 if step % 5 else 0.0, r)),
    Case("extraction_low", "extraction earns .30 on 30 prompts", True,
         lambda r: windows("eval/extraction", lambda step: 0.30, r, 30)),
    Case("extraction_low", "extraction earns .10", False,
         lambda r: windows("eval/extraction", lambda step: 0.10, r, 30)),
    Case("rate_spent", "the rate is constant", True,
         lambda r: [{"step": s, "learning_rate": 5e-6} for s in range(1, STEPS + 1)]),
    Case("rate_spent", "the rate is zero from the start", False,
         lambda r: [{"step": s, "learning_rate": 0.0} for s in range(1, STEPS + 1)]),
)  # fmt: skip


def stopped(case: Case, random: Random) -> bool:
    """Whether the rule ends the run, asked at every step that records what it looks at."""
    assert RECIPE.grpo is not None
    rules: list[Rule[Curves]] = [
        rule
        for rule, spec in zip(curve_rules(RECIPE.grpo.watch), RECIPE.grpo.watch, strict=True)
        if spec.name == case.rule
    ]
    rows = case.draw(random)
    # Asked at the windows, or every tenth step: a rule that holds goes on holding for longer.
    for last in range(EVERY, len(rows) + 1, 1 if len(rows) <= STEPS // EVERY else EVERY):
        if findings(rules, curves_of(rows[:last])):
            return True
    return bool(findings(rules, curves_of(rows)))


def syntax_windows(truth: Rate, random: Random, n: int = 80, count: int = 12) -> Iterator[Series]:
    series: list[Window] = []
    for place in range(1, count + 1):
        good = sum(random.random() < truth(place) for _ in range(n))
        series.append(Window(250 * place, n, n // 2, 0.5, n, good / n, 0, n))
        yield tuple(series)


SYNTAX: tuple[tuple[str, bool, Rate], ...] = (
    ("syntax stays at .80, 80 items", True, lambda window: 0.80),
    ("syntax stays at .95, 80 items", True, lambda window: 0.95),
    ("syntax falls from .95 by ten points a window", False, lambda w: max(0.05, 1.05 - 0.10 * w)),
)


class Ended(NamedTuple):
    """The share of a case's runs that a rule ended."""

    rule: str
    text: str
    healthy: bool
    share: float

    @property
    def wrong(self) -> float:
        """False stops of healthy runs, misses of the others."""
        return self.share if self.healthy else 1 - self.share


def simulate(runs: int) -> Iterator[Ended]:
    for case in CASES:
        random = Random(f"{case.rule}|{case.text}")
        ends = sum(stopped(case, random) for _ in range(runs))
        yield Ended(case.rule, case.text, case.healthy, ends / runs)
    for text, healthy, truth in SYNTAX:
        random = Random(text)
        ends = sum(
            any(syntax_dropped(series, 2) for series in syntax_windows(truth, random))
            for _ in range(runs)
        )
        yield Ended("syntax_drop", text, healthy, ends / runs)


def main(runs: int) -> None:
    print("| rule | run | stopped | wrong |")
    print("|---|---|---|---|")
    for ended in simulate(runs):
        kind = "false stop" if ended.healthy else "miss"
        row = f"| {ended.rule} | {ended.text} | {100 * ended.share:.1f} % "
        print(f"{row}| {kind} {100 * ended.wrong:.1f} % |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
