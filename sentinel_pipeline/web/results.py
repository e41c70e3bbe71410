"""What the newest run of each recipe came to, for the landing page: rates by stage and suite, the
gates, what runs now, time and money, and what to do next.

Read from artifacts, the ledger and the drafts of a run that goes on; nothing is computed that a
report does not say. What this module does not do: draw (``templates/front.html``), or look at
Dagster, whose instance takes a second to open.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import NamedTuple

from ..bench.compare import compare_reports, comparison_line, comparison_to_json
from ..bench.report import newest_reports, report_from_json
from ..costs import cost_rows
from ..errors import SentinelError
from ..rates import with_interval
from ..records import BenchmarkReport, GateVerdict
from ..records.recipe import Recipe
from ..records.stages import report_of
from ..store import Artifact, Home, Ledger, Store
from ..worker.progress import last_row

ALIVE_S = 60.0
"""A draft whose progress is older is not shown as running."""
NEWEST = 6
"""Recipes that are shown."""


class Cell(NamedTuple):
    """One stage's rate on one suite."""

    stage: str
    text: str
    items: str
    low: float
    high: float
    rate: float


class Gate(NamedTuple):
    name: str
    state: str
    """``pass``, ``warns``, ``blocks`` or ``skipped``."""
    reason: str


class Running(NamedTuple):
    asset: str
    share: float
    detail: str


class Result(NamedTuple):
    """One recipe's newest results."""

    recipe: str
    at: str
    stages: list[str]
    suites: dict[str, list[Cell]]
    change: list[str]
    """Base against the last stage, a sentence a suite."""
    gates: list[Gate]
    next: str
    spent: str


def results(home: Home) -> list[Result]:
    """The recipes with at least one report, the newest first."""
    newest: list[tuple[str, Recipe, dict[str, Artifact]]] = []
    for name, recipe in home.every_recipe().valid.items():
        store = Store.reading(home, name)
        reports = newest_reports(store, recipe.reported)
        if reports:
            at = max(artifact.manifest.created_at for artifact in reports.values())
            newest.append((at, recipe, reports))
    newest.sort(key=lambda entry: entry[0], reverse=True)
    return [_result(home, at, recipe, reports) for at, recipe, reports in newest[:NEWEST]]


def _result(home: Home, at: str, recipe: Recipe, reports: dict[str, Artifact]) -> Result:
    ledger = Ledger(home.ledger)
    suites: dict[str, list[Cell]] = {}
    for stage, artifact in reports.items():
        for suite in recipe.bench.suites:
            if (artifact.folder / suite / "report.json").is_file():
                report = report_from_json(artifact.json(f"{suite}/report.json"))
                suites.setdefault(suite, []).append(_cell(stage, report, recipe.bench.samples))
    artifacts = tuple(artifact.hash for artifact in reports.values())
    decision = ledger.latest_decision(list(reports.values())[-1].hash)
    gates = _gates(recipe, reports, ledger.verdicts(recipe=recipe.name))
    blocked = [gate.name for gate in gates if gate.state == "blocks"]
    if blocked:
        step = f"{blocked[0]} blocks: sentinel gate explain {blocked[0]} {recipe.name}"
    elif decision is not None:
        step = f"{decision.action}: {decision.reason}"
    else:
        step = f"sentinel gate list {recipe.name}"
    store = Store.reading(home, recipe.name)
    logs = {
        name: newest.folder / "logs"
        for name in store.assets()
        if (newest := store.find(name)) is not None
    }
    costs = cost_rows(logs, recipe.budget)
    hours = sum(row["device_s"] for row in costs) / 3600
    money = sum(row["cost"] for row in costs)
    spent = f"{hours:.2f} device hours"
    if recipe.budget.hourly_rate:
        spent += f", {money:.2f} {recipe.budget.currency}"
    return Result(
        recipe=recipe.name,
        at=at[:16].replace("T", " "),
        stages=list(reports),
        suites=suites,
        change=_change(home, recipe.name, tuple(reports), tuple(suites), artifacts),
        gates=gates,
        next=step,
        spent=spent,
    )


@lru_cache(maxsize=64)
def _change(
    home: Home,
    recipe: str,
    stages: tuple[str, ...],
    suites: tuple[str, ...],
    hashes: tuple[str, ...],
) -> list[str]:
    """Base against the last stage, on the same answers; ``hashes`` are of the reports, so that a
    new one is read."""
    if len(stages) < 2 or not hashes:
        return []
    store = Store.reading(home, recipe)
    ends = {stage: store.get(report_of(stage)) for stage in (stages[0], stages[-1])}
    try:
        pairs = compare_reports(ends, sorted(suites))
    except SentinelError as error:
        return [str(error)]
    return [comparison_line(comparison_to_json(paired)) for paired, _ in pairs]


def _cell(stage: str, report: BenchmarkReport, samples: int) -> Cell:
    interval = list(report.interval[:2]) if report.interval else None
    low, high = interval or (0.0, 0.0)
    answers = report.n + report.infra
    # Two answers to an item are not two items.
    items = f"{answers} items"
    if samples > 1 and answers % samples == 0:
        items = f"{answers // samples} items × {samples} answers"
    if report.infra:
        items += f", {report.infra} lost to infrastructure"
    text = with_interval(report.pass_at_1, interval)
    return Cell(stage, text, items, low, high, report.pass_at_1 or 0.0)


def _gates(recipe: Recipe, reports: dict[str, Artifact], verdicts: list[GateVerdict]) -> list[Gate]:
    """Every gate of the recipe that is not off, in the recipe's order."""
    newest = {(verdict.name, verdict.subject_hash): verdict for verdict in verdicts}
    gates = []
    for name, policy in recipe.gates.items():
        if policy.severity == "off":
            continue
        artifact = reports.get(policy.stage)
        verdict = newest.get((name, artifact.hash)) if artifact is not None else None
        if verdict is None:
            gates.append(Gate(name, "skipped", "No verdict about the newest report."))
        elif verdict.verdict == "pass":
            gates.append(Gate(name, "pass", verdict.reason))
        else:
            state = "blocks" if policy.severity == "block" else "warns"
            gates.append(Gate(name, state, verdict.reason))
    return gates


def running(home: Home) -> dict[str, Running]:
    """Recipe -> the stage that is being made now, as its worker's progress tells."""
    going: dict[str, tuple[float, Running]] = {}
    for draft in home.runs.glob("*/*/.draft-*"):
        row = last_row(draft / "logs" / "progress.jsonl") or last_row(draft / "progress.jsonl")
        if not row or time.time() - float(row.get("time") or 0) > ALIVE_S:
            continue
        asset = draft.parent.name
        parts = [f"{row['step']} of {row['total']}"]
        if row.get("loss") is not None:
            parts.append(f"loss {row['loss']:.3f}")
        if row.get("eta_s") is not None:
            parts.append(f"{row['eta_s']:.0f} s left")
        share = min(1.0, row["step"] / max(row["total"], 1))
        entry = (float(row["time"]), Running(asset, share, " · ".join(parts)))
        name = draft.parents[1].name
        going[name] = max(going.get(name, entry), entry, key=lambda pair: pair[0])
    return {name: stage for name, (_, stage) in going.items()}
