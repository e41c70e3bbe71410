"""The decision point over a finished GRPO run, as ``sentinel next`` asks and shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from ..gates.curve_files import CURVES, curves_of, evidence_of, read_curves, start_of
from ..gates.curve_rules import curve_rules
from ..gates.decisions import PointResult, evaluate
from ..gates.next_recipe import next_recipe, write_next
from ..gates.questions import answers, run_ended
from ..gates.rules import findings
from ..records.decision_spec import DecisionPoint
from ..records.recipe import Recipe
from ..records.stages import GRPO
from ..store import Home, Store
from .console import err, styled

_WORDS = {True: ("holds", "green"), False: ("no", ""), None: ("open", "yellow")}


def decide_next_recipe(
    home: Home, recipe: Recipe, point: DecisionPoint, curves: Path | None, out: Path | None
) -> dict[str, Any]:
    """What the point makes of recorded curves; where a rule holds its recipe is written. Nothing is
    started.

    Raises:
        BadInput: there are no curves yet, or they cannot be read.
    """
    rows = read_curves(curves or _recorded(home, recipe.name))
    spec = recipe.grpo
    ended = spec is not None and run_ended(spec, rows)
    outcome = evaluate(point, evidence_of(rows), start_of(rows))
    if spec is not None and not ended:
        # What an unfinished run measured last is not what the tree asks about.
        step = rows[-1]["step"] if rows else 0
        unfinished = (
            f"the curves end at step {step} of {spec.max_steps}, and no rule stopped the run: "
            f"finish it (sentinel run {recipe.name} --resume), then ask again"
        )
        outcome = PointResult("ambiguous", None, outcome.results, unfinished)
    report = _report(recipe, outcome, rows, ended)
    if outcome.rule is not None and recipe.scaled_from:
        # Two steps of a model of no ability lead nowhere.
        report["would_decide"] = f"{recipe.name} is shrunk: it leads to no recipe"
    elif outcome.rule is not None:
        path = out or home.recipes / f"{outcome.rule.recipe}.toml"
        lines = [_line(result) for result in report["evidence"]]
        base = outcome.rule.based_on or recipe.name
        home.recipe(base)
        old = home.recipe_file(base).read_text(encoding="utf-8")
        written = write_next(next_recipe(old, outcome.rule, lines, recipe.name), path)
        report |= {"next_recipe": str(path), "written": written}
    _print(report)
    return report


def _recorded(home: Home, recipe: str) -> Path:
    artifact = Store.reading(home, recipe).get(GRPO.checkpoint)
    return artifact.path(CURVES)


def _report(
    recipe: Recipe, outcome: PointResult, rows: list[dict[str, Any]], ended: bool
) -> dict[str, Any]:
    rule = outcome.rule
    holding = findings(curve_rules(recipe.grpo.watch), curves_of(rows)) if recipe.grpo else []
    would_decide = outcome.would_decide
    if outcome.verdict == "none":
        would_decide = "no scenario of the tree fits: continue the same recipe for half as many steps again, then ask again"
    return {
        "recipe": recipe.name,
        "step": rows[-1]["step"] if rows else None,
        "verdict": outcome.verdict,
        "scenario": rule.name if rule else None,
        "title": rule.why if rule else None,
        "because": rule.note if rule else None,
        "evidence": [result.to_json() for result in outcome.results],
        "watch": [finding._asdict() for finding in holding],
        "questions": [
            answer._asdict()
            for answer in answers(recipe.grpo.questions if recipe.grpo else (), rows, ended=ended)
        ],
        "would_decide": would_decide,
        "next_recipe": None,
        "written": False,
    }


def _line(result: dict[str, Any]) -> str:
    if result["measured"] is None:
        return f"{result['scenario']}: {result['metric']} {result['rule']}: not measured"
    low, high = result["interval"]
    holds = {True: "holds", False: "no", None: "open"}[result["holds"]]
    return (
        f"{result['scenario']}: {result['metric']} {result['rule']}: {result['measured']:.3f} "
        f"[{low:.3f}, {high:.3f}] on {result['n']}: {holds}"
    )


def _print(report: dict[str, Any]) -> None:
    table = Table("scenario", "metric", "rule", "measured [95 %]", "n", "")
    for result in report["evidence"]:
        measured = "not measured"
        if result["measured"] is not None:
            low, high = result["interval"]
            measured = f"{result['measured']:.3f} [{low:.3f}, {high:.3f}]"
        table.add_row(
            result["scenario"],
            result["metric"],
            result["rule"],
            measured,
            str(result["n"]),
            styled(_WORDS[result["holds"]]),
        )
    err.print(table)
    for question in report["questions"]:
        err.print(f"{question['ask']} {question['answer']}", markup=False, highlight=False)
        err.print(f"  {question['text']}", markup=False, highlight=False, soft_wrap=True)
    for finding in report["watch"]:
        err.print(f"{finding['action']}: {finding['reason']}", markup=False, highlight=False)
    if report["verdict"] == "decided" and report["next_recipe"] is not None:
        state = "written" if report["written"] else "there already, the same"
        err.print(
            f"Scenario {report['scenario']}: {report['title']}", markup=False, highlight=False
        )
        err.print(
            f"Next recipe: {report['next_recipe']} ({state}). Nothing was started.",
            markup=False,
            highlight=False,
        )
    else:
        err.print(
            f"{report['verdict']}: {report['would_decide']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
