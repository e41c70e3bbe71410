"""Scored samples in and out of a report artifact: ``SUITE/samples.parquet``; timings apart, in
``logs/``."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any, Literal

from ..gates.statistics import pass_at_k
from ..records import SampleScore
from ..records.conversation import conversation_of, task_of
from ..records.task import suite_hash
from ..store import Artifact, Draft, read_parquet

_TIMING = "seconds"


def write_samples(out: Draft, suite: str, samples: Sequence[SampleScore]) -> None:
    """Write one suite's samples; ``seconds`` goes to ``logs/SUITE.timing.jsonl``, since it differs
    between equal runs."""
    out.table(f"{suite}/samples.parquet", (_row(sample) for sample in samples), "samples")
    out.jsonl(
        f"logs/{suite}.timing.jsonl", ({"task_id": s.task_id, _TIMING: s.seconds} for s in samples)
    )


def read_samples(report: Artifact, suite: str) -> list[SampleScore]:
    """Read what ``write_samples`` wrote, without the timings."""
    rows = read_parquet(report.path(f"{suite}/samples.parquet"))
    return [SampleScore(**row, seconds=0.0) for row in rows]


def write_turns(out: Draft, suite: str, turns: Sequence[SampleScore]) -> None:
    """Write the scores of a suite's single turns."""
    out.table(f"{suite}/turns.parquet", (_row(turn) for turn in turns), "samples")


def read_scores(report: Artifact, suite: str) -> list[SampleScore]:
    """What was scored item by item: the turns where the suite has some, else the samples."""
    path = report.folder / suite / "turns.parquet"
    return (
        [SampleScore(**row, seconds=0.0) for row in read_parquet(path)]
        if path.is_file()
        else read_samples(report, suite)
    )


def join_turns(scores: Sequence[SampleScore]) -> list[SampleScore]:
    """One sample for each conversation, in order: it passes when every turn does, fails when one
    fails, and is otherwise infrastructure's. Scores that are not turns stay as they are."""
    groups: dict[str, list[SampleScore]] = {}
    for turn in scores:
        groups.setdefault(_conversation(turn.task_id), []).append(turn)
    return [
        turns[0] if turns[0].task_id == name else _joined(name, turns)
        for name, turns in groups.items()
    ]


def _conversation(name: str) -> str:
    """The conversation of a turn's sample, as the same sample of it."""
    task = task_of(name)
    return conversation_of(task) + name[len(task) :]


def _joined(name: str, turns: list[SampleScore]) -> SampleScore:
    failed = [(place, turn) for place, turn in enumerate(turns, 1) if turn.outcome == "fail"]
    lost = [(place, turn) for place, turn in enumerate(turns, 1) if turn.outcome == "infra"]
    worst = (failed or lost)[:1]
    passed = len(turns) - len(failed) - len(lost)
    outcome: Literal["pass", "fail", "infra"] = "fail" if failed else "pass"
    if lost and not failed:
        outcome = "infra"
    return SampleScore(
        task_id=name,
        trust="shared" if any(turn.trust == "shared" for turn in turns) else "separate",
        category=turns[0].category,
        family=turns[0].family,
        completion="\n".join(f"[{place}] {turn.completion}" for place, turn in enumerate(turns, 1)),
        outcome=outcome,
        reason="".join(
            f"{turn.reason} (turn {place}; {passed} of {len(turns)} passed)"
            for place, turn in worst
        )
        or "passed",
        syntax_ok=None,
        stopped=all(turn.stopped for turn in turns),
        tokens=sum(turn.tokens for turn in turns),
        seconds=sum(turn.seconds for turn in turns),
        item_hash=suite_hash(turn.item_hash for turn in turns)
        if all(turn.item_hash for turn in turns)
        else "",
    )


def pass_at(samples: Sequence[SampleScore], ks: Sequence[int]) -> dict[str, float]:
    """The mean of the unbiased pass@k over the tasks, for each k; infrastructure outcomes do not
    count as samples.

    Raises:
        ValueError: nothing was scored, or a task has fewer scored samples than a k.
    """
    outcomes: dict[str, list[bool]] = {}
    for sample in samples:
        if sample.outcome != "infra":
            outcomes.setdefault(task_of(sample.task_id), []).append(sample.outcome == "pass")
    if not outcomes:
        raise ValueError("nothing was scored: no evidence has no pass@k")
    return {
        str(k): fsum(pass_at_k(len(each), sum(each), k) for each in outcomes.values())
        / len(outcomes)
        for k in ks
    }


def _row(sample: SampleScore) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in SampleScore.__slots__ if name != _TIMING}
