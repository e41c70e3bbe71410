"""The decision tree over a finished GRPO run, as ``sentinel next`` asks and shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from ..gates.curve_files import CURVES, curves_of, evidence_of, read_curves
from ..gates.curves import watch
from ..gates.next_recipe import next_recipe, write_next
from ..gates.scenarios import Decision, decide
from ..records.recipe import Recipe
from ..records.stages import GRPO
from ..store import Home, Store
from .console import err

_WORDS = {True: "[green]holds[/]", False: "no", None: "[yellow]open[/]"}


def ask_tree(home: Home, recipe: Recipe, curves: Path | None, out: Path | None) -> dict[str, Any]:
    """The recommended next step after recorded curves; where a scenario is decided its recipe is written. Nothing is started.

    Raises:
        BadInput: there are no curves yet, or they cannot be read.
    """
    rows = read_curves(curves or _recorded(home, recipe.name))
    decision = decide(recipe.next, evidence_of(rows))
    report = _report(recipe, decision, rows)
    if decision.scenario is not None:
        path = out or home.recipes / f"{decision.scenario.recipe}.toml"
        lines = [_line(evidence) for evidence in report["evidence"]]
        old = (home.recipes / f"{recipe.name}.toml").read_text(encoding="utf-8")
        written = write_next(next_recipe(old, decision.scenario, lines, recipe.name), path)
        report |= {"next_recipe": str(path), "written": written}
    _print(report)
    return report


def _recorded(home: Home, recipe: str) -> Path:
    artifact = Store.reading(home, recipe).get(GRPO.checkpoint)
    return artifact.path(CURVES)


def _report(recipe: Recipe, decision: Decision, rows: list[dict[str, Any]]) -> dict[str, Any]:
    scenario = decision.scenario
    watched = watch(recipe.grpo.watch, curves_of(rows)) if recipe.grpo else []
    return {
        "recipe": recipe.name,
        "step": rows[-1]["step"] if rows else None,
        "verdict": decision.verdict,
        "scenario": scenario.name if scenario else None,
        "title": scenario.title if scenario else None,
        "because": scenario.because if scenario else None,
        "evidence": [rule.to_json() for rule in decision.evidence],
        "watch": [rule._asdict() for rule in watched],
        "would_decide": decision.would_decide or _no_scenario(decision),
        "next_recipe": None,
        "written": False,
    }


def _no_scenario(decision: Decision) -> str | None:
    if decision.verdict != "none":
        return None
    return "no scenario of the tree fits: continue the same recipe for half as many steps again, then ask again"


def _line(evidence: dict[str, Any]) -> str:
    if evidence["measured"] is None:
        return f"{evidence['scenario']}: {evidence['metric']} {evidence['rule']}: not measured"
    low, high = evidence["interval"]
    holds = {True: "holds", False: "no", None: "open"}[evidence["holds"]]
    return (
        f"{evidence['scenario']}: {evidence['metric']} {evidence['rule']}: {evidence['measured']:.3f} "
        f"[{low:.3f}, {high:.3f}] on {evidence['n']}: {holds}"
    )


def _print(report: dict[str, Any]) -> None:
    table = Table("scenario", "metric", "rule", "measured [95 %]", "n", "")
    for evidence in report["evidence"]:
        measured = "not measured"
        if evidence["measured"] is not None:
            measured = f"{evidence['measured']:.3f} [{evidence['interval'][0]:.3f}, {evidence['interval'][1]:.3f}]"
        table.add_row(
            evidence["scenario"],
            evidence["metric"],
            evidence["rule"],
            measured,
            str(evidence["n"]),
            _WORDS[evidence["holds"]],
        )
    err.print(table)
    for watched in report["watch"]:
        err.print(f"{watched['action']}: {watched['reason']}", markup=False, highlight=False)
    if report["verdict"] == "decided":
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
