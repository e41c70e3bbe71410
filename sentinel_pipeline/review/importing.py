"""Import of ``sft_candidates.jsonl``: ours, another harness's, a file or a folder of runs.

Lines go in batch by batch, a batch in one transaction: whenever an import is stopped, what was
counted is in, and the next one goes on by passing over what it finds. A line that cannot be read is
quarantined with its number; a record whose id is known is a duplicate, or *changed* where it says
something else, and is then reported and never overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from ..candidates.decode import MAX_LINE_BYTES, decode_line, quarantined
from ..candidates.files import Line, lines
from ..candidates.shapes import RowRefused
from ..candidates.turns import plain_turns
from ..critic.hygiene import no_secret
from ..errors import BadInput, Infrastructure
from ..records import Quarantined
from ..records.sft_candidate import ReviewTask, SftCandidate
from ..secrets import find_credentials, mask
from .database import insert_missing
from .review_queue import ReviewQueue, note
from .schema import bodies, cards, corrections, quarantine

NAME = "sft_candidates.jsonl"
BATCH = 1000
SEARCHED = 20_000
"""Characters of a card that the text filter looks at."""
_CIRCUMSTANCES = ("benchmark_run_id", "timestamp", "node_id", "gpu_id", "tokens_per_sec")
"""Where and when a failure was measured; not what failed."""


class Imported(NamedTuple):
    """What became of the lines; they sum to the lines read."""

    imported: int = 0
    duplicates: int = 0
    changed: int = 0
    """Known ids whose record says something else than the card; the card stays as it is."""
    quarantined: int = 0

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
        BadInput: the path does not exist, or the folder holds none.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob(NAME) if file.is_file())
        if not files:
            raise BadInput(
                f"the folder holds no {NAME}.", file=path, fix="Name the folder of a benchmark run."
            )
        return files
    if not path.is_file():
        raise BadInput("there is no such file.", file=path, fix="Check the path.")
    return [path]


def import_file(
    desk: ReviewQueue, path: Path, *, actor: str, progress: Progress | None = None
) -> Imported:
    """Import one file. Running it again changes nothing.

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
            with desk.db.writing() as connection:
                counts = counts.plus(_store(desk, connection, path, rows))
            read_bytes += sum(line.length + 1 for line in batch)
            if progress:
                progress(read_bytes, counts)
    except OSError as error:
        raise Infrastructure(f"{path} cannot be read on: {error.strerror or error}.") from error
    with desk.db.writing() as connection:
        note(desk, connection, actor, "import", None, {"file": path.name, **counts._asdict()})
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
    except RowRefused as error:
        return quarantined(str(path), line.number, error.reason, line.data)
    except ValueError as error:
        return quarantined(str(path), line.number, f"record: {error}", line.data)
    task = tasks.get(record.task_id)
    return _Read(_without_secrets(record), task, fingerprint(record), line.number)


def _without_secrets(record: SftCandidate) -> SftCandidate:
    """A record as the queue keeps it and every page shows it. Its fingerprint is that of the line,
    so that a file that comes again changes nothing."""
    texts = [
        record.model_response,
        record.failure_reason,
        record.task_name,
        *(turn.content for turn in record.prompt_messages),
    ]
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
    desk: ReviewQueue, connection: Connection, path: Path, rows: list[_Read | Quarantined]
) -> Imported:
    bad = [row for row in rows if isinstance(row, Quarantined)]
    good = [row for row in rows if isinstance(row, _Read)]
    ids = [row.record.id for row in good]
    query = select(cards.c.id, cards.c.fingerprint).where(cards.c.id.in_(ids))
    stored = dict(connection.execute(query).tuples().all())
    fresh: dict[str, _Read] = {}
    duplicates = 0
    changed = []
    for row in good:
        fingerprint = stored.get(row.record.id) or (
            fresh[row.record.id].fingerprint if row.record.id in fresh else None
        )
        if fingerprint is None:
            fresh[row.record.id] = row
        elif fingerprint == row.fingerprint:
            duplicates += 1
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
        approved = [
            {
                "card_id": name,
                "text": json.dumps(row.record.corrected_response),
                "checked": "import",
            }
            for name, row in fresh.items()
            if row.record.corrected_response is not None
        ]
        if approved:
            connection.execute(insert(corrections), approved)
    for row in changed:
        reason = (
            f"changed: {row.record.id} is a card already, and this line has other content; "
            "the card is not changed"
        )
        bad.append(quarantined(str(path), row.line, reason, json.dumps(row.record.to_json())))
    insert_missing(connection, quarantine, [_refused(desk, row) for row in bad])
    return Imported(len(fresh), duplicates, len(changed), len(bad) - len(changed))


def _card(row: _Read, now: float) -> dict[str, Any]:
    record = row.record
    decided = record.status != "needs_review"
    return {
        "id": record.id,
        "status": record.status,
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
