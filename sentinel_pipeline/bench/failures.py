"""Failures of a report as candidates for fine-tuning (the labelling request):
``logs/sft_candidates.jsonl`` and the tasks.

The id of a record is made of model, item and answer, so that the same failure of the same model is
the same card however often it is measured. The files lie under ``logs/``: run id, time and speed
differ between equal runs. What this module does not do: decide whether a failure is worth a human's
time; the queue does.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..records import SampleScore, Task
from ..records.conversation import filled, sample_number, sampled, task_of
from ..records.sft_candidate import ReviewTask, SftCandidate
from ..secrets import mask
from ..store import Draft

CANDIDATES = "sft_candidates.jsonl"
TASKS = "sft_candidates.tasks.jsonl"
SOURCE = "sentinel-benchmark"
_IDS = uuid.UUID("5b0f4f43-1c06-5f0e-9a55-7a1f0b1d4f10")
"""Namespace of the ids of our own records."""


class Measured(NamedTuple):
    """Who was measured, in which run, and how fast is fast enough."""

    run_id: str
    model_id: str
    model_name: str
    model_hash: str
    min_tokens_per_second: float


def write_failures(
    out: Draft, suites: Mapping[str, tuple[Sequence[Task], Sequence[SampleScore]]], by: Measured
) -> int:
    """Write the failures of every suite's samples and the tasks that they failed; returns how many
    records."""
    records = [
        record for tasks, samples in suites.values() for record in failures(tasks, samples, by)
    ]
    failed = {record.task_id for record in records}
    out.jsonl(f"logs/{CANDIDATES}", (record.to_json() for record in records))
    out.jsonl(
        f"logs/{TASKS}",
        (
            review_task(task).to_json()
            for tasks, _ in suites.values()
            for task in tasks
            if task.id in failed
        ),
    )
    return len(records)


def review_task(task: Task) -> ReviewTask:
    return ReviewTask(task_id=task.id, suite=task.suite, family=task.family, verifier=task.verifier)


def failures(
    tasks: Sequence[Task], samples: Sequence[SampleScore], by: Measured
) -> Iterator[SftCandidate]:
    """One record for each failed sample of a family that the model answers fast enough.

    Infrastructure does not count as a failure of the model. The quality score is the share of three
    criteria that the answer met: it parses, it ended by itself, it passes its checks (which a
    failure does not).
    """
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for sample in samples:
        spent[sample.family][0] += sample.tokens
        spent[sample.family][1] += sample.seconds
    least = by.min_tokens_per_second
    fast = {family for family, (tokens, seconds) in spent.items() if tokens >= least * seconds}
    by_id = {task.id: task for task in tasks}
    answers = {sample.task_id: sample.completion for sample in samples}
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    for sample in samples:
        if sample.outcome == "fail" and sample.family in fast:
            task = by_id[task_of(sample.task_id)]
            conversation = filled(sampled(task.messages, sample_number(sample.task_id)), answers)
            yield _record(replace(task, messages=conversation), sample, by, now)


def _record(task: Task, sample: SampleScore, by: Measured, now: str) -> SftCandidate:
    identity = "\0".join((by.model_hash, task.suite, task.id, sample.completion))
    request = next(turn.content for turn in reversed(task.messages) if turn.role == "user")
    first_line = " ".join(request.strip().splitlines()[:1])
    return SftCandidate(
        id=str(uuid.uuid5(_IDS, identity)),
        source=SOURCE,
        benchmark_run_id=by.run_id,
        timestamp=now,
        status="needs_review",
        prompt_messages=mask(task.messages),
        model_response=mask(sample.completion),
        corrected_response=None,
        quality_score=round((bool(sample.syntax_ok) + sample.stopped) / 3, 3),
        failure_reason=mask(sample.reason),
        task_id=task.id,
        task_type=sample.category,
        task_name=f"{task.family}: {mask(first_line)[:80]}",
        model_id=by.model_id,
        model_name=by.model_name,
        node_id=platform.node() or None,
        gpu_id=_gpu(),
        tokens_per_sec=round(sample.tokens / sample.seconds, 1) if sample.seconds > 0 else None,
    )


def _gpu() -> int | None:
    """The index of the GPU that answers go to, None on a machine without one. The answers came from
    a child process, so the machine is asked and not torch."""
    if not Path("/dev/nvidia0").exists():
        return None
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(first) if first.isdigit() else 0
