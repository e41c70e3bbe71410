"""Standings over recipes and nights, from the reports that are kept.

What this module does not do: rank checkpoints that answered different items as if they had answered
the same: rows of one suite are comparable only where their items' hash is equal, and the table says
it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import Infrastructure
from ..markdown import cell
from ..plots import curves
from ..rates import percent
from ..store import Artifact
from ..store.manifest import read_manifest


class Standing(NamedTuple):
    """One report of one checkpoint on one suite."""

    recipe: str
    stage: str
    suite: str
    created_at: str
    """UTC, ISO 8601, to the minute."""
    run_id: str
    n: int
    pass_at_1: float | None
    interval: list[float] | None
    infra: int
    items: str
    """Hash of what was asked: equal where two rows answered the same items."""
    stale: bool
    """Scored by another scorer version than the current one."""


def standings(runs: Path, scorer_now: str, hidden: Container[str] = ()) -> list[Standing]:
    """Every report under ``runs``, best first within a suite, suites in order of name; damaged ones
    are passed over, and so are ``hidden`` artifacts (``RECIPE/ASSET/RUN_ID``)."""
    rows = [
        row
        for path in runs.glob("*/*_report/*/*/report.json")
        if path.parents[1].relative_to(runs).as_posix() not in hidden
        and (row := standing_of(path, scorer_now)) is not None
    ]
    return sorted(
        rows,
        key=lambda row: (
            row.suite,
            -(row.pass_at_1 or -1.0),
            row.recipe,
            row.stage,
            row.created_at,
        ),
    )


def standing_of(path: Path, scorer_now: str) -> Standing | None:
    """What one ``report.json`` says; None where it, or its artifact, is damaged."""
    folder = path.parents[1]
    try:
        artifact = Artifact(folder, read_manifest(folder))
        manifest = artifact.manifest
        data = artifact.json(path.relative_to(folder).as_posix())
        samples = (
            artifact.path(f"samples_{data['suite']}.jsonl").read_text(encoding="utf-8").splitlines()
        )
        items = "\n".join(sorted(json.loads(line)["doc"]["task_id"] for line in samples))
        return Standing(
            recipe=manifest.recipe,
            stage=data["stage"],
            suite=data["suite"],
            created_at=manifest.created_at[:16],
            run_id=manifest.run_id,
            n=data["n"],
            pass_at_1=data["pass_at_1"],
            interval=data["interval"][:2] if data["interval"] else None,
            infra=data["infra"],
            items=hashlib.sha256(items.encode()).hexdigest()[:8],
            stale=data["scorer_version"] != scorer_now,
        )
    except (Infrastructure, OSError, ValueError, KeyError, TypeError):
        return None


def leaderboard_markdown(rows: Sequence[Standing], most: int = 200) -> str:
    """A table; rows of one suite and one items' hash are comparable."""
    lines = [
        "| suite | items | recipe | stage | created (UTC) | n | Pass@1 [95 %] | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows[:most]:
        span = f" [{percent(row.interval[0])}, {percent(row.interval[1])}]" if row.interval else ""
        rate = f"{percent(row.pass_at_1)}{span}"
        flag = "stale" if row.stale else ""
        date = row.created_at.replace("T", " ")
        lines.append(
            f"| {cell(row.suite)} | {row.items} | {cell(row.recipe)} | {row.stage} | {date} | {row.n} | {rate} | {flag} |"
        )
    rest = f"\n{len(rows) - most} more in leaderboard.json." if len(rows) > most else ""
    return "\n".join(lines) + "\n" + rest


def leaderboard_plot(rows: Sequence[Standing], recipe: str) -> str:
    """Pass@1 of one recipe's checkpoints over its runs, oldest first."""
    series: dict[str, list[tuple[float, float]]] = {}
    mine = sorted(
        (row for row in rows if row.recipe == recipe and row.pass_at_1 is not None),
        key=lambda row: row.created_at,
    )
    runs = list(dict.fromkeys(row.run_id for row in mine))
    for row in mine:
        series.setdefault(f"{row.stage}, {row.suite}", []).append(
            (runs.index(row.run_id) + 1, row.pass_at_1 or 0.0)
        )
    return (
        curves(series, f"Pass@1 of {recipe} over its runs", "run", percent=True)
        if series
        else "No report yet."
    )
