"""What a run came to: stages, reports, comparisons and gates, as one JSON object and as one
table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from ..bench.compare import compare_reports, comparison_line, comparison_to_json, no_gain
from ..bench.report import report_from_json
from ..costs import cost_rows
from ..errors import BadInput
from ..phases import skipped_phases
from ..rates import percent, verdict_words, with_interval
from ..records import GateVerdict
from ..records.recipe import Recipe
from ..records.stages import REPORT_STAGES
from ..store import Artifact, Ledger, Store, skipped_reason
from ..worker.progress import ADVICE, read_advice
from .console import styled
from .live import LiveRun


def summarise(store: Store, ledger: Ledger, live: LiveRun, recipe: Recipe) -> dict[str, Any]:
    """The object that ``sentinel run --json`` prints: what this loop made, whatever run of it made
    it."""
    names = [stage["name"] for stage in live.stages.values()]
    reports = {
        stage: report for stage in REPORT_STAGES if (report := _of_loop(store, f"{stage}_report"))
    }
    comparisons = _comparisons(reports)
    return {
        "recipe": store.recipe,
        "run_id": store.run_id,
        "seconds": round(live.seconds, 1),
        "stages": [
            {key: stage[key] for key in ("name", "seconds", "status")}
            for stage in live.stages.values()
        ],
        "reports": {stage: _reports(artifact) for stage, artifact in reports.items()},
        "comparisons": comparisons,
        "gates": [
            _gate(verdict, recipe)
            for artifact in reports.values()
            for verdict in _newest(ledger, artifact)
        ],
        "decisions": [
            asdict(decision)
            for report in reports.values()
            if (decision := ledger.latest_decision(report.hash))
        ],
        "skipped": [
            {"phase": phase, "reason": reason}
            for phase, reason in skipped_phases(store, recipe).items()
        ],
        "advice": [*_advice(store, names), *no_gain(comparisons)],
        "costs": cost_rows(_logs(store, names), recipe.budget),
        "next": [f"sentinel next {store.recipe}"] if recipe.asks_curves(reports) else [],
        "warnings": _warnings(store),
    }


def _advice(store: Store, assets: list[str]) -> list[dict[str, str]]:
    """What the workers of this loop advised, finished or not."""
    drafts = {
        name: store.home.runs / store.recipe / name / f".draft-{store.loop_id}" / "logs"
        for name in assets
    }
    return [
        {"asset": name, **row}
        for name, folder in {**drafts, **_logs(store, assets)}.items()
        for path in sorted(folder.rglob(ADVICE))
        for row in read_advice(path)
    ]


def _warnings(store: Store) -> list[str]:
    """What the loop went on without: rows that could not be read, and corrections that no mix of
    this recipe takes."""

    def count(asset: str, metric: str) -> int:
        artifact = _of_loop(store, asset)
        return int(artifact.manifest.metrics.get(metric, 0)) if artifact is not None else 0

    warnings = []
    for asset, what in (
        ("task_bank", "rows of task sources"),
        ("raw_candidates", "candidate rows"),
        ("review_inbox", "failures"),
    ):
        if number := count(asset, "quarantined"):
            warnings.append(f"{what} that {asset} could not read and quarantined: {number}")
    if number := count("human_corrections", "unassigned"):
        warnings.append(
            f"approved corrections left out because they belong to no recipe: {number} "
            f"(sentinel review assign --unassigned --recipe {store.recipe})"
        )
    if number := count("human_corrections", "elsewhere"):
        warnings.append(
            f"approved corrections left out because they belong to other recipes: {number}"
        )
    return warnings


def _logs(store: Store, assets: list[str]) -> dict[str, Path]:
    return {
        name: artifact.folder / "logs" for name in assets if (artifact := _of_loop(store, name))
    }


def _of_loop(store: Store, asset: str) -> Artifact | None:
    artifact = store.find(asset)
    if artifact is None or skipped_reason(artifact) or artifact.manifest.loop_id != store.loop_id:
        return None
    return artifact


def _reports(artifact: Artifact) -> dict[str, Any]:
    suites = sorted(path.parent.name for path in artifact.folder.glob("*/report.json"))
    return {
        suite: report_from_json(artifact.json(f"{suite}/report.json")).summary() for suite in suites
    }


def _comparisons(reports: dict[str, Artifact]) -> list[dict[str, Any]]:
    """Read from the reports themselves: a run that a gate ended has compared what it has. Reports
    that are not comparable, since a run was resumed under another scorer, are not compared."""
    suites = (
        sorted(set.intersection(*({*_reports(report)} for report in reports.values())))
        if reports
        else []
    )
    try:
        return [comparison_to_json(summary) for summary, _ in compare_reports(reports, suites)]
    except BadInput:
        return []


def _newest(ledger: Ledger, artifact: Artifact) -> list[GateVerdict]:
    verdicts = [
        verdict
        for verdict in ledger.verdicts(recipe=artifact.manifest.recipe)
        if verdict.subject_hash == artifact.hash
    ]
    return list({verdict.name: verdict for verdict in verdicts}.values())


def _gate(verdict: GateVerdict, recipe: Recipe) -> dict[str, Any]:
    """A fence that is not one of the recipe's gates stops what it is asked for."""
    names = ("name", "subject", "verdict", "measured", "threshold", "n", "reason")
    interval = list(verdict.interval[:2]) if verdict.interval else None
    policy = recipe.gates.get(verdict.name)
    severity = policy.severity if policy is not None else "block"
    values = {name: getattr(verdict, name) for name in names}
    return values | {"interval": interval, "severity": severity}


def summary_table(summary: dict[str, Any], recipe: str) -> Table:
    """Report, suite, n, Pass@1 with interval, syntax rate, gates: narrow enough for 80 columns."""
    table = Table(title=recipe)
    for name in ("report", "suite", "n", "Pass@1 [95 %]", "syntax", "gates"):
        right = name in ("n", "syntax")
        whole = name.startswith("Pass@1")
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    for stage, report in summary["reports"].items():
        for index, (suite, row) in enumerate(report.items()):
            table.add_row(
                stage if index == 0 else "",
                suite,
                str(row["n"]),
                with_interval(row["pass_at_1"], row["interval"]),
                percent(row["syntax_rate"]),
                _gates(summary["gates"], f"{stage}_report", suite),
            )
    return table


def verdict_lines(summary: dict[str, Any]) -> list[str]:
    """The last lines of a run: before and after, decisions, gates, time and money, and what to do
    next."""
    lines = [comparison_line(row) for row in summary["comparisons"]]
    lines += [
        f"after {decision['stage']}: {decision['action']}: {decision['reason']}"
        for decision in summary["decisions"]
    ]
    lines += [f"not done: {row['reason']}" for row in summary["skipped"]]
    lines += [f"to try ({row['asset']}): {row['text']}." for row in summary["advice"]]
    states: dict[str, list[str]] = {"passed": [], "warns": [], "blocks": []}
    for gate in summary["gates"]:
        if gate["verdict"] == "pass":
            states["passed"].append(gate["name"])
        else:
            states["blocks" if gate["severity"] == "block" else "warns"].append(gate["name"])
    counts = [f"{len(states['passed'])} passed"]
    counts += [f"{name} {state}" for state in ("warns", "blocks") for name in states[state]]
    lines.append(f"gates: {', '.join(counts)}")
    spent = sum(row["device_s"] for row in summary["costs"])
    money = sum(row["cost"] for row in summary["costs"])
    currency = summary["costs"][0]["currency"] if summary["costs"] else ""
    paid = f", {money:.2f} {currency}" if money else ""
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    lines.append(f"{summary['seconds']:.0f} s in all, {spent:.0f} s of device{paid}")
    steps = [*summary["next"], "sentinel ui", f"sentinel gate list {summary['recipe']}"]
    lines.append(f"Next: {', '.join(steps[:-1])}, or {steps[-1]}")
    return lines


def _gates(gates: list[dict[str, Any]], asset: str, suite: str) -> Text:
    colours = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
    lines = []
    for gate in gates:
        if gate["subject"].endswith(f"/{asset}") and f" on {suite} " in gate["reason"]:
            only_warns = gate["verdict"] != "pass" and gate["severity"] == "warn"
            colour = "yellow" if only_warns else colours[gate["verdict"]]
            words = verdict_words(gate["verdict"], gate["severity"])
            lines.append((f"{gate['name']}: {words}", colour))
    return Text("\n").join(styled(line) for line in lines)
