"""Repair traces: a failed output, what failed, the corrected output, as a conversation ready for
SFT.

Only traces whose end was accepted and whose start was rejected are made. Credentials are never
quoted: a failed answer that holds one is shown with it redacted. What this module does not do:
invent a correction, or score (the labels did).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ..records import LABELS, Candidate, CriticLabels, Message, RepairTrace
from ..records.candidate import content_id
from ..secrets import find_credentials, mask
from .reading import quality_of
from .repetition import invalid_text, repetition

MAX_SHOWN = 4000
"""Characters of a failed answer that a trace quotes; longer ones are left out."""

_TOLD = {
    "syntax_pass": "It does not parse",
    "tests_pass": "It does not do what was asked",
    "entrypoint_match": "It does not define what was asked for",
    "format_pass": "It is not in the form that was asked",
    "no_secret": "It contains a credential",
    "no_repetition": "It repeats itself or holds invalid text",
    "accepted": "It is not what was wanted",
}


def repair_traces(
    failed: Iterable[tuple[Candidate, CriticLabels, Candidate]],
) -> Iterator[RepairTrace]:
    """One trace for each failure that comes with an accepted answer to the same request
    (``store.labelled.with_answers``).

    A failure that is only its source's word, against tests that pass, makes no trace; nor does one
    that infrastructure left open, that is empty, loops, holds invalid characters or is longer than
    ``MAX_SHOWN``.
    """
    for candidate, labels, answer in failed:
        if labels.accepted.value is False and _failed(labels):
            trace = _trace(candidate, labels, answer)
            if trace is not None:
                yield trace


def _trace(failed: Candidate, labels: CriticLabels, answer: Candidate) -> RepairTrace | None:
    if (
        failed.messages[-1] != answer.messages[-1]
        or failed.completion.strip() == answer.completion.strip()
    ):
        return None
    quoted = shown(failed.completion)
    if quoted is None:
        return None
    name, _ = _failure(labels)
    request = Message("user", told(labels))
    messages = (*answer.messages, Message("assistant", quoted), request)
    if any(_unsafe(turn.content) for turn in messages):
        return None
    identity = hashlib.sha256(
        f"repair|{failed.id}|{content_id(messages, answer.completion)}".encode()
    ).hexdigest()[:16]
    return RepairTrace(
        id=identity,
        task_id=failed.task_id,
        category=answer.category or failed.category,
        failed_id=failed.id,
        accepted_id=answer.id,
        reason=f"{name}: {mask(getattr(labels, name).reason)}",
        messages=messages,
        completion=answer.completion,
        quality=quality_of(answer),
    )


def _failed(labels: CriticLabels) -> bool:
    """Some label says so; the source alone is believed where no test speaks against it."""
    return (
        any(getattr(labels, name).value is False for name in LABELS[:-1])
        or labels.tests_pass.value is None
    )


def told(labels: CriticLabels) -> str:
    """What the model is shown of its failure: the request to correct it, without any credential."""
    return mask(f"{_failure(labels)[1]} Correct it.")


def shown(completion: str) -> str | None:
    """A failed answer as it may be quoted, credentials redacted; None where nothing can be learned
    from it."""
    if (
        not completion.strip()
        or len(completion) > MAX_SHOWN
        or invalid_text(completion)
        or repetition(completion)
    ):
        return None
    return mask(completion)


def _failure(labels: CriticLabels) -> tuple[str, str]:
    """The first failed label and a sentence about it; what is told of a credential is its kind
    alone."""
    name = next(each for each in LABELS if getattr(labels, each).value is False)
    reason: str = getattr(labels, name).reason
    if name == "accepted":
        return name, f"{_TOLD[name]}."
    detail = reason.partition(" at ")[0] if name == "no_secret" else reason
    return name, f"{_TOLD.get(name, 'It was rejected')}: {detail}."


def _unsafe(text: str) -> bool:
    return not text.strip() or next(find_credentials(text), None) is not None
