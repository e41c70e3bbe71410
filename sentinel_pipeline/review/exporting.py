"""Export: approved corrections as conversations in TRL's format, JSONL and Parquet, the same bytes
for the same corrections.

What leaves is noted as released *before* a file appears: a crash in between retires an item in
vain, and never the reverse. What this module does not do: decide what is retired by it
(``firewall``).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..records.candidate import content_id
from ..store import sha256_file, write_jsonl, write_parquet
from .approved import Approved, left_by, unseen, waiting
from .belonging import take
from .database import insert_missing
from .firewall import split
from .review_queue import ReviewQueue, note
from .schema import released


class Exported(NamedTuple):
    """What left, and what did not."""

    rows: list[Approved]
    withheld: int
    """Kept back by the policy: their items still judge."""
    waiting: int
    """Wait for a second opinion or a lead."""
    new: int
    """Left for the first time: their items are retired from now on."""
    trusted: int
    """Of the rows: approved because a file says so and somebody trusted it; no person saw them."""
    unseen: int
    """Kept back: nothing but a file approved them, and nobody said that it is trusted."""
    elsewhere: int = 0
    """Left where they are: they belong to other recipes than the one that asks."""
    unassigned: int = 0
    """Left where they are: they belong to no recipe."""


def release(
    desk: ReviewQueue,
    policy: Literal["retire", "withhold"],
    *,
    actor: str,
    recipe: str | None = None,
) -> Exported:
    """Let the approved corrections go that ``policy`` allows, and remember them for good.

    With ``recipe`` only those that belong to it, for its mix; without, all of them.
    """
    with desk.db.writing() as connection:
        parts = split(connection, policy, recipe)
        now = desk.clock()
        rows = []
        for row in parts.exported:
            text = json.dumps(row.text)
            rows.append({"card_id": row.record.id, "digest": row.digest, "text": text, "at": now})
        new = insert_missing(connection, released, rows)
        take(connection, [row.record.id for row in parts.exported], recipe, now)
        elsewhere, unassigned = left_by(connection, recipe) if recipe is not None else (0, 0)
        exported = Exported(
            rows=parts.exported,
            withheld=parts.withheld,
            waiting=waiting(connection, recipe),
            new=new,
            trusted=sum(row.checked == "trusted" for row in parts.exported),
            unseen=unseen(connection, recipe),
            elsewhere=elsewhere,
            unassigned=unassigned,
        )
        counts = exported._asdict() | {"policy": policy, "rows": len(rows)}
        counts |= {"recipe": recipe} if recipe is not None else {}
        note(desk, connection, actor, "export", None, counts)
    return exported


def write_export(exported: Exported, out: Path) -> dict[str, str]:
    """Write ``corrections.jsonl``, ``corrections.parquet`` and, apart from them, where each row
    came from; returns SHA-256s."""
    conversations = [{"messages": row.messages()} for row in exported.rows]
    write_jsonl(out / "corrections.jsonl", conversations)
    write_parquet(out / "corrections.parquet", conversations, "conversations")
    write_jsonl(
        out / "corrections.lineage.jsonl",
        (origin(row, line) for line, row in enumerate(exported.rows, start=1)),
    )
    return {name: sha256_file(out / name) for name in ("corrections.jsonl", "corrections.parquet")}


def origin(row: Approved, line: int) -> dict[str, Any]:
    """Where a row of the export came from: the failure, the card, the person."""
    record = row.record
    return {
        "line": line,
        "row_id": content_id(record.prompt_messages, row.text),
        "card_id": record.id,
        "benchmark_run_id": record.benchmark_run_id,
        "suite": row.task.suite if row.task else None,
        "family": row.task.family if row.task else None,
        "task_id": record.task_id,
        "task_type": record.task_type,
        "model_id": record.model_id,
        "decided_by": row.decided_by,
        "checked": row.checked,
        "response_sha256": hashlib.sha256(
            record.model_response.encode("utf-8", "surrogatepass")
        ).hexdigest(),
        **({"extra": _writable(record.extra)} if record.extra else {}),
    }


def _writable(extra: dict[str, Any]) -> Any:
    """The line's own keys; a lone surrogate, which no file holds, becomes a question mark."""
    text = json.dumps(extra, ensure_ascii=False)
    return json.loads(text.encode("utf-8", "replace"))
