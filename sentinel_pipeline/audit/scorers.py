"""The exams of this package's scorers: one for each kind of verifier, one for the seven labels
together.

To have another scorer examined (a reward, a judge), write a function like those below in its room
and add it to ``EXAMS``. What this module does not do: mark (``audit`` does)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ..critic.labels import label
from ..critic.score import Scorable, Score, score
from ..critic.scorers import SCORERS as KINDS
from ..critic.version import label_version, scorer_version
from ..records import LABELS, Candidate, CriticLabels, Task
from ..records.data_spec import CriticSpec
from ..store import Ledger
from .exam import Answer, Exam, Material, Question, ScorerAudit, examine_all
from .licence import refusal

CRITIC = "critic"
"""The scorer that labels."""
SCORERS = (
    CRITIC,
    *(verifier.kind for verifier, scorer in KINDS.items() if scorer.examined),
)
"""Those that filter, gate and report. What a model judges is licensed by ``llm_judge.licence``."""


def present_version(name: str) -> str:
    """The version of one of ``SCORERS``: the critic labels, the others score."""
    return label_version() if name == CRITIC else scorer_version()


def unlicensed(ledger: Ledger) -> str | None:
    """Why the present scorers may not filter or gate; None when each holds a licence at its
    version."""
    reasons = (refusal(ledger, (name,), present_version(name)) for name in SCORERS)
    return next((reason for reason in reasons if reason is not None), None)


def verifier_exams(material: Material) -> Iterator[Exam]:
    """Does each kind of verifier accept right answers, and refuse wrong ones and cheats?"""
    grade = partial(_scored, spec=material.spec, workers=material.workers)
    for kind in SCORERS[1:]:
        gold = [
            Question(
                task.id, task.suite, Scorable(task.id, task.messages, task.reference, task.verifier)
            )
            for task in material.gold
            if task.verifier.kind == kind and task.reference.strip()
        ]
        questions = [
            Question(
                canary.id,
                "canaries",
                Scorable(
                    canary.id, canary.candidate.messages, canary.candidate.completion, verifier
                ),
                canary.reasons,
            )
            for canary in material.canaries
            if canary.label in (None, "tests_pass")
            and (verifier := canary.candidate.verifier) is not None
            and verifier.kind == kind
        ]
        yield Exam(kind, present_version(kind), (*gold, *questions), grade)


def _scored(
    items: Sequence[Scorable], *, spec: CriticSpec, workers: int | None
) -> Iterator[Answer]:
    return map(_of_score, score(items, spec=spec, workers=workers))


def _of_score(score_given: Score) -> Answer:
    return Answer(
        None if score_given.outcome == "infra" else score_given.outcome == "pass",
        () if score_given.outcome == "pass" else (score_given.reason,),
    )


def critic_exam(material: Material) -> Iterator[Exam]:
    """Do the seven labels together accept right answers, and does the right label refuse each bad
    one?"""
    gold = [
        Question(task.id, task.suite, _candidate(task))
        for task in material.gold
        if task.reference.strip()
    ]
    questions = [
        Question(
            canary.id,
            "canaries",
            canary.candidate,
            tuple(f"{canary.label}={reason}" for reason in canary.reasons),
        )
        for canary in material.canaries
    ]
    yield Exam(
        CRITIC,
        present_version(CRITIC),
        (*gold, *questions),
        partial(_labelled, spec=material.spec, workers=material.workers),
    )


def _candidate(task: Task) -> Candidate:
    return Candidate(
        id=task.id,
        source="reference",
        messages=task.messages,
        completion=task.reference,
        verifier=task.verifier,
    )


def _labelled(
    items: Sequence[Candidate], *, spec: CriticSpec, workers: int | None
) -> Iterator[Answer]:
    return map(_of_labels, label(items, spec=spec, workers=workers))


def _of_labels(labels: CriticLabels) -> Answer:
    """Reasons as ``LABEL=CODE: detail``, of every label that is False."""
    against = [(name, getattr(labels, name)) for name in LABELS[:-1]]
    return Answer(
        labels.accepted.value,
        tuple(f"{name}={label.reason}" for name, label in against if label.value is False),
    )


def reward_exams(material: Material) -> Iterable[Exam]:
    """Are GRPO's rewards what the scorers say, and do hacks earn nothing? Read late: the rewards
    are made of the critic."""
    from .rewards import reward_exams as make

    return make(material)


EXAMS: tuple[Callable[[Material], Iterable[Exam]], ...] = (
    critic_exam,
    verifier_exams,
    reward_exams,
)


def audit(
    material: Material,
    *,
    repeats: int = 2,
    exams: Sequence[Callable[[Material], Iterable[Exam]]] = EXAMS,
) -> list[ScorerAudit]:
    """Every scorer's marks, in the order of ``exams``."""
    return examine_all([exam for make in exams for exam in make(material)], repeats=repeats)
