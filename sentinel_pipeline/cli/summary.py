"""What a run came to: stages, reports, comparisons and gates, as one JSON object and as one
table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from ..bench.compare import compare_reports, comparison_to_json
from ..bench.report import report_from_json
from ..costs import cost_rows
from ..rates import difference, percent, with_interval
from ..records import GateVerdict
from ..records.stages import REPORT_STAGES
from ..records.training_spec import Budget
from ..store import Artifact, Ledger, Store, skipped_reason
from .live import LiveRun


def summarise(store: Store, ledger: Ledger, live: LiveRun, budget: Budget) -> dict[str, Any]:
    """The object that ``sentinel run --json`` prints: what this loop made, whatever run of it made
    it."""
    reports = {
        stage: report for stage in REPORT_STAGES if (report := _of_loop(store, f"{stage}_report"))
    }
    return {
        "recipe": store.recipe,
        "run_id": store.run_id,
        "seconds": round(live.seconds, 1),
        "stages": [
            {key: stage[key] for key in ("name", "seconds", "status")}
            for stage in live.stages.values()
        ],
        "reports": {stage: _reports(artifact) for stage, artifact in reports.items()},
        "comparisons": _comparisons(reports),
        "gates": [
            _gate(verdict) for artifact in reports.values() for verdict in _newest(ledger, artifact)
        ],
        "decisions": [
            asdict(decision)
            for report in reports.values()
            if (decision := ledger.latest_decision(report.hash))
        ],
        "costs": cost_rows(_logs(store, [stage["name"] for stage in live.stages.values()]), budget),
    }


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
    """Read from the reports themselves: a run that a gate ended has compared what it has."""
    suites = (
        sorted(set.intersection(*({*_reports(report)} for report in reports.values())))
        if reports
        else []
    )
    return [comparison_to_json(summary) for summary, _ in compare_reports(reports, suites)]


def _newest(ledger: Ledger, artifact: Artifact) -> list[GateVerdict]:
    verdicts = [
        verdict
        for verdict in ledger.verdicts(recipe=artifact.manifest.recipe)
        if verdict.subject_hash == artifact.hash
    ]
    return list({verdict.name: verdict for verdict in verdicts}.values())


def _gate(verdict: GateVerdict) -> dict[str, Any]:
    names = ("name", "subject", "verdict", "measured", "threshold", "n", "reason")
    interval = list(verdict.interval[:2]) if verdict.interval else None
    return {name: getattr(verdict, name) for name in names} | {"interval": interval}


def summary_table(summary: dict[str, Any], recipe: str) -> Table:
    """Asset, suite, n, Pass@1 with interval, syntax rate, gates, wall time; then where to look
    next."""
    table = Table(title=f"{recipe}: {summary['seconds']:.0f} s in all", caption=_caption(summary))
    for name in ("asset", "suite", "n", "Pass@1 [95 %]", "syntax rate", "gates", "seconds"):
        table.add_column(
            name,
            justify="right" if name in ("n", "syntax rate", "seconds") else "left",
            overflow="fold",
        )
    for stage in summary["stages"]:
        report = (
            summary["reports"].get(stage["name"].removesuffix("_report"), {})
            if stage["name"].endswith("_report")
            else {}
        )
        seconds = f"{stage['seconds']:.1f}" if stage["status"] == "done" else stage["status"]
        if not report:
            table.add_row(stage["name"], "", "", "", "", "", seconds)
        for index, (suite, row) in enumerate(report.items()):
            first = index == 0
            gates = _gates(summary["gates"], stage["name"], suite)
            cells = (
                suite,
                str(row["n"]),
                with_interval(row["pass_at_1"], row["interval"]),
                percent(row["syntax_rate"]),
            )
            table.add_row(stage["name"] if first else "", *cells, gates, seconds if first else "")
    return table


def _gates(gates: list[dict[str, Any]], asset: str, suite: str) -> str:
    colours = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
    mine = [
        gate
        for gate in gates
        if gate["subject"].endswith(f"/{asset}") and f" on {suite} " in gate["reason"]
    ]
    return "\n".join(
        f"[{colours[gate['verdict']]}]{gate['name']}: {gate['verdict']}[/]" for gate in mine
    )


def _caption(summary: dict[str, Any]) -> str:
    lines = [
        f"{c['from']} → {c['to']} on {c['suite']}: {difference(c['difference'], c['interval'])}, "
        f"n {c['n']}, exact paired p = {c['p']:.2g}"
        for c in summary["comparisons"]
    ]
    lines += [
        f"after {decision['stage']}: {decision['action']}: {decision['reason']}"
        for decision in summary["decisions"]
    ]
    spent = sum(row["device_s"] for row in summary["costs"])
    money = sum(row["cost"] for row in summary["costs"])
    currency = summary["costs"][0]["currency"] if summary["costs"] else ""
    lines += [f"device {spent:.0f} s" + (f", {money:.2f} {currency}" if money else "")]
    return "\n".join([*lines, "Look next: sentinel ui, or sentinel gate list " + summary["recipe"]])
