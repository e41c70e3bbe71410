"""Preference pairs by best of N: a model's own answers to training tasks, ranked by the critic's
one scorer, and by a licensed judge where the recipe asks for it: an accepted answer is then one
that both accept.

A task gives one pair at most: an accepted answer against one that is not, far enough apart, of the
kind of rejection that is rarest so far as the task has a choice. Two sides differ in their answers,
not in their thoughts alone, and what ends within its thought, which is not an answer, is not a
side. No kind takes more than its quota; what is left out is counted, never replaced. What this
module does not do: draw answers (a worker does), or ask a judge (``judged`` does).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from random import Random
from typing import NamedTuple

from ..critic.labels import label
from ..critic.refusals import refuses
from ..critic.scorers import scorer_of
from ..critic.thoughts import part
from ..errors import BadInput, Infrastructure
from ..generation.answers import Answer, read_answers
from ..llm_judge.verdicts import read_verdicts
from ..rates import percent
from ..records import (
    LABELS,
    REJECTION_KINDS,
    Candidate,
    CriticLabels,
    JudgedAnswer,
    Label,
    PreferencePair,
    RejectionKind,
    Task,
)
from ..records.candidate import content_id
from ..records.conversation import sample_id
from ..records.data_spec import CriticSpec
from ..records.report import MAX_INFRA_SHARE
from ..records.training_spec import PairsSpec
from .report import PairsReport


class Judged(NamedTuple):
    """One answer of the model, with the critic's labels."""

    answer: Answer
    labels: CriticLabels

    @property
    def score(self) -> float:
        """1 where every applicable label accepts; else half the share of the six other labels that
        are true."""
        if self.labels.accepted.value:
            return 1.0
        values = [
            value for name in LABELS[:-1] if (value := getattr(self.labels, name).value) is not None
        ]
        return 0.5 * sum(values) / len(values) if values else 0.0


class Built(NamedTuple):
    pairs: list[PreferencePair]
    report: PairsReport


def choose_tasks(
    tasks: Iterable[Task], prompts: int, seed: int, banned: frozenset[str] = frozenset()
) -> list[Task]:
    """``prompts`` training tasks drawn by seed, each prompt once; in the order of ``tasks``.

    Raises:
        BadInput: a task of a suite is among them (what judges must not train), or there is none at
            all.
    """
    asked_prompts: set[object] = set()
    fit: list[Task] = []
    for task in tasks:
        if task.suite != "train":
            raise BadInput(
                f"task {task.id!r} is of suite {task.suite!r}: pairs are made of training tasks only."
            )
        if task.id not in banned and task.messages not in asked_prompts:
            asked_prompts.add(task.messages)
            fit.append(task)
    if not fit:
        raise BadInput(
            "there is no training task to answer.",
            field="tasks.train",
            fix="Ask for training tasks.",
        )
    drawn = Random(f"pairs|{seed}").sample(range(len(fit)), min(prompts, len(fit)))
    return [fit[index] for index in sorted(drawn)]


def judge_answers(
    tasks: Sequence[Task], answers: Path, samples: int, critic: CriticSpec
) -> Iterator[Judged]:
    """Label every stored answer, task after task, streaming; a judge's verdict that stands beside
    an answer counts as well.

    Raises:
        Infrastructure: an answer is missing: the job did not end.
    """
    by_id = {answer.id: answer for answer in read_answers(answers)}
    rows_to_judge = [
        (task, sample_id(task.id, index)) for task in tasks for index in range(1, samples + 1)
    ]
    missing = [name for _, name in rows_to_judge if name not in by_id]
    if missing:
        raise Infrastructure(
            f"{answers}: {len(missing)} of {len(rows_to_judge)} answers are missing. Run again to resume."
        )
    candidates = (
        Candidate(
            id=name,
            source="model",
            messages=task.messages,
            completion=by_id[name].completion,
            task_id=task.id,
            verifier=task.verifier,
        )
        for task, name in rows_to_judge
    )
    verdicts = read_verdicts(answers)
    of_judge = {name for task, name in rows_to_judge if isinstance(task.verifier, JudgedAnswer)}
    for labels in label(candidates, spec=critic):
        verdict = verdicts.get(labels.id)
        if verdict is None and labels.id in of_judge:
            verdict = {"outcome": "infra", "reason": "infra: no judge was asked"}
        yield Judged(by_id[labels.id], _agreed(labels, verdict))


def _agreed(labels: CriticLabels, verdict: Mapping[str, str] | None) -> CriticLabels:
    """Accepted by critic and judge; a judge that said nothing leaves the answer open, since it was
    asked, or nothing else could have said that the answer is right."""
    if verdict is None or not labels.accepted.value or verdict["outcome"] == "pass":
        return labels
    return labels._replace(
        accepted=Label(None if verdict["outcome"] == "infra" else False, verdict["reason"])
    )


def build_pairs(
    tasks: Sequence[Task], judged: Iterable[Judged], spec: PairsSpec, seed: int
) -> Built:
    """At most one pair a task, within margin and quotas; ``judged`` holds ``spec.samples`` answers
    a task in the tasks' order.

    Raises:
        Infrastructure: too many answers were left open by infrastructure.
        BadInput: fewer than ``spec.min_pairs`` pairs are left, with what took the others.
    """
    tally = Counter[str]()
    options: list[list[PreferencePair]] = []
    for task, group in zip(tasks, _groups(judged, spec.samples), strict=True):
        task_pairs = _options(task, group, spec, tally)
        if task_pairs:
            options.append(task_pairs)
    _refuse_void(tally)
    counts = Counter[str](pair.kind for choices in options for pair in choices)
    offered = [_rarest(pairs, counts) for pairs in options]
    pairs = within_quotas(offered, spec.max_shares, seed)
    report = PairsReport.of(tally, offered, pairs, spec)
    if len(pairs) < spec.min_pairs:
        raise BadInput(
            f"{len(pairs)} pairs are left of {len(tasks)} tasks: {report.words()}.",
            field="pairs",
            fix="Answer more prompts, raise temperature or the quota named, or lower pairs.margin.",
        )
    return Built(pairs, report)


def _groups(judged: Iterable[Judged], size: int) -> Iterator[list[Judged]]:
    for _, group in groupby(enumerate(judged), key=lambda pair: pair[0] // size):
        yield [judged for _, judged in group]


def _options(
    task: Task, group: Sequence[Judged], spec: PairsSpec, tally: Counter[str]
) -> list[PreferencePair]:
    """A pair for each kind of rejection among a task's answers; none, and why, in ``tally``."""
    tally["tasks"] += 1
    scored = [judged for judged in group if judged.labels.accepted.value is not None]
    good = [judged for judged in scored if judged.labels.accepted.value]
    # An answer that was cut is worse by its length alone: preferring against it teaches to be
    # short.
    bad = [
        judged
        for judged in scored
        if not judged.labels.accepted.value and part(judged.answer.completion).finished
    ]
    tally.update({"answers": len(group), "infra": len(group) - len(scored), "accepted": len(good)})
    tally["solved"] += bool(good)
    source, chosen = ("model", good[0].answer.completion) if good else ("reference", task.reference)
    # A task that is solved once in many tries was solved by luck; its accepted answer may be right
    # for a wrong reason.
    if good and bad and len(good) < spec.min_accepted * len(scored):
        tally["rarely_accepted"] += 1
        return []
    if not bad:
        tally["none_rejected" if good else "nothing_scored"] += 1
        return []
    if not good and not (spec.reference and task.reference):
        tally["none_accepted"] += 1
        return []
    answer = part(chosen).answer
    far = [
        judged
        for judged in bad
        if 1.0 - judged.score >= spec.margin and part(judged.answer.completion).answer != answer
    ]
    if not far:
        tally["within_margin"] += 1
    # One pair a kind: ten answers that fail alike would weigh ten times.
    by_kind: dict[RejectionKind, Judged] = {}
    for judged in far:
        by_kind.setdefault(rejection_kind(task, judged), judged)
    return [_pair(task, chosen, source, kind, judged) for kind, judged in by_kind.items()]


def _pair(
    task: Task, chosen: str, source: str, kind: RejectionKind, rejected: Judged
) -> PreferencePair:
    reasons = [getattr(rejected.labels, name) for name in LABELS]
    return PreferencePair(
        id=content_id(task.messages, f"{chosen}\0{rejected.answer.completion}"),
        task_id=task.id,
        category=task.category,
        family=task.family,
        messages=task.messages,
        chosen=chosen,
        rejected=rejected.answer.completion,
        chosen_source="model" if source == "model" else "reference",
        kind=kind,
        reason=next((label.reason for label in reasons if label.value is False), "rejected"),
        chosen_score=1.0,
        rejected_score=round(rejected.score, 6),
    )


_INVENTED_CODES = (
    "hunk_mismatch",
    "unknown_file",
    "file_exists",
    "missing_entry_point",
    "signature",
)


def rejection_kind(task: Task, judged: Judged) -> RejectionKind:
    """Of a rejected answer, the first that holds: it refuses or says nothing, does not parse,
    breaks the form, names what the prompt does not give, or is plainly wrong."""
    labels = judged.labels
    text = part(judged.answer.completion).answer
    if not text.strip() or refuses(text):
        return "refusal"
    if labels.syntax_pass.value is False:
        return "unparsable"
    named = (labels.format_pass, labels.entrypoint_match, labels.tests_pass)
    if (
        any(part.value is False and part.code in _INVENTED_CODES for part in named)
        or labels.no_secret.value is False
    ):
        return "hallucination"
    if (
        labels.format_pass.value is False
        or labels.no_repetition.value is False
        or not judged.answer.stopped
    ):
        return "format_violation"
    return "hallucination" if invented_words(task, text) else "wrong"


def invented_words(task: Task, completion: str) -> frozenset[str]:
    """Words of an extracted or quoted answer that neither the prompt nor the reference holds; code
    and diffs may name freely."""
    if not scorer_of(task.verifier).quotes:
        return frozenset()
    return (
        _words(completion)
        - _words("\n".join(turn.content for turn in task.messages))
        - _words(task.reference)
    )


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in re.findall(r"[^\W\d_]{2,}", text))


def _rarest(pairs: Sequence[PreferencePair], counts: Mapping[str, int]) -> PreferencePair:
    return min(pairs, key=lambda pair: (counts[pair.kind], REJECTION_KINDS.index(pair.kind)))


def within_quotas(
    pairs: Sequence[PreferencePair], caps: Mapping[str, float], seed: int
) -> list[PreferencePair]:
    """The most pairs such that no kind has more than its share; who goes is decided by seed and id,
    the order stays."""
    counts = Counter(pair.kind for pair in pairs)
    total = len(pairs)
    before = -1
    while total != before:
        before = total
        total = sum(
            min(count, int(caps.get(kind, 1.0) * before + 1e-9)) for kind, count in counts.items()
        )
    left = {
        kind: min(count, int(caps.get(kind, 1.0) * total + 1e-9)) for kind, count in counts.items()
    }
    chosen_ids = set[str]()
    for pair in sorted(pairs, key=lambda pair: blake2b(f"{seed}|{pair.id}".encode()).digest()):
        if left[pair.kind] > 0:
            left[pair.kind] -= 1
            chosen_ids.add(pair.id)
    return [pair for pair in pairs if pair.id in chosen_ids]


def _refuse_void(tally: Counter[str]) -> None:
    if tally["infra"] > MAX_INFRA_SHARE * tally["answers"]:
        raise Infrastructure(
            f"{tally['infra']} of {tally['answers']} answers could not be scored (at most {percent(MAX_INFRA_SHARE, 0)}): "
            "fix the sandbox, then run again."
        )
