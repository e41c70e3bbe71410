"""The checks that a correction passes before it may be approved: the same critic that the mix asks,
tests in the sandbox.

What the critic said is kept under the text's SHA-256: an approval needs a passing result for
exactly this text by the present scorer. Infrastructure is neither: the text cannot be approved yet,
and the check may be asked for again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from ..critic.labels import label
from ..critic.version import label_version
from ..errors import GateRefused
from ..records import CATEGORIES, LABELS, Candidate, CriticLabels
from ..records.candidate import content_id
from ..records.sft_candidate import ReviewTask, SftCandidate
from .cards import Card, last_check, read_card
from .database import upsert
from .review_queue import Refused, ReviewQueue, User
from .schema import checks

Outcome = Literal["pass", "fail", "infra"]


class Check(NamedTuple):
    """What the critic says of a correction."""

    outcome: Outcome
    tested: bool
    """The task's own tests took part; without them form and hygiene alone speak."""
    labels: dict[str, tuple[bool | None, str]]
    """The seven labels, each with its reason."""

    @property
    def reason(self) -> str:
        """The first label that speaks against the text, with its reason; else what it passed."""
        for name, (value, reason) in self.labels.items():
            if value is False and name != "accepted":
                return f"{name}: {reason}"
        if self.outcome == "infra":
            for name, (_, reason) in self.labels.items():
                if reason.startswith("infra"):
                    return f"{name}: {reason}"
            return "infra: the checks did not finish"
        if self.outcome == "fail":
            return self.labels.get("accepted", (None, "nothing speaks for it"))[1]
        if self.tested:
            return "passes its tests"
        return "form and hygiene are fine; no tests are known for this task"


def check(
    desk: ReviewQueue,
    user: User,
    card_id: str,
    text: str,
    *,
    judge: Callable[[Card, str], Check] | None = None,
) -> Check:
    """Run the critic on ``text`` as the answer to the card and keep the result; ``judge`` runs it
    elsewhere than in this process.

    Raises:
        Unknown: there is no such card.
        Refused: the text is empty.
    """
    if not text.strip():
        problem = "the correction is empty."
        raise Refused(problem, field="correction", fix="Write what the model should have answered.")
    with desk.db.reading() as connection:
        card = read_card(connection, desk, card_id, user)
    outcome = (judge or _judge)(card, text)
    row = {
        "card_id": card.record.id,
        "digest": digest(text),
        "outcome": outcome.outcome,
        "labels": json.dumps(outcome.labels),
        "scorer_version": label_version(),
        "checked_at": desk.clock(),
    }
    with desk.db.writing() as connection:
        upsert(connection, checks, row)
    return outcome


def judge(
    card: Card, text: str, critic: Callable[[Candidate], CriticLabels] | None = None
) -> Check:
    """What the critic says; touches no database. Surrogates cannot be written to a training file
    and are refused."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        reason = f"invalid_text: a lone surrogate at character {error.start}"
        return Check("fail", False, {"no_repetition": (False, reason)})
    try:
        labels = (critic or _critic)(candidate_of(card.record, card.task, text))
    except GateRefused as error:
        return Check("infra", card.task is not None, {"tests_pass": (None, f"infra: {error}")})
    pairs = {name: (getattr(labels, name).value, getattr(labels, name).reason) for name in LABELS}
    outcome: Outcome = "pass" if labels.accepted.value else "fail"
    if labels.accepted.value is None:
        outcome = "infra"
    return Check(outcome, card.task is not None, pairs)


_judge = judge


def _critic(candidate: Candidate) -> CriticLabels:
    return next(label([candidate], workers=1))


def candidate_of(record: SftCandidate, task: ReviewTask | None, text: str) -> Candidate:
    """The correction as the raw candidate that the mix will see: judged again there, by the task's
    own tests where known."""
    return Candidate(
        id=content_id(record.prompt_messages, text),
        source="human",
        messages=record.prompt_messages,
        completion=text,
        category=record.task_type if record.task_type in CATEGORIES else None,
        task_id=record.task_id,
        verifier=task.verifier if task else None,
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def require_pass(connection: Connection, card: Card, text: str) -> str:
    """How the text was checked: ``tests`` or ``form``.

    Raises:
        Refused: it was not checked by the present scorer, or did not pass.
    """
    row = last_check(connection, card.record.id, digest(text))
    if row is None or row["scorer_version"] != label_version():
        problem = "the checks have not run on this text."
        raise Refused(problem, field="correction", fix="Run the checks, then approve.")
    result = stored(row["outcome"], row["labels"], tested=card.task is not None)
    if result.outcome != "pass":
        problem = f"the checks do not pass: {result.reason}."
        raise Refused(problem, field="correction", fix="Correct the text and check again.")
    return "tests" if result.tested else "form"


def stored(outcome: Outcome, labels: str, *, tested: bool) -> Check:
    """Read what ``check`` kept."""
    pairs = {name: (value, reason) for name, (value, reason) in json.loads(labels).items()}
    return Check(outcome, tested, pairs)
