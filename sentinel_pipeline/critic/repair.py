"""Repair traces: a failed output, what failed, the corrected output, as a conversation ready for SFT.

Only traces whose end was accepted and whose start was rejected are made. Credentials are never quoted: a failed answer that
holds one is shown with it redacted. What this module does not do: invent a correction, or judge (the labels did).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ..records import LABELS, Candidate, CriticLabels, Message, RepairTrace
from ..records.candidate import content_id
from .credentials import find_credentials, redact
from .repetition import invalid_text, repetition

MAX_SHOWN = 4000
"""Characters of a failed answer that a trace quotes; longer ones are no use to learn from and are left out."""

_TOLD = {
    "syntax_pass": "It does not parse",
    "tests_pass": "It does not do what was asked",
    "entrypoint_match": "It does not define what was asked for",
    "format_pass": "It is not in the form that was asked",
    "no_secret": "It contains a credential",
    "no_repetition": "It repeats itself or holds invalid text",
}


def repair_traces(
    failed: Iterable[tuple[Candidate, CriticLabels]], accepted: Iterable[Candidate]
) -> Iterator[RepairTrace]:
    """One trace for each failure whose task has an accepted answer to the same request, in the order of ``failed``.

    ``accepted`` is read first and kept by task (one answer each, the first). Failures that infrastructure left open, that are
    empty, loop, hold invalid characters or are longer than ``MAX_SHOWN`` make no trace.
    """
    answers: dict[str, Candidate] = {}
    for candidate in accepted:
        if candidate.task_id is not None:
            answers.setdefault(candidate.task_id, candidate)
    for candidate, labels in failed:
        answer = answers.get(candidate.task_id) if candidate.task_id is not None else None
        if answer is not None and labels.accepted.value is False:
            trace = _trace(candidate, labels, answer)
            if trace is not None:
                yield trace


def _trace(failed: Candidate, labels: CriticLabels, answer: Candidate) -> RepairTrace | None:
    if failed.messages[-1] != answer.messages[-1] or failed.completion.strip() == answer.completion.strip():
        return None
    shown = _shown(failed.completion)
    if shown is None:
        return None
    name, told = _failure(labels)
    request = Message("user", redact(f"{told} Correct it."))
    messages = (*answer.messages, Message("assistant", shown), request)
    if any(_unsafe(turn.content) for turn in messages):
        return None
    identity = hashlib.sha256(f"repair|{failed.id}|{content_id(messages, answer.completion)}".encode()).hexdigest()[:16]
    return RepairTrace(
        id=identity,
        task_id=failed.task_id,
        category=answer.category or failed.category,
        failed_id=failed.id,
        accepted_id=answer.id,
        reason=f"{name}: {redact(getattr(labels, name).reason)}",
        messages=messages,
        completion=answer.completion,
    )


def _shown(completion: str) -> str | None:
    if not completion.strip() or len(completion) > MAX_SHOWN or invalid_text(completion) or repetition(completion):
        return None
    return redact(completion)


def _failure(labels: CriticLabels) -> tuple[str, str]:
    """The first failed label and a sentence about it; what is told of a credential is its kind alone."""
    name = next(each for each in LABELS if getattr(labels, each).value is False)
    reason: str = getattr(labels, name).reason
    detail = reason.partition(" at ")[0] if name == "no_secret" else reason
    return name, f"{_TOLD.get(name, 'It was rejected')}: {detail}."


def _unsafe(text: str) -> bool:
    return not text.strip() or next(find_credentials(text), None) is not None
