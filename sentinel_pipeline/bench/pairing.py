"""Two models' scored answers to the same items, paired by item and sample, as the counts that gates
and comparisons look at.

What this module does not do: compare answers to different items. It refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..errors import BadInput
from ..gates import Paired
from ..gates.clustered import TaskPair
from ..records import SampleScore
from ..records.conversation import task_of
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
    """Pairs by id, in the first's order.

    Raises:
        BadInput: the two answered different items.
    """
    a = {s.task_id: s for s in first}
    b = {s.task_id: s for s in second}
    if a.keys() != b.keys():
        only = sorted(a.keys() ^ b.keys())
        raise BadInput(
            f"{from_stage} and {to_stage} answered different items of {suite}: {len(only)} are on one side only, "
            f"{only[0]!r} among them.",
            fix="Answer the suite again with both models.",
        )
    return [(a[key], b[key]) for key in a]


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
