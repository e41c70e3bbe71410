"""What a stage took and what it costs: wall time, device time, tokens, money at the recipe's rate,
beside what was estimated.

Read from what workers and stages leave in ``logs/``: ``attempts.jsonl`` (when a worker took the
device and let it go), ``progress.jsonl`` (what it had done so far, so that a killed attempt counts
too) and ``cost.json`` (the stage's wall time). Device time is time that a worker held the device.
What this module does not do: measure power, or stop a stage that runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from .errors import GateRefused
from .records.stages import TRAINING_STAGES
from .records.training_spec import Budget
from .store import Store, skipped_reason, write_json

ATTEMPTS = "attempts.jsonl"
PROGRESS = "progress.jsonl"
COST = "cost.json"
ESTIMATE = "estimate.json"
DEVICE_ASSETS = (
    "base_checkpoint", "self_generated", "base_report", "instruct_report", "alt_base_report", "self_repairs",
    *(asset for stage in TRAINING_STAGES for asset in stage.device_assets),
)  # fmt: skip
"""Assets that hold the device, in the order in which they are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One stage's cost. Seconds; tokens are those trained on or generated, padding not counted."""

    wall_s: float = 0.0
    device_s: float = 0.0
    tokens: int = 0
    attempts: int = 0
    """Workers that were started: more than one where a run was interrupted."""

    def money(self, budget: Budget) -> float:
        """Device time at the budget's hourly rate."""
        return self.device_s / 3600 * budget.hourly_rate


def note_attempt(logs: Path, event: str) -> None:
    """A worker took the device (``start``) or let it go (``end``)."""
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / ATTEMPTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"event": event, "time": round(time.time(), 3)}) + "\n")


def device_cost(logs: Path, since: float = 0.0) -> Cost:
    """Device time and tokens of every job under ``logs``, of attempts that began after ``since``
    (seconds since 1970)."""
    return _added([_job_cost(path.parent, since) for path in sorted(logs.rglob(ATTEMPTS))])


def _added(costs: Sequence[Cost]) -> Cost:
    """On the device together; wall time is not added: jobs may overlap."""
    return Cost(
        device_s=round(sum(cost.device_s for cost in costs), 3),
        tokens=sum(cost.tokens for cost in costs),
        attempts=sum(cost.attempts for cost in costs),
    )


def _job_cost(logs: Path, since: float) -> Cost:
    """Of the attempts of one job; one that was killed ends with its last progress row."""
    marks = _rows(logs / ATTEMPTS)
    rows = _rows(logs / PROGRESS)
    starts = [mark["time"] for mark in marks if mark["event"] == "start" and mark["time"] >= since]
    seconds = 0.0
    tokens = 0
    for start, following in pairwise([*starts, float("inf")]):
        mine = [row for row in rows if start <= row["time"] < following]
        ends = [
            mark["time"]
            for mark in marks
            if mark["event"] == "end" and start <= mark["time"] < following
        ]
        last = max([start, *ends, *(row["time"] for row in mine)])
        seconds += last - start
        tokens += max((int(row.get("tokens", 0)) for row in mine), default=0)
    return Cost(device_s=round(seconds, 3), tokens=tokens, attempts=len(starts))


def write_cost(logs: Path, wall_s: float) -> Cost:
    """Add this attempt's wall time to the stage's and write ``cost.json``."""
    before = read_cost(logs)
    device = device_cost(logs)
    wall = round((before.wall_s if before else 0.0) + wall_s, 3)
    cost = Cost(
        wall_s=wall, device_s=device.device_s, tokens=device.tokens, attempts=device.attempts
    )
    write_json(logs / COST, asdict(cost))
    return cost


def read_cost(logs: Path) -> Cost | None:
    """The cost that ``write_cost`` wrote; None where there is none."""
    try:
        return Cost(**json.loads((logs / COST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def loop_costs(store: Store, assets: Iterable[str]) -> dict[str, Cost]:
    """Costs of what this loop made so far, by asset."""
    by_stage: dict[str, Cost] = {}
    for asset in assets:
        artifact = store.find(asset)
        cost = (
            read_cost(artifact.folder / "logs")
            if artifact and artifact.manifest.loop_id == store.loop_id
            else None
        )
        if cost is not None:
            by_stage[asset] = cost
    return by_stage


def loop_hours(store: Store) -> float:
    """Device hours of everything that this loop did so far: what it made, once for each time that
    it was made, and its drafts."""
    seconds = 0.0
    for asset in DEVICE_ASSETS:
        for artifact in store.history(asset):
            if artifact.manifest.loop_id == store.loop_id:
                cost = read_cost(artifact.folder / "logs")
                seconds += cost.device_s if cost is not None else 0.0
        seconds += draft_cost(store, asset).device_s
    return seconds / 3600


def draft_cost(store: Store, asset: str) -> Cost:
    """What an asset took so far that this loop began and has not finished."""
    return device_cost(store.home.runs / store.recipe / asset / f".draft-{store.loop_id}" / "logs")


def run_cost(store: Store, since: float) -> Cost:
    """What one run has cost, failed or not: of what it made and of its loop's drafts, the attempts
    that began after ``since``."""
    folders = [
        folder / name / "logs"
        for folder in (store.home.runs / store.recipe / asset for asset in store.assets())
        for name in (store.run_id, f".draft-{store.loop_id}")
    ]
    return _added([device_cost(folder, since) for folder in folders])


def last_costs(store: Store, assets: Iterable[str]) -> dict[str, Cost]:
    """The newest known cost of each asset, of whatever run: what an estimate goes by."""
    by_stage: dict[str, Cost] = {}
    for asset in assets:
        costs = [
            cost
            for artifact in store.history(asset)
            # What was skipped took nothing, which says nothing of what it would take.
            if not skipped_reason(artifact) and (cost := read_cost(artifact.folder / "logs"))
        ]
        if costs:
            by_stage[asset] = costs[-1]
    return by_stage


def write_estimate(logs: Path, estimate: Cost | None) -> None:
    """Keep what the stage was expected to take, once: a resumed attempt does not change it."""
    if not (logs / ESTIMATE).exists():
        write_json(logs / ESTIMATE, {"device_s": estimate.device_s if estimate else None})


def read_estimate(logs: Path) -> float | None:
    """Device seconds that the stage was expected to take; None where nothing told."""
    try:
        seconds: float | None = json.loads((logs / ESTIMATE).read_text(encoding="utf-8"))[
            "device_s"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seconds


def refuse_beyond(
    budget: Budget, stage: str, spent_s: float, estimate: Cost | None, again: str = ""
) -> None:
    """A run does not begin what its budget cannot pay: it pauses before it.

    Args:
        budget: the limits that hold.
        stage: the asset that would begin.
        spent_s: device seconds so far.
        estimate: what the asset is expected to take; None where nobody knows.
        again: the command that goes on, for people.

    Raises:
        GateRefused: the device time spent and what ``stage`` is expected to take exceed the budget.
    """
    allowed = budget.hours_allowed
    if allowed is None:
        return
    coming = estimate.device_s if estimate else 0.0
    hours = (spent_s + coming) / 3600
    if hours > allowed:
        money = ""
        if budget.hourly_rate:
            money = f" ({hours * budget.hourly_rate:.2f} {budget.currency})"
        fix = "Raise budget.max_hours or budget.max_cost, then go on from what is there"
        raise GateRefused(
            f"{stage} would exceed the budget: {spent_s / 3600:.3f} h spent, {coming / 3600:.3f} h "
            f"expected{money}, {allowed:g} h allowed. The run pauses here and keeps what it made. "
            f"{fix}{f': {again}' if again else ''}."
        )


def cost_rows(logs: Mapping[str, Path], budget: Budget) -> list[dict[str, Any]]:
    """A row for each stage whose ``logs`` tell, as ``sentinel run --json`` prints it: estimate
    beside actual."""
    return [
        {
            "stage": name,
            "wall_s": cost.wall_s,
            "device_s": cost.device_s,
            "estimated_device_s": read_estimate(folder),
            "tokens": cost.tokens,
            "attempts": cost.attempts,
            "cost": round(cost.money(budget), 4),
            "currency": budget.currency,
        }
        for name, folder in logs.items()
        if (cost := read_cost(folder))
    ]


def costs_markdown(rows: Sequence[dict[str, Any]], budget: Budget) -> str:
    """The stage 1 plan's table: estimate against actual, then the sum against the budget."""
    lines = ["| asset | wall | device | estimated | tokens | cost |", "|---|---|---|---|---|---|"]
    for row in rows:
        estimated = (
            "–" if row["estimated_device_s"] is None else f"{row['estimated_device_s']:,.1f} s"
        )
        lines.append(
            f"| {row['stage']} | {row['wall_s']:,.1f} s | {row['device_s']:,.1f} s | {estimated} "
            f"| {row['tokens']:,} | {row['cost']:.2f} {budget.currency} |"
        )
    hours = sum(row["device_s"] for row in rows) / 3600
    allowed = budget.hours_allowed
    limit = f" of {allowed:g} h allowed" if allowed is not None else ""
    money = f"{hours * budget.hourly_rate:.2f} {budget.currency} at {budget.hourly_rate:g} an hour"
    return "\n".join([*lines, "", f"{hours:.3f} device hours{limit}, {money}."]) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    """Whole rows of a log that a kill may have torn."""
    if not path.is_file():
        return []
    cost_table = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "time" in row:
            cost_table.append(row)
    return cost_table
