"""Rows that hold an answer and its correction: two candidates, the failed one naming the one that took its place.

A correction stands in one of the fields ``CORRECTED``, what it corrects in one of ``FAILED`` or as the last turn of ``messages``.
Whether the correction is right and the failure real, the critic says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..records import Candidate
from .shapes import RowRefused, to_candidate

CORRECTED = ("correction", "corrected", "corrected_response", "chosen")
FAILED = ("rejected", "failed", "failed_response", "response", "completion")


def to_candidates(row: Any, *, source: str, file: str, line: int) -> tuple[Candidate, ...]:
    """One candidate, or a failed one and its correction; see ``to_candidate``.

    Raises:
        RowRefused: either half cannot be read.
    """
    halves = _halves(row) if isinstance(row, dict) else None
    if halves is None:
        return (to_candidate(row, source=source, file=file, line=line),)
    failed, right = (to_candidate(half, source=source, file=file, line=line) for half in halves)
    if failed.id == right.id:
        raise RowRefused("field", "the correction is what it corrects")
    return replace(failed, corrected_by=right.id), right


def _halves(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    fields = {name for name, value in row.items() if value is not None}
    corrected = next((name for name in CORRECTED if name in fields), None)
    if corrected is None:
        return None
    failed = next((name for name in FAILED if name in fields), None)
    rest = {name: value for name, value in row.items() if name not in (*CORRECTED, *FAILED)}
    if failed is not None:
        return _half(rest, row[failed]), _half(rest, row[corrected])
    turns = row.get("messages")
    if (
        isinstance(turns, list)
        and turns
        and isinstance(turns[-1], dict)
        and turns[-1].get("role") == "assistant"
    ):
        return rest, rest | {"messages": turns[:-1], "completion": row[corrected]}
    return None


def _half(rest: dict[str, Any], answer: Any) -> dict[str, Any]:
    """Without a prompt of its own, an answer is a whole conversation (a preference pair with the prompt inside)."""
    if isinstance(answer, list) and not rest.keys() & {"prompt", "messages"}:
        return rest | {"messages": answer}
    return rest | {"completion": answer}
