"""Self-repair: the model is shown its failed answer and what failed, and answers again; what the
critic accepts becomes a trace.

What this module does not do: generate (``generation`` does, from the tasks made here), or score
(``labels`` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from ..records import Candidate, CriticLabels, Message, RepairTrace, Task
from ..records.candidate import content_id
from ..records.data_spec import CriticSpec
from ..store.label_cache import LabelCache
from .labels import label
from .repair import repair_traces, shown, told

SUITE = "self_repair"
Failure = tuple[Candidate, CriticLabels]


def repair_tasks(failed: Iterable[Failure], limit: int) -> Iterator[Task]:
    """The first ``limit`` failures that can be shown, as tasks to answer: prompt, failed answer,
    what failed.

    A failure of a row without a verifier gets no second attempt: nothing could say that the second
    answer is better.
    """
    return islice(_tasks(failed), limit)


def _tasks(failed: Iterable[Failure]) -> Iterator[Task]:
    for candidate, labels in failed:
        answer = shown(candidate.completion)
        if answer is None or candidate.verifier is None or labels.accepted.value is not False:
            continue
        yield Task(
            id=candidate.id,
            suite=SUITE,
            category=candidate.category or "executable_code",
            family=SUITE,
            messages=(
                *candidate.messages,
                Message("assistant", answer),
                Message("user", told(labels)),
            ),
            verifier=candidate.verifier,
            reference="",
        )


def self_repairs(
    failed: Iterable[Failure],
    answers: Mapping[str, str],
    *,
    spec: CriticSpec,
    cache: LabelCache | None = None,
) -> Iterator[RepairTrace]:
    """A trace for each failure whose second answer the critic accepts.

    Args:
        answers: failed candidate's id -> what the model answered when it was shown the failure.
    """
    repaired = [(candidate, labels) for candidate, labels in failed if candidate.id in answers]
    second = [_second(candidate, answers[candidate.id]) for candidate, _ in repaired]
    verdicts = label(second, spec=spec, cache=cache)
    return repair_traces(
        (candidate, labels, again)
        for (candidate, labels), again, verdict in zip(repaired, second, verdicts, strict=True)
        if verdict.accepted.value
    )


def _second(candidate: Candidate, completion: str) -> Candidate:
    return replace(
        candidate,
        id=content_id(candidate.messages, f"{candidate.id}|{completion}"),
        source="model:self_repair",
        completion=completion,
        corrected_by=None,
        planted=None,
    )
