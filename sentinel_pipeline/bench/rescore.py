"""Stored answers scored again, without a model: what a changed scorer asks for.

The answers stay as they were given; outcomes, reasons and rates are made anew under the current
scorer version, as a *new* artifact. Nothing is overwritten, and a verdict about the old scores is
stale by its scorer version: ``Ledger.require`` refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadInput
from ..records import BenchmarkReport, GateVerdict, SampleScore, Task
from ..records.conversation import conversation_of, task_of
from ..records.task import suite_hash
from ..store import Artifact, Draft, Ledger, read_parquet
from .confounds import CutScorer
from .evaluate import UNANSWERED
from .lm_eval import write_results
from .report import build_report, report_from_json, report_to_json
from .samples import join_turns, read_samples, read_scores, write_samples, write_turns

if TYPE_CHECKING:
    from ..critic.score import Score


class Rescored(NamedTuple):
    """One suite before and after."""

    report: BenchmarkReport
    changed: int
    """Items whose outcome is another one now."""


def rescore(tasks: Sequence[Task], samples: Sequence[SampleScore]) -> list[SampleScore]:
    """``samples`` with outcome, reason and syntax as the current scorer says; the same items, in
    the same order.

    Raises:
        BadInput: a sample answers no task of ``tasks``.
    """
    from ..critic.score import Scorable, score

    by_id = {task.id: task for task in tasks}
    unknown = [sample.task_id for sample in samples if task_of(sample.task_id) not in by_id]
    if unknown:
        raise BadInput(
            f"{len(unknown)} stored answers are to items that the suite does not hold, {unknown[0]!r} first.",
            fix="Name the suite as it was when they were given.",
        )
    questions = [
        (sample, by_id[task_of(sample.task_id)])
        for sample in samples
        if sample.reason != UNANSWERED
    ]
    scores = score(
        Scorable(s.task_id, task.messages, s.completion, task.verifier, s.stopped)
        for s, task in questions
    )
    return [
        replace(sample, item_hash=by_id[task_of(sample.task_id)].content_hash)
        if sample.reason == UNANSWERED
        else _again(sample, next(scores), by_id[task_of(sample.task_id)])
        for sample in samples
    ]


def _again(sample: SampleScore, verdict: Score, task: Task) -> SampleScore:
    return replace(
        sample,
        outcome=verdict.outcome,
        reason=verdict.reason,
        syntax_ok=verdict.syntax_ok,
        item_hash=task.content_hash,
    )


def write_rescored(out: Draft, old: Artifact, suites: Path, scorer_version: str) -> list[Rescored]:
    """Score every suite of the report artifact ``old`` again into the draft ``out``.

    Args:
        suites: the folder of the suites' Parquet files, as ``old`` was made from.

    Raises:
        BadInput: ``old`` is not a report, or its answers do not belong to these suites.
    """
    names = sorted(path.parent.name for path in old.folder.glob("*/report.json"))
    if not names:
        raise BadInput(
            "holds no SUITE/report.json.", file=old.folder, fix="Name the folder of a report."
        )
    rescored = []
    failures = {}
    for suite in names:
        before = report_from_json(old.json(f"{suite}/report.json"))
        then = read_samples(old, suite)
        tasks = [Task.from_row(row) for row in read_parquet(suites / f"{suite}.parquet")]
        scores = rescore(tasks, read_scores(old, suite))
        samples = join_turns(scores)
        report = build_report(
            samples,
            stage=before.stage,
            suite=suite,
            model=before.model,
            model_hash=before.model_hash,
            scorer_version=scorer_version,
            decoding=before.decoding,
            suite_hash=suite_hash(task.content_hash for task in tasks),
        )
        write_samples(out, suite, samples)
        if len(samples) < len(scores):
            write_turns(out, suite, scores)
        out.json(f"{suite}/report.json", report_to_json(report))
        failures[suite] = samples
        changed = sum(a.outcome != b.outcome for a, b in zip(then, samples, strict=True))
        rescored.append(Rescored(report, changed))
    write_results(out, [row.report for row in rescored], failures)
    return rescored


def stale(ledger: Ledger, recipe: str, scorer_version: str) -> list[GateVerdict]:
    """The newest verdict of each gate on each content that another scorer decided: none of them
    lets anything go on."""
    newest = {
        (verdict.name, verdict.subject_hash): verdict for verdict in ledger.verdicts(recipe=recipe)
    }
    return [verdict for verdict in newest.values() if verdict.scorer_version != scorer_version]


def cutting_scorer(suite: Path) -> CutScorer | None:
    """The critic's scorer of answers to the tasks of a suite's Parquet file, for
    ``artifacts.explained``; None where an item is a whole conversation, which cannot be cut."""
    if any(conversation_of(row["id"]) != row["id"] for row in read_parquet(suite, columns=["id"])):
        return None

    def outcomes(answers: Sequence[tuple[str, str]]) -> Sequence[str]:
        from ..critic.score import Scorable, score

        tasks = {row["id"]: Task.from_row(row) for row in read_parquet(suite)}
        questions = ((name, tasks[task_of(name)], text) for name, text in answers)
        items = (
            Scorable(name, task.messages, text, task.verifier) for name, task, text in questions
        )
        return [result.outcome for result in score(items)]

    return outcomes
