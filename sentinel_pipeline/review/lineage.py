"""Where a correction went: failure, card, row of a mix, checkpoint, and whether the failed item's
siblings improved.

Everything is read from what is on disk and in the queue: manifests say which checkpoint came of
which mix. What this module does not do: claim a cause. Siblings that improved are told with n and
interval, beside everything else that changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, select

from ..bench.compare import compare
from ..bench.samples import read_samples
from ..errors import BadInput
from ..gates.statistics import wilson
from ..rates import difference, percent
from ..records import SampleScore
from ..records.candidate import content_id
from ..records.stages import SFT
from ..store import Artifact, Home, Store, read_parquet
from .cards import read_card
from .review_queue import ReviewQueue, User
from .schema import released

_NOBODY = User("lineage", "lead")


class Siblings(NamedTuple):
    """Items of the same family in a suite, before and after; the failed item itself is not among
    them."""

    suite: str
    family: str
    n: int
    before: int
    after: int
    difference: float | None
    interval: tuple[float, float] | None
    p: float | None
    """Exact McNemar, where both reports answered the same items."""
    note: str


class Trained(NamedTuple):
    """A checkpoint whose mix holds the correction."""

    recipe: str
    mix_run: str
    row_line: int
    """Its place in the mix, one-based."""
    checkpoint_run: str | None
    siblings: tuple[Siblings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    card_id: str
    benchmark_run_id: str
    model_id: str
    task_id: str
    failure_reason: str
    status: str
    recipes: tuple[str, ...]
    """Those whose mixes may take the correction."""
    decided_by: str | None
    row_id: str | None
    """Id of the raw candidate that the correction becomes; None without a correction."""
    released_at: float | None
    trained: tuple[Trained, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "trained": [
                checkpoint._asdict() | {"siblings": [s._asdict() for s in checkpoint.siblings]}
                for checkpoint in self.trained
            ]
        }


def lineage(desk: ReviewQueue, home: Home, card_id: str) -> Lineage:
    """
    Raises:
        Unknown: there is no such card.
    """
    with desk.db.reading() as connection:
        card = read_card(connection, desk, card_id, _NOBODY)
        left = connection.execute(
            select(func.min(released.c.at)).where(released.c.card_id == card.record.id)
        ).scalar()
    row = content_id(card.record.prompt_messages, card.correction) if card.correction else None
    family = card.task.family if card.task else None
    rows = (
        []
        if row is None
        else [
            training
            for name in sorted(path.name for path in home.runs.glob("*") if path.is_dir())
            for training in _trained(home, name, row, family)
        ]
    )
    record = card.record
    return Lineage(
        card_id=record.id,
        benchmark_run_id=record.benchmark_run_id,
        model_id=record.model_id,
        task_id=record.task_id,
        failure_reason=record.failure_reason,
        status=card.status,
        recipes=card.recipes,
        decided_by=card.decided_by,
        row_id=row,
        released_at=left,
        trained=tuple(rows),
    )


def _trained(home: Home, recipe: str, row: str, family: str | None) -> list[Trained]:
    store = Store.reading(home, recipe)
    checkpoints = store.history(SFT.checkpoint)
    trainings = []
    for mix in store.history("rebalanced_mix"):
        ids = (line["id"] for line in read_parquet(mix.path("rows.parquet"), ["id"]))
        line = next((number for number, name in enumerate(ids, start=1) if name == row), None)
        if line is None:
            continue
        trained = [checkpoint for checkpoint in checkpoints if _is_parent(mix, checkpoint)]
        for checkpoint in trained:
            siblings = _siblings(store, checkpoint, family) if family else ()
            trainings.append(
                Trained(recipe, mix.manifest.run_id, line, checkpoint.manifest.run_id, siblings)
            )
        if not trained:
            trainings.append(Trained(recipe, mix.manifest.run_id, line, None, ()))
    return trainings


def _is_parent(parent: Artifact, child: Artifact) -> bool:
    mine = (parent.manifest.asset, parent.manifest.run_id)
    return any((parent.asset, parent.run_id) == mine for parent in child.manifest.parents)


def _siblings(store: Store, checkpoint: Artifact, family: str) -> tuple[Siblings, ...]:
    """The checkpoint's own report against the newest report of an earlier checkpoint, on the items
    of the family."""
    reports = store.history(SFT.report)
    after = next((report for report in reversed(reports) if _is_parent(checkpoint, report)), None)
    if after is None:
        return ()
    before = next(
        (
            report
            for report in reversed(reports)
            if report.manifest.created_at < checkpoint.manifest.created_at
        ),
        None,
    )
    suites = sorted(path.parent.name for path in after.folder.glob("*/samples.parquet"))
    siblings = (_one_suite(suite, family, before, after) for suite in suites)
    return tuple(sibling for sibling in siblings if sibling.n)


def _one_suite(suite: str, family: str, before: Artifact | None, after: Artifact) -> Siblings:
    new = [
        sample
        for sample in read_samples(after, suite)
        if sample.family == family and sample.outcome != "infra"
    ]
    old: list[SampleScore] = []
    if before is not None and (before.folder / suite / "samples.parquet").is_file():
        ids = {sample.task_id for sample in new}
        old = [
            sample
            for sample in read_samples(before, suite)
            if sample.task_id in ids and sample.outcome != "infra"
        ]
    # Only items that both reports answered say anything about a change.
    common = {sample.task_id for sample in old}
    passed = sum(sample.outcome == "pass" for sample in new)
    if not common:
        low, high, _ = wilson(passed, len(new)) if new else (0.0, 1.0, 0.95)
        note = f"no earlier report of these items; now {passed} of {len(new)}, {percent(low, 0)} to {percent(high, 0)}"
        return Siblings(suite, family, len(new), 0, passed, None, None, None, note)
    new = [sample for sample in new if sample.task_id in common]
    passed = sum(sample.outcome == "pass" for sample in new)
    try:
        paired, _ = compare(old, new, from_stage="before", to_stage="after", suite=suite)
    except BadInput as error:
        return Siblings(suite, family, len(new), 0, passed, None, None, None, str(error))
    was = sum(sample.outcome == "pass" for sample in old)
    interval = (paired.interval.low, paired.interval.high)
    return Siblings(
        suite, family, paired.n, was, passed, paired.difference, interval, paired.p, "paired"
    )


def lineage_markdown(history: Lineage) -> str:
    """The chain, one line a link."""
    lines = [
        f"failure     {history.model_id} on {history.task_id} in run {history.benchmark_run_id}: {history.failure_reason}",
        f"card        {history.card_id}: {history.status}"
        + (f" by {history.decided_by}" if history.decided_by else ""),
        f"recipes     {', '.join(history.recipes) or 'none: no mix takes its correction'}",
        f"correction  {'row ' + history.row_id if history.row_id else 'none yet'}"
        + ("" if history.released_at is None else ", left the queue: its item judges no longer"),
    ]
    for checkpoint in history.trained:
        lines.append(
            f"mix         {checkpoint.recipe}, run {checkpoint.mix_run}, row {checkpoint.row_line}"
        )
        lines.append(f"checkpoint  {checkpoint.checkpoint_run or 'none was trained on it yet'}")
        for s in checkpoint.siblings:
            change = s.note
            if s.difference is not None and s.interval is not None:
                low, high = s.interval
                change = f"{s.before} of {s.n} before, {s.after} after; {difference(s.difference, (low, high))}"
                change += f", p = {s.p:.2g}"
            lines.append(f"siblings    {s.family} in {s.suite}: {change}")
    if not history.trained:
        lines.append("mix         in none yet")
    return "\n".join(lines)
