"""Several answers to one task: no more evidence than there are tasks, where the answers agree."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.bench.pairing import paired_counts
from sentinel_pipeline.bench.report import build_report, report_from_json, report_to_json
from sentinel_pipeline.gates import decide, mcnemar_exact, measure_report, newcombe_paired, wilson
from sentinel_pipeline.gates.clustered import (
    TaskPair,
    mean_difference,
    paired_by_task,
    randomisation_p,
)
from sentinel_pipeline.records import SampleScore
from sentinel_pipeline.records.conversation import sample_id
from sentinel_pipeline.records.gate_spec import GatePolicy
from sentinel_pipeline.records.report import Metric


@st.composite
def task_pairs(draw: st.DrawFn, most: int = 4) -> TaskPair:
    samples = draw(st.integers(1, most))
    return TaskPair(draw(st.integers(0, samples)), draw(st.integers(0, samples)), samples)


@given(st.lists(task_pairs(), min_size=1, max_size=9))
def test_the_exact_p_is_that_of_every_toss_of_signs(tasks: list[TaskPair]) -> None:
    steps = [(one.second - one.first) / one.samples for one in tasks]
    tosses = [
        abs(sum(s * d for s, d in zip(signs, steps)))
        for signs in product((1, -1), repeat=len(steps))
    ]
    expected = sum(toss >= abs(sum(steps)) - 1e-9 for toss in tosses) / len(tosses)
    assert randomisation_p(tasks) == pytest.approx(expected, rel=1e-9)


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 60),
    st.integers(1, 5),
)
def test_answers_that_agree_are_no_further_evidence(
    both: int, gained: int, lost: int, neither: int, k: int
) -> None:
    counts = [(1, 1)] * both + [(0, 1)] * gained + [(1, 0)] * lost + [(0, 0)] * neither
    tasks = [TaskPair(a * k, b * k, k) for a, b in counts]
    assert randomisation_p(tasks) == pytest.approx(mcnemar_exact(gained, lost), rel=1e-9)
    found, newcombe = paired_by_task(tasks), newcombe_paired(both, gained, lost, neither)
    assert (
        found.low <= mean_difference(tasks) + 1e-12 and found.high >= mean_difference(tasks) - 1e-12
    )
    assert found[:2] == pytest.approx(newcombe[:2], abs=1e-9)


def task_pair(random: Random, rates: tuple[float, float], k: int) -> TaskPair:
    """``k`` answers of each of two models to a task that they pass at ``rates``."""
    first, second = (sum(random.random() < rate for _ in range(k)) for rate in rates)
    return TaskPair(first, second, k)


def test_more_answers_to_the_same_tasks_narrow_the_interval_to_what_the_tasks_are_worth() -> None:
    random = Random(5)
    rates = [(random.random(), min(1.0, random.random() + 0.1)) for _ in range(120)]

    def width(k: int) -> float:
        drawn = Random(6)
        tasks = [task_pair(drawn, pair, k) for pair in rates]
        low, high, _ = paired_by_task(tasks)
        return high - low

    assert width(1) > width(4) > width(64) > 0.5 * width(4)


def test_an_interval_covers_and_the_test_keeps_its_level_over_correlated_answers() -> None:
    """Tasks of very different hardness, four answers each; a true difference of nothing."""
    random, covered, rejected, runs = Random(7), 0, 0, 400
    for _ in range(runs):
        tasks = []
        for _ in range(40):
            p = random.betavariate(0.3, 0.3)
            tasks.append(task_pair(random, (p, p), 4))
        low, high, _ = paired_by_task(tasks)
        covered += low <= 0 <= high
        rejected += randomisation_p(tasks) < 0.05
    assert covered >= 0.92 * runs and rejected <= 0.08 * runs


def test_no_task_is_no_evidence() -> None:
    for function in (mean_difference, paired_by_task, randomisation_p):
        with pytest.raises(ValueError, match="no task"):
            function([])
        with pytest.raises(ValueError, match="expected 0 <= k"):
            function([TaskPair(3, 0, 2)])


def answers(passes: list[int], k: int) -> list[SampleScore]:
    """``passes`` of ``k`` answers to each item pass."""
    return [
        SampleScore(
            task_id=sample_id(f"t{item}", number), category="devops", family="f", completion="", reason="r",
            outcome="pass" if number <= passed else "fail", syntax_ok=number <= passed, stopped=True, tokens=1, seconds=0,
        )
        for item, passed in enumerate(passes)
        for number in range(1, k + 1)
    ]  # fmt: skip


def verdict(
    policy: GatePolicy, first: list[SampleScore], second: list[SampleScore]
) -> tuple[str, int, str]:
    report = build_report(
        second,
        stage="sft",
        suite="heldout",
        model="m",
        model_hash="h",
        scorer_version="s",
        decoding={},
    )
    report = report_from_json(report_to_json(report))
    paired = paired_counts(first, second, policy.metric) if policy.against else None
    found = decide(policy, measure_report(policy, report, paired=paired, items=len(second)))
    return found.verdict, found.n, found.reason


@pytest.mark.parametrize("metric", ["pass_at_1", "syntax_rate"])
def test_a_gate_counts_items_not_answers(metric: Metric) -> None:
    """12 of 20 items: the interval holds 40 %, however often each is answered alike."""
    policy = GatePolicy(metric=metric, threshold=0.40)
    once, often = ([12 // 12 * k] * 12 + [0] * 8 for k in (1, 20))
    assert verdict(policy, [], answers(once, 1))[:2] == ("inconclusive", 20)
    decided, n, reason = verdict(policy, [], answers(often, 20))
    assert (decided, n) == ("inconclusive", 20)
    assert "60.0 % (240 of 400 answers, worth 20 independent ones)" in reason
    assert wilson(240, 400).low > 0.40, "as independent answers they would have passed"


def test_answers_that_differ_within_items_count_for_more_than_items() -> None:
    decided, n, _ = verdict(
        GatePolicy(metric="pass_at_1", threshold=0.40), [], answers([5, 7] * 10, 10)
    )
    assert (decided, n) == ("pass", 20 * 10), "items hardly differ: nothing but chance is left"


def test_a_paired_gate_counts_items_too() -> None:
    policy = GatePolicy(metric="pass_at_1", threshold=0.0, against="base")
    first, second = [0] * 30, [10] * 4 + [0] * 26
    decided, n, reason = verdict(policy, answers(first, 10), answers(second, 10))
    assert (decided, n) == ("inconclusive", 30)
    assert (
        "40 gained, 0 lost of 300 answers to 30 items, exact randomisation test p = 0.12" in reason
    )
    assert verdict(policy, answers([2] * 30, 10), answers([8] * 30, 10))[0] == "pass"
