"""Cards as JSON for the page: what is long is cut, what is blind is left out. Nothing is escaped
here: JSON is not HTML."""

from __future__ import annotations

import json
from typing import Any

from ..review.cards import BANDS, Card, Event
from ..review.checking import Check
from ..review.review_queue import User

SHOWN = 60_000
"""Characters of one text that the page gets at once; the rest is a link to plain text."""
SHOWN_EXTRA = 40
"""Keys of its own that the page gets of a record."""
SHOWN_VALUE = 2_000
"""Characters of the value of such a key."""


def card_json(card: Card, user: User) -> dict[str, Any]:
    """Everything that the page shows of a card."""
    record = card.record
    names = (
        "id", "failure_reason", "task_id", "task_type", "task_name", "model_id", "model_name",
        "source", "timestamp",
    )  # fmt: skip
    state = (
        "status", "version", "correction", "checked", "draft", "lease_by", "lease_until",
        "decided_by", "decided_at", "second", "blind",
    )  # fmt: skip
    return {
        **{name: getattr(record, name) for name in names},
        **{name: getattr(card, name) for name in state},
        "run": record.benchmark_run_id,
        "prompt": [
            turn.to_dict() | cut(turn.content, "content") for turn in record.prompt_messages
        ],
        **cut(record.model_response, "response"),
        "quality": record.quality_score,
        "band": band(record.quality_score),
        "tokens_per_sec": record.tokens_per_sec,
        "suite": card.task.suite if card.task else None,
        "family": card.task.family if card.task else None,
        "tests": card.task is not None,
        "recipes": list(card.recipes),
        "extra": [
            {"name": name[:200], "value": _as_text(value)[:SHOWN_VALUE]}
            for name, value in list(record.extra.items())[:SHOWN_EXTRA]
        ],
        "mine": card.lease_by == user.name,
    }


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cut(text: str, name: str) -> dict[str, Any]:
    """The start of a text under ``name``, and its whole length."""
    return {name: text[:SHOWN], f"{name}_length": len(text)}


def band(quality: float | None) -> str:
    """The labelling request's colour."""
    if quality is None:
        return "none"
    return next(name for name, (low, high) in BANDS.items() if low <= quality < high)


def check_json(check: Check) -> dict[str, Any]:
    return {
        "outcome": check.outcome,
        "tested": check.tested,
        "reason": check.reason,
        "labels": [
            {"name": name, "value": value, "reason": reason}
            for name, (value, reason) in check.labels.items()
        ],
    }


def event_json(event: Event) -> dict[str, Any]:
    """A row of the trail without the texts: they are in the database, and may be long."""
    detail = {
        name: event.detail[name] for name in ("status", "said", "second") if name in event.detail
    }
    keys = ("id", "at", "actor", "action", "card_id", "undone")
    return {name: getattr(event, name) for name in keys} | {"detail": detail}
