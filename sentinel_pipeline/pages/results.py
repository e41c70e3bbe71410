"""What the newest run of each recipe came to, for the landing page: rates by stage and suite, the
gates, what runs now, time and money, and what to do next.

Read from artifacts, the ledger and the drafts of a run that goes on; nothing is computed that a
report does not say. What this module does not do: draw, or look at
Dagster, whose instance takes a second to open.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import NamedTuple

from ..bench.compare import compare_reports, comparison_line, comparison_to_json, no_gain
from ..bench.report import newest_reports, report_from_json
from ..costs import cost_rows
from ..errors import SentinelError
from ..phases import SUITE, skipped_phases
from ..rates import with_interval
from ..records import BenchmarkReport
from ..records.recipe import Recipe
from ..records.stages import BASE, SFT, report_of
from ..store import Artifact, Home, Ledger, Store, skipped_reason
from ..store.ledger import Entry
from ..store.marks import hidden, name_of
from ..worker.progress import ADVICE, last_row, read_advice

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
    skipped: list[str]
    """What the budget did not suffice for, a sentence a phase."""
    advice: list[str]
    """What to try, a sentence a symptom."""


def results(home: Home) -> list[Result]:
    """The recipes with at least one report that is neither archived nor superseded, the newest
    first."""
    left_out = hidden(home)
    newest: list[tuple[str, Recipe, dict[str, Artifact]]] = []
    for name in home.recipe_names():
        # A recipe without artifacts has no results: its file need not be read.
        recipe = recipe_of(home, name) if (home.runs / name).is_dir() else None
        if recipe is None:
            continue
        store = Store.reading(home, name)
        reports = newest_reports(store, recipe.reported)
        if any(name_of(home, report) not in left_out for report in reports.values()):
            at = max(artifact.manifest.created_at for artifact in reports.values())
            newest.append((at, recipe, reports))
    newest.sort(key=lambda entry: entry[0], reverse=True)
    return [result_of(home, recipe, reports) for _, recipe, reports in newest[:NEWEST]]


def recipe_of(home: Home, name: str) -> Recipe | None:
    """A recipe as its file is now, read anew only where the file was touched; None where it is
    invalid."""
    try:
        status = home.recipe_file(name).stat()
        return _recipe(home, name, status.st_mtime_ns, status.st_size)
    except (OSError, SentinelError):
        return None


@lru_cache(maxsize=64)
def _recipe(home: Home, name: str, *_: int) -> Recipe:
    return home.recipe(name)


def result_of(home: Home, recipe: Recipe, reports: dict[str, Artifact]) -> Result:
    """What one recipe's newest reports say."""
    at = max(artifact.manifest.created_at for artifact in reports.values())
    ledger = Ledger(home.ledger)
    suites: dict[str, list[Cell]] = {}
    for stage, artifact in reports.items():
        for suite in recipe.bench.suites:
            if (artifact.folder / suite / "report.json").is_file():
                report = report_from_json(artifact.json(f"{suite}/report.json"))
                suites.setdefault(suite, []).append(_cell(stage, report, recipe.bench.samples))
    artifacts = tuple(artifact.hash for artifact in reports.values())
    decision = ledger.latest_decision(list(reports.values())[-1].hash)
    store = Store.reading(home, recipe.name)
    skipped = skipped_phases(store, recipe)
    gates = _gates(recipe, reports, ledger.entries(recipe=recipe.name), skipped)
    blocked = [gate.name for gate in gates if gate.state == "blocks"]
    if blocked:
        step = f"{blocked[0]} blocks: sentinel gate explain {blocked[0]} {recipe.name}"
    elif decision is not None:
        step = f"{decision.action}: {decision.reason}"
    elif recipe.asks_curves(reports):
        step = f"sentinel next {recipe.name}"
    else:
        step = f"sentinel gate list {recipe.name}"
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
    worse = []
    if BASE in reports and SFT.name in reports:
        hashes = (reports[BASE].hash, reports[SFT.name].hash)
        worse = _no_gain(home, recipe.name, tuple(suites), *hashes)
    return Result(
        recipe=recipe.name,
        at=at[:16].replace("T", " "),
        stages=list(reports),
        suites=suites,
        change=_change(home, recipe.name, tuple(reports), tuple(suites), artifacts),
        gates=gates,
        next=step,
        spent=spent,
        skipped=list(skipped.values()),
        advice=[
            *(
                row["text"]
                for folder in logs.values()
                for path in sorted(folder.rglob(ADVICE))
                for row in read_advice(path)
            ),
            *worse,
        ],
    )


@lru_cache(maxsize=64)
def _no_gain(home: Home, recipe: str, suites: tuple[str, ...], *_: str) -> list[str]:
    """What to try where SFT is not shown to be better; the last arguments are the reports' hashes,
    so that a new one is read."""
    store = Store.reading(home, recipe)
    pair = {name: store.get(report_of(name)) for name in (BASE, SFT.name)}
    both = [
        suite
        for suite in suites
        if all((report.folder / suite / "report.json").is_file() for report in pair.values())
    ]
    try:
        rows = [comparison_to_json(paired) for paired, _ in compare_reports(pair, both)]
    except SentinelError:
        return []
    return [row["text"] for row in no_gain(rows)]


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
    first, last = stages[0], stages[-1]
    made = store.find("comparison")
    if (
        made is not None
        and not skipped_reason(made)
        and {hashes[0], hashes[-1]} <= {parent.content_hash for parent in made.manifest.parents}
    ):
        # The run has compared them already.
        rows = made.json("comparison.json")
        return [
            comparison_line(row)
            for row in sorted(rows, key=lambda row: str(row["suite"]))
            if (row["from"], row["to"]) == (first, last)
        ]
    ends = {stage: store.get(report_of(stage)) for stage in (first, last)}
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


def _gates(
    recipe: Recipe, reports: dict[str, Artifact], entries: list[Entry], skipped: dict[str, str]
) -> list[Gate]:
    """Every gate of the recipe that is not off, in the recipe's order; ``skipped`` says why there
    is nothing to judge of some phases."""
    newest = {(entry.verdict.name, entry.verdict.subject_hash): entry for entry in entries}
    gates = []
    for name, policy in recipe.gates.items():
        if policy.severity == "off":
            continue
        artifact = reports.get(policy.stage)
        entry = newest.get((name, artifact.hash)) if artifact is not None else None
        if entry is None:
            phases = (policy.stage, f"{SUITE}{policy.suite}", policy.against or "")
            reasons = [skipped[phase] for phase in phases if phase in skipped]
            reason = reasons[0] if reasons else "No verdict about the newest report."
            gates.append(Gate(name, "skipped", reason))
            continue
        state = "blocks" if policy.severity == "block" else "warns"
        if entry.verdict.verdict == "pass":
            state = "pass"
        gates.append(Gate(name, state, entry.verdict.reason + entry.note))
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
