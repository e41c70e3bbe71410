"""Two models' scored answers to the same items, paired by an item's content and sample, as the
counts that gates and comparisons look at.

Where both sides know what their items hold, the content pairs them and ids do not count: equal ids
with other content are other items. What this module does not do: compare answers to different
items. It refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ..errors import BadInput
from ..gates import Paired
from ..gates.clustered import TaskPair
from ..records import BenchmarkReport, SampleScore
from ..records.conversation import sample_number, task_of
from ..records.report import Metric

Pairs = list[tuple[SampleScore, SampleScore]]


def paired_counts(
    first: Sequence[SampleScore], second: Sequence[SampleScore], metric: Metric = "pass_at_1"
) -> Paired:
    """The four counts of a paired table; an answer is counted as infrastructure when either side
    has no value.

    Raises:
        BadInput: the two answered different items.
    """
    return counted(same_items(first, second, "the first", "the second", "the suite"), metric)


def same_items(
    first: Sequence[SampleScore],
    second: Sequence[SampleScore],
    from_stage: str,
    to_stage: str,
    suite: str,
) -> Pairs:
    """Pairs by content where both sides know it, else by id; in the first's order.

    Raises:
        BadInput: the two answered different items.
    """
    a, b = by_item(first, second)
    if a.keys() != b.keys():
        alone = [each[key] for each in (a, b) for key in a.keys() ^ b.keys() if key in each]
        only = sorted(sample.task_id for sample in alone)
        if {sample.task_id for sample in first} == {sample.task_id for sample in second}:
            raise BadInput(
                f"{from_stage} and {to_stage} answered other content under the same ids of {suite}: "
                f"{len(set(only))} items differ, {only[0]!r} among them.",
                fix="Answer the suite again with both models.",
            )
        raise BadInput(
            f"{from_stage} and {to_stage} answered different items of {suite}: {len(only)} are on one side only, "
            f"{only[0]!r} among them.",
            fix="Answer the suite again with both models.",
        )
    return [(a[key], b[key]) for key in a]


Keyed = dict[Hashable, SampleScore]
"""What identifies an answer's item and sample -> the answer."""


def by_item(first: Sequence[SampleScore], second: Sequence[SampleScore]) -> tuple[Keyed, Keyed]:
    """Both sides' answers by what pairs them: the item's content and the sample's number where
    every answer of both names its item's content, else the id."""
    if not all(sample.item_hash for sample in (*first, *second)):
        return {s.task_id: s for s in first}, {s.task_id: s for s in second}
    return _by_content(first), _by_content(second)


def _by_content(samples: Sequence[SampleScore]) -> Keyed:
    # Two items of one suite may hold the same: they are told apart by the order of their ids.
    place: dict[str, int] = {}
    count = Counter[tuple[str, int]]()
    for sample in sorted(samples, key=lambda sample: sample.task_id):
        content = (sample.item_hash, sample_number(sample.task_id))
        place[sample.task_id] = count[content]
        count[content] += 1
    return {(s.item_hash, sample_number(s.task_id), place[s.task_id]): s for s in samples}


def comparable_decoding(decoding: Mapping[str, Any]) -> dict[str, Any]:
    """What of a decoding must be equal for two models' answers to be compared: not the seed of the
    draws, the batch or the engine."""
    settings = {
        "max_new_tokens": decoding.get("max_new_tokens"),
        "prompt_format": decoding.get("prompt_format", "chat"),
        "temperature": float(decoding.get("temperature", 0.0)),
        "samples": int(decoding.get("samples", 1)),
    }
    if settings["temperature"] > 0:
        settings["top_p"] = float(decoding.get("top_p", 1.0))
    return settings


def unlike(first: BenchmarkReport, second: BenchmarkReport) -> str | None:
    """Why two reports on one suite cannot be compared: they are about other items, another
    decoding or another scorer; None where they can."""
    if first.scorer_version != second.scorer_version:
        return (
            f"{first.stage} was scored by {first.scorer_version} and {second.stage} by "
            f"{second.scorer_version}: score the stored answers of the older one again"
        )
    if first.suite_hash != second.suite_hash:
        return (
            f"{first.stage} and {second.stage} answered other items under the name {first.suite} "
            f"(content {first.suite_hash[:12] or 'unknown'} and {second.suite_hash[:12] or 'unknown'}): "
            "answer the suite again with both models"
        )
    ours = comparable_decoding(first.decoding)
    theirs = comparable_decoding(second.decoding)
    differing = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if differing:
        name = differing[0]
        return (
            f"{first.stage} answered {first.suite} with {name} {ours.get(name)} and {second.stage} "
            f"with {theirs.get(name)}: answer the suite again with both models alike"
        )
    return None


def scored_pairs(
    first: Sequence[SampleScore],
    second: Sequence[SampleScore],
    from_stage: str,
    to_stage: str,
    suite: str,
) -> Pairs:
    """As ``same_items``, without those that infrastructure left open on either side.

    Raises:
        BadInput: the two answered different items, or nothing was scored on both sides.
    """
    same = same_items(first, second, from_stage, to_stage, suite)
    pairs = [(x, y) for x, y in same if "infra" not in (x.outcome, y.outcome)]
    if not pairs:
        problem = f"no item of {suite} was scored for both {from_stage} and {to_stage}."
        raise BadInput(problem, fix="Score them again.")
    return pairs


def counted(pairs: Pairs, metric: Metric = "pass_at_1") -> Paired:
    """The counts of ``pairs``, and what belongs together where an item was answered several
    times."""
    valued = [(task_of(x.task_id), x.value(metric), y.value(metric)) for x, y in pairs]
    values = Counter((a, b) for _, a, b in valued)
    infra = sum(count for pair, count in values.items() if None in pair)
    by_task: dict[str, list[tuple[bool, bool]]] = {}
    for task, a, b in valued:
        if a is not None and b is not None:
            by_task.setdefault(task, []).append((a, b))
    several = any(len(each) > 1 for each in by_task.values())
    return Paired(
        values[True, True],
        values[False, True],
        values[True, False],
        values[False, False],
        infra,
        tasks=tuple(
            TaskPair(sum(a for a, _ in each), sum(b for _, b in each), len(each))
            for each in by_task.values()
        )
        if several
        else (),
    )
