"""Rows that hold an answer and its correction: two candidates, the failed one naming the one that
took its place.

A correction stands in one of the fields ``CORRECTED``, what it corrects in one of ``FAILED`` or as
the last turn of ``messages``. Either may be a text, a turn, turns, or a whole conversation, beside
a prompt that repeats its request (UltraFeedback) or rendered as one text (HH-RLHF). Whether the
correction is right and the failure real, the critic says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..records import Candidate
from ..records.data_spec import FieldMap
from .mapping import NotThere, mapped
from .rendered import rendered_turns
from .shapes import CONVERSATIONS, REQUESTS, RowRefused, to_candidate
from .turns import SPEAKERS

CORRECTED = ("correction", "corrected", "corrected_response", "chosen")
FAILED = ("rejected", "failed", "failed_response", "response", "completion", "output", "answer")
_ASKED = frozenset({*CONVERSATIONS, *REQUESTS})


def to_candidates(
    row: Any, *, source: str, file: str, line: int, maps: Sequence[FieldMap] = ()
) -> tuple[Candidate, ...]:
    """One candidate, or a failed one and its correction; see ``to_candidate``.

    Args:
        row: the decoded row.
        source: recorded as it is.
        file: where it was read.
        line: one-based.
        maps: names of the fields of rows that are of no known shape.

    Raises:
        RowRefused: either half cannot be read.
    """
    try:
        row = mapped(row, source, maps) if maps else row
    except NotThere as error:
        raise RowRefused("field", str(error)) from error
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
        return _half(rest, row[failed], failed), _half(rest, row[corrected], corrected)
    turns = row.get("messages")
    if (
        isinstance(turns, list)
        and turns
        and isinstance(turns[-1], dict)
        and turns[-1].get("role") == "assistant"
    ):
        return rest, rest | {"messages": turns[:-1], "completion": row[corrected]}
    return None


def _half(rest: dict[str, Any], answer: Any, field: str) -> dict[str, Any]:
    """An answer, or a whole conversation: one that holds the request itself, beside a prompt that
    repeats it or without one."""
    if isinstance(answer, dict):
        answer = [answer]
    if isinstance(answer, str):
        turns = None if rest.keys() & _ASKED else rendered_turns(answer)
        return rest | ({"completion": answer} if turns is None else {"messages": turns})
    if not isinstance(answer, list) or not any(_asks(turn) for turn in answer):
        return rest | {"completion": answer}
    for name in _ASKED & rest.keys():
        if not _repeats(rest[name], answer):
            raise RowRefused("field", f"{field} is a whole conversation, and not that of {name}")
    return {name: value for name, value in rest.items() if name not in _ASKED} | {
        "messages": answer
    }


def _asks(turn: Any) -> bool:
    speaker = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
    return isinstance(speaker, str) and SPEAKERS.get(speaker) == "user"


def _repeats(asked: Any, turns: list[Any]) -> bool:
    """Whether what stands beside a conversation is its request, its beginning, or all of it but an
    answer."""
    if asked is None:
        return True
    if isinstance(asked, str):
        texts = [turn.get("content", turn.get("value")) for turn in turns if _asks(turn)]
        whole = "\n".join(text for text in texts if isinstance(text, str))
        return asked.strip() in whole or any(
            isinstance(text, str) and text.strip() and text.strip() in asked for text in texts[-1:]
        )
    if isinstance(asked, list):
        length = len(asked)
        return asked == turns[:length] or asked[:-1] == turns[:-1]
    return False
