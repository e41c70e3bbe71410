"""Import of ``sft_candidates.jsonl``: ours, another harness's, a file or a folder of runs.

Lines go in batch by batch, a batch in one transaction: whenever an import is stopped, what was
counted is in, and the next one goes on by passing over what it finds. A line that cannot be read is
quarantined with its number; a record whose id is known is a duplicate, or *changed* where it says
something else, and is then reported and never overwritten.

A card belongs to the recipes that whoever imports it names; without a name, to the one whose model
this program measured, and a card of another harness to none. What is known already joins the
recipes that are named.

An approval needs a person and the critic, and a file is neither: a record that says ``approved``
becomes an open card with its correction as a draft for whoever takes it. Only who says that they
trust the file lets it in as approved, and that stands in the trail of each such card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from ..candidates.decode import MAX_LINE_BYTES, decode_line, quarantined
from ..candidates.files import Line, lines
from ..candidates.shapes import RowRefused
from ..candidates.turns import plain_turns
from ..critic.hygiene import no_secret
from ..errors import BadInput, Infrastructure
from ..records import Quarantined
from ..records.sft_candidate import ReviewTask, SftCandidate
from ..secrets import find_credentials, mask
from ..store.foreign import files_under
from .database import insert_missing
from .review_queue import ReviewQueue, note
from .schema import (
    bodies,
    card_recipes,
    cards,
    corrections,
    drafts,
    quarantine,
    recipe_named,
    removed_recipes,
)

NAME = "sft_candidates.jsonl"
BATCH = 1000
MAX_QUARANTINED = 10_000
"""Lines of one file that are kept in the quarantine; the others are counted."""
SEARCHED = 20_000
"""Characters of a card that the text filter looks at."""
DRAFTED = "import"
"""Whose draft an imported correction is: everybody sees it who has none."""
TRUSTED = "trust-approved"
"""A row of the trail: somebody believed a file's approval of this card."""
_CIRCUMSTANCES = ("benchmark_run_id", "timestamp", "node_id", "gpu_id", "tokens_per_sec")
"""Where and when a failure was measured; not what failed."""


class Imported(NamedTuple):
    """What became of the lines; the first four sum to the lines read."""

    imported: int = 0
    duplicates: int = 0
    changed: int = 0
    """Known ids whose record says something else than the card; the card stays as it is."""
    quarantined: int = 0
    drafts: int = 0
    """Of the imported: approved by the file, here open cards with a draft."""
    trusted: int = 0
    """Approved because the file says so and is trusted."""
    joined: int = 0
    """Of the duplicates: cards that belong to a recipe since this import."""
    extra: int = 0
    """Of the imported: with keys that the labelling request does not name; they are kept."""

    def plus(self, other: Imported) -> Imported:
        return Imported(*(a + b for a, b in zip(self, other, strict=True)))


class _Read(NamedTuple):
    record: SftCandidate
    task: ReviewTask | None
    fingerprint: str
    line: int


Progress = Callable[[int, Imported], None]
"""Called with the bytes read so far and the counts."""


def files_of(path: Path) -> list[Path]:
    """A file, or every ``sft_candidates.jsonl`` under a folder.

    Raises:
        BadInput: the path does not exist, the folder holds none, or one of them is a link that
            leads out of the folder.
    """
    if path.is_dir():
        files, links = files_under(path, lambda file: file.name == NAME)
        if links:
            problem = f"a link in {path} leads out of it and is not followed."
            raise BadInput(problem, file=links[0], fix="Name that file itself, or remove the link.")
        if not files:
            raise BadInput(
                f"the folder holds no {NAME}.", file=path, fix="Name the folder of a benchmark run."
            )
        return files
    if not path.is_file():
        raise BadInput("there is no such file.", file=path, fix="Check the path.")
    return [path]


def import_file(
    desk: ReviewQueue,
    path: Path,
    *,
    actor: str,
    recipes: Sequence[str] = (),
    trust_approved: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Import one file. Running it again changes nothing, but that ``trust_approved`` approves cards
    that came before as drafts and that nobody decided, and that cards join further ``recipes``.

    Args:
        recipes: to which the cards belong; none: as their records say.

    Raises:
        Infrastructure: the machine failed to read on.
    """
    tasks = _tasks_beside(path)
    counts = Imported()
    read_bytes = 0
    try:
        source = _lines(path)
        while batch := list(islice(source, BATCH)):
            rows = [_read(line, path, tasks) for line in batch if line.data.strip()]
            listed = MAX_QUARANTINED - counts.quarantined - counts.changed
            with desk.db.writing() as connection:
                counts = counts.plus(
                    _store(
                        *(desk, connection, path, rows),
                        recipes=recipes,
                        truster=actor if trust_approved else None,
                        listed=max(0, listed),
                    )
                )
            read_bytes += sum(line.length + 1 for line in batch)
            if progress:
                progress(read_bytes, counts)
    except OSError as error:
        raise Infrastructure(f"{path} cannot be read on: {error.strerror or error}.") from error
    with desk.db.writing() as connection:
        detail = {"file": path.name, "trust_approved": trust_approved, **counts._asdict()}
        detail |= {"recipes": list(recipes)} if recipes else {}
        note(desk, connection, actor, "import", None, detail)
    return counts


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as stream:
        yield from lines(stream)


def _tasks_beside(path: Path) -> dict[str, ReviewTask]:
    """The tasks that our own harness writes beside its records; none for another harness's file.

    Raises:
        BadInput: the file is there and damaged.
    """
    beside = path.with_suffix(".tasks.jsonl")
    if not beside.is_file():
        return {}
    tasks: dict[str, ReviewTask] = {}
    for line in _lines(beside):
        try:
            task = ReviewTask.from_json(decode_line(line.data, ended=line.ended))
        except (ValueError, RowRefused) as error:
            raise BadInput(
                f"not a task: {error}.", file=beside, line=line.number, fix="Write it again."
            ) from error
        tasks[task.task_id] = task
    return tasks


def _read(line: Line, path: Path, tasks: dict[str, ReviewTask]) -> _Read | Quarantined:
    try:
        if line.length > MAX_LINE_BYTES:
            raise RowRefused("too_long", f"{line.length} bytes, the most is {MAX_LINE_BYTES}")
        record = SftCandidate.from_json(_plain(decode_line(line.data, ended=line.ended)))
        # A correction that somebody else approved is held to the same rule as ours.
        if record.corrected_response is not None:
            secret = no_secret(record.corrected_response)
            if secret.value is False:
                raise ValueError(f"corrected_response: {secret.reason}")
        # What it holds beside the request's keys may be nested as deeply as JSON was read.
        shown = _without_secrets(record)
        identity = fingerprint(record)
    except RowRefused as error:
        return quarantined(str(path), line.number, error.reason, line.data)
    except ValueError as error:
        return quarantined(str(path), line.number, f"record: {error}", line.data)
    except RecursionError:
        reason = "too_deep: nested too deeply to be read"
        return quarantined(str(path), line.number, reason, line.data)
    return _Read(shown, tasks.get(record.task_id), identity, line.number)


def _without_secrets(record: SftCandidate) -> SftCandidate:
    """A record as the queue keeps it and every page shows it. Its fingerprint is that of the line,
    so that a file that comes again changes nothing."""
    texts = [
        record.model_response,
        record.failure_reason,
        record.task_name,
        *(turn.content for turn in record.prompt_messages),
    ]
    if record.extra:
        record = replace(record, extra=mask(record.extra))
    if next(find_credentials("\n\n".join(texts)), None) is None:
        return record
    return replace(
        record,
        model_response=mask(record.model_response),
        failure_reason=mask(record.failure_reason),
        task_name=mask(record.task_name),
        prompt_messages=mask(record.prompt_messages),
    )


def _plain(data: Any) -> Any:
    """A record whose prompt is written as the critic reads rows: calls of tools, their results and
    parts as text.

    Raises:
        ValueError: a turn holds what has no form as text and would be lost.
    """
    turns = data.get("prompt_messages") if isinstance(data, dict) else None
    if not isinstance(turns, list):
        return data
    try:
        return data | {"prompt_messages": plain_turns(turns)}
    except ValueError as error:
        raise ValueError(f"prompt_{error}") from error


def fingerprint(record: SftCandidate) -> str:
    """Identity of what a record says, whenever and wherever it was measured."""
    content = {key: value for key, value in record.to_json().items() if key not in _CIRCUMSTANCES}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _store(
    desk: ReviewQueue,
    connection: Connection,
    path: Path,
    rows: list[_Read | Quarantined],
    *,
    recipes: Sequence[str],
    truster: str | None,
    listed: int,
) -> Imported:
    """Put one batch in. The cards belong to ``recipes``, ``truster`` believes the file's approvals;
    of the lines that cannot be read the first ``listed`` are kept."""
    bad = [row for row in rows if isinstance(row, Quarantined)]
    good = [row for row in rows if isinstance(row, _Read)]
    ids = [row.record.id for row in good]
    query = select(cards.c.id, cards.c.fingerprint).where(cards.c.id.in_(ids))
    stored = dict(connection.execute(query).tuples().all())
    fresh: dict[str, _Read] = {}
    duplicates = set[str]()
    repeated = 0
    trusted = 0
    changed = []
    for row in good:
        fingerprint = stored.get(row.record.id) or (
            fresh[row.record.id].fingerprint if row.record.id in fresh else None
        )
        if fingerprint is None:
            fresh[row.record.id] = row
        elif fingerprint == row.fingerprint:
            repeated += 1
            duplicates.add(row.record.id)
            if truster is not None and row.record.id in stored:
                trusted += _trust(desk, connection, row.record, truster)
            # A file that comes again with its tasks beside it completes the cards that came
            # without.
            if row.task is not None:
                lacking = (bodies.c.card_id == row.record.id) & bodies.c.task.is_(None)
                if connection.execute(
                    update(bodies).where(lacking).values(task=json.dumps(row.task.to_json()))
                ).rowcount:
                    connection.execute(
                        update(cards)
                        .where(cards.c.id == row.record.id)
                        .values(suite=row.task.suite)
                    )
        else:
            changed.append(row)
    if fresh:
        now = desk.clock()
        connection.execute(insert(cards), [_card(row, now) for row in fresh.values()])
        connection.execute(insert(bodies), [_body(row) for row in fresh.values()])
        drafted = [
            {
                "card_id": name,
                "user_name": DRAFTED,
                "text": json.dumps(row.record.corrected_response),
                "saved_at": now,
            }
            for name, row in fresh.items()
            if row.record.status == "approved"
        ]
        if drafted:
            connection.execute(insert(drafts), drafted)
        if truster is not None:
            trusted += sum(_trust(desk, connection, row.record, truster) for row in fresh.values())
    belonging = {
        row.record.id: recipes or [name for name in [recipe_named(row.record.to_json())] if name]
        for row in good
        if row.record.id in fresh or row.record.id in duplicates
    }
    joined = join(connection, _not_removed(connection, belonging))
    for row in changed:
        reason = (
            f"changed: {row.record.id} is a card already, and this line has other content; "
            "the card is not changed"
        )
        bad.append(quarantined(str(path), row.line, reason, json.dumps(row.record.to_json())))
    insert_missing(connection, quarantine, [_refused(desk, row) for row in bad[:listed]])
    if len(bad) > listed > 0:
        last = bad[listed]
        reason = (
            f"too_many: from here on lines of this file are counted only, this one: {last.reason}"
        )
        more = quarantined(str(path), last.line, reason, "")
        insert_missing(connection, quarantine, [_refused(desk, more)])
    approved = sum(row.record.status == "approved" for row in fresh.values())
    return Imported(
        imported=len(fresh),
        duplicates=repeated,
        changed=len(changed),
        quarantined=len(bad) - len(changed),
        drafts=approved if truster is None else 0,
        trusted=trusted,
        joined=len(joined - fresh.keys()),
        extra=sum(bool(row.record.extra) for row in fresh.values()),
    )


def _not_removed(
    connection: Connection, belonging: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """``belonging`` without the recipes that a person took the card out of."""
    removed = set[tuple[str, str]]()
    ids = list(belonging)
    for start in range(0, len(ids), BATCH):
        batch = removed_recipes.c.card_id.in_(ids[start : start + BATCH])
        query = select(removed_recipes.c.card_id, removed_recipes.c.recipe).where(batch)
        removed |= set(connection.execute(query).tuples())
    return {
        name: [recipe for recipe in recipes if (name, recipe) not in removed]
        for name, recipes in belonging.items()
    }


def join(
    connection: Connection, belonging: Mapping[str, Sequence[str]], *, dry_run: bool = False
) -> set[str]:
    """Let cards (by id) belong to recipes, beside those that they belong to already; returns the
    ids of those that did not belong to all of theirs. ``dry_run`` only looks."""
    joined = set[str]()
    ids = sorted(name for name, recipes in belonging.items() if recipes)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        query = select(card_recipes.c.card_id, card_recipes.c.recipe)
        rows = connection.execute(query.where(card_recipes.c.card_id.in_(batch)))
        present = {(row.card_id, row.recipe) for row in rows}
        missing = sorted({(name, recipe) for name in batch for recipe in belonging[name]} - present)
        if missing and not dry_run:
            values = [{"card_id": name, "recipe": recipe} for name, recipe in missing]
            connection.execute(insert(card_recipes), values)
        joined |= {name for name, _ in missing}
    return joined


def _trust(desk: ReviewQueue, connection: Connection, record: SftCandidate, truster: str) -> bool:
    """Approve a card that a file says is approved, where nobody decided it; whether that changed
    anything."""
    if record.status != "approved":
        return False
    text = json.dumps(record.corrected_response)
    untouched = (cards.c.id == record.id, cards.c.status == "needs_review", cards.c.version == 1)
    approval = {"status": "approved", "decided_by": DRAFTED, "decided_at": desk.clock()}
    if connection.execute(update(cards).where(*untouched).values(approval)).rowcount:
        connection.execute(
            insert(corrections).values(card_id=record.id, text=text, checked="trusted")
        )
        mine = (drafts.c.card_id == record.id, drafts.c.user_name == DRAFTED)
        connection.execute(delete(drafts).where(*mine))
    else:
        # Approved by a file when files were believed unasked.
        believed = (corrections.c.card_id == record.id, corrections.c.checked == "import")
        if not connection.execute(
            update(corrections).where(*believed).values(checked="trusted")
        ).rowcount:
            return False
    detail = {"status": "approved", "correction": record.corrected_response, "truster": truster}
    note(desk, connection, truster, TRUSTED, record.id, detail)
    return True


def _card(row: _Read, now: float) -> dict[str, Any]:
    record = row.record
    decided = record.status in ("discarded", "model_rejected")
    return {
        "id": record.id,
        "status": record.status if decided else "needs_review",
        "version": 1,
        "run_id": record.benchmark_run_id,
        "model_id": record.model_id,
        "task_id": record.task_id,
        "task_type": plain(record.task_type)[:80],
        "failure_class": plain(record.failure_reason.partition(":")[0].strip())[:80] or "unknown",
        "quality": record.quality_score,
        "suite": row.task.suite if row.task else None,
        "fingerprint": row.fingerprint,
        "imported_at": now,
        "lease_until": 0.0,
        "decided_by": "import" if decided else None,
        "decided_at": now if decided else None,
    }


def _body(row: _Read) -> dict[str, Any]:
    record = row.record
    texts = [
        record.task_name,
        record.failure_reason,
        *(turn.content for turn in record.prompt_messages),
    ]
    return {
        "card_id": record.id,
        "record": json.dumps(record.to_json()),
        "task": json.dumps(row.task.to_json()) if row.task else None,
        "search": plain("\n".join([*texts, record.model_response])[:SEARCHED].casefold()),
    }


def _refused(desk: ReviewQueue, row: Quarantined) -> dict[str, Any]:
    values = {
        "file": plain(row.file),
        "line": row.line,
        "reason": plain(row.reason),
        "excerpt": plain(row.excerpt),
    }
    digest = hashlib.sha256(json.dumps(list(values.values())).encode()).hexdigest()
    return values | {"digest": digest, "at": desk.clock()}


def plain(text: str) -> str:
    """Text that every database can hold: NUL characters and lone surrogates become U+FFFD."""
    return text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
