"""Policies: three verdicts, each with its numbers and its rule."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.bench.report import build_report, report_from_json, report_to_json
from sentinel_pipeline.gates import Paired, decide, measure_report, policy_hash, wilson
from sentinel_pipeline.gates.measured import measure_rate, measure_window
from sentinel_pipeline.records import BenchmarkReport, SampleScore, VerdictKey
from sentinel_pipeline.records.gate_spec import GatePolicy
from sentinel_pipeline.records.report import Metric, Outcome
from sentinel_pipeline.records.window import Window

POLICY = GatePolicy(metric="pass_at_1", threshold=0.40)


def report(passed: int, failed: int, infra: int = 0) -> BenchmarkReport:
    counts: dict[Outcome, int] = {"pass": passed, "fail": failed, "infra": infra}
    outcomes = [outcome for outcome, count in counts.items() for _ in range(count)]
    samples = [
        SampleScore(
            task_id=str(i), category="devops", family="f", completion="", outcome=outcome, reason="r",
            syntax_ok=None if outcome == "infra" else outcome == "pass", stopped=True, tokens=1, seconds=0.1,
        )
        for i, outcome in enumerate(outcomes)
    ]  # fmt: skip
    return build_report(
        samples,
        stage="sft",
        suite="heldout",
        model="m",
        model_hash="h",
        scorer_version="s1",
        decoding={},
    )


def verdict(policy: GatePolicy, of: BenchmarkReport) -> tuple[str, str]:
    decided = decide(policy, measure_report(policy, of))
    return decided.verdict, decided.reason


def test_eight_tasks_decide_nothing() -> None:
    assert verdict(POLICY, report(4, 4))[0] == "inconclusive"


def test_a_clear_pass_says_count_interval_and_rule() -> None:
    decided, reason = verdict(POLICY, report(225, 75))
    assert decided == "pass"
    assert "75.0 % (225 of 300)" in reason
    assert "at least 40 %, decided on the whole interval" in reason


def test_a_clear_failure_fails() -> None:
    assert verdict(POLICY, report(20, 280))[0] == "fail"


def test_inconclusive_says_how_many_more_items() -> None:
    decided, reason = verdict(POLICY, report(50, 60))
    assert decided == "inconclusive"
    assert "needs about" in reason and "more items" in reason


def test_nothing_scored_is_never_a_pass() -> None:
    for direction in ("at_least", "at_most"):
        policy = replace(POLICY, direction=direction)
        assert verdict(policy, report(0, 0, infra=5)) == (
            "inconclusive",
            "nothing was scored (5 infrastructure outcomes): no evidence is not a pass",
        )


def test_too_much_infrastructure_voids_a_perfect_report() -> None:
    decided, reason = verdict(POLICY, report(300, 0, infra=10))
    assert decided == "inconclusive"
    assert reason.startswith("void: 3.2 % infrastructure outcomes")


def test_at_most_passes_only_when_the_whole_interval_is_below() -> None:
    policy = GatePolicy(metric="pass_at_1", stage="base", threshold=0.30, direction="at_most")
    assert verdict(policy, report(10, 290))[0] == "pass"
    assert verdict(policy, report(80, 220))[0] == "inconclusive"
    assert verdict(policy, report(200, 100))[0] == "fail"


def test_deciding_on_the_point_ignores_the_interval() -> None:
    assert verdict(replace(POLICY, decide_on="point"), report(4, 4))[0] == "pass"


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_verdict_follows_from_the_interval_and_is_not_luck(passed: int, failed: int) -> None:
    if passed + failed == 0:
        return
    low, high, _ = wilson(passed, passed + failed)
    n = passed + failed
    lucky = sum(comb(n, k) * 0.40**k * 0.60 ** (n - k) for k in range(passed, n + 1)) > 0.05
    expected = "pass" if low >= 0.40 and not lucky else "fail" if high < 0.40 else "inconclusive"
    assert verdict(POLICY, report(passed, failed))[0] == expected


def test_another_threshold_is_another_policy() -> None:
    assert policy_hash(POLICY) != policy_hash(replace(POLICY, threshold=0.41))


def test_a_report_survives_its_file() -> None:
    original = report(7, 3, infra=1)
    assert report_from_json(report_to_json(original)) == replace(original, seconds=0.0)


def test_the_syntax_rate_leaves_out_items_without_syntax() -> None:
    assert report(9, 1, infra=2).syntax_rate == pytest.approx(0.9)


PAIRED = GatePolicy(metric="pass_at_1", threshold=0.0, against="base")
KEY = VerdictKey(
    name="gain",
    subject="t",
    subject_hash="h",
    scorer_version="s1",
    policy_hash=policy_hash(PAIRED),
    against_hash="base1",
)


def paired(gained: int, lost: int, n: int = 300, **more: Any) -> tuple[str, str]:
    counts = Paired(both=60, gained=gained, lost=lost, neither=n - 60 - gained - lost)
    pair = counts._replace(**more)
    decided = decide(PAIRED, measure_report(PAIRED, report(150, 150), paired=pair))
    assert KEY.verdict(decided).against_hash == "base1"
    return decided.verdict, decided.reason


def test_a_paired_gain_passes_with_its_counts_and_p() -> None:
    decided, reason = paired(60, 20)
    assert decided == "pass"
    assert "+13.3 % against base (60 gained, 20 lost of 300, exact McNemar p = 8.6e-06)" in reason
    assert "minus that of base at least +0 %" in reason


def test_no_difference_is_inconclusive_and_a_loss_fails() -> None:
    assert paired(30, 25)[0] == "inconclusive"
    assert "more items" in paired(30, 25)[1]
    assert paired(0, 0)[0] == "inconclusive"
    assert paired(10, 60)[0] == "fail"


def test_a_margin_allows_a_small_loss_and_no_more() -> None:
    margin = replace(PAIRED, threshold=-0.05)
    for lost, expected in ((4, "pass"), (60, "fail")):
        counts = Paired(200, 2, lost, 300 - 202 - lost)
        assert (
            decide(margin, measure_report(margin, report(1, 1), paired=counts)).verdict == expected
        )


def test_an_artifact_voids_a_gain_of_any_significance() -> None:
    assert paired(57, 2, void="length explains it") == ("inconclusive", "void: length explains it")


def test_a_paired_gate_without_the_other_report_is_no_pass() -> None:
    decided = decide(PAIRED, measure_report(PAIRED, report(300, 0)))
    assert (decided.verdict, decided.n) == ("inconclusive", 0)
    assert "no report of base to compare with: no evidence is not a pass" in decided.reason


def test_unanswered_items_and_an_old_scorer_void_a_perfect_report() -> None:
    perfect = report(300, 0)
    short = decide(POLICY, measure_report(POLICY, perfect, items=301))
    assert (short.verdict, short.reason[:44]) == (
        "inconclusive",
        "void: 300 of 301 items were answered; a gate",
    )
    old = decide(POLICY, measure_report(POLICY, perfect, scorer_now="s2"))
    assert (
        old.verdict == "inconclusive" and "stale: scored by s1, the scorer is now s2" in old.reason
    )


def test_one_lucky_item_promotes_nothing() -> None:
    """One of one has a Wilson interval from 20.7 %: above a bound of 20 %, and luck one time in
    five."""
    lucky = replace(POLICY, threshold=0.20)
    decided, reason = verdict(lucky, report(1, 0))
    assert decided == "inconclusive"
    assert "chance alone gives such a result in 20 % of cases: too few items" in reason


@given(st.integers(1, 300), st.integers(0, 300), st.sampled_from(["at_least", "at_most"]))
def test_what_is_void_decides_nothing_whatever_its_numbers(
    n: int, passed: int, direction: Literal["at_least", "at_most"]
) -> None:
    policy = replace(POLICY, direction=direction)
    passed = min(passed, n)
    measured = replace(measure_rate(policy, passed, n), void="void: told beforehand")
    decided = decide(policy, measured)
    assert (decided.verdict, decided.reason) == ("inconclusive", "void: told beforehand")
    assert (decided.measured, decided.n) == (passed / n, n), "the numbers are still shown"


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["pass_at_1", "syntax_rate"]),
)
def test_a_window_is_decided_as_a_report_of_the_same_counts(
    passed: int, failed: int, infra: int, metric: Metric
) -> None:
    policy = replace(POLICY, metric=metric)
    of = report(passed, failed, infra)
    window = Window(1, of.n, of.passed, of.pass_at_1, of.syntax_n, of.syntax_rate, of.infra, of.n)
    by_window = decide(policy, measure_window(policy, window))
    assert by_window == decide(policy, measure_report(policy, of))


def _partly_shared(apart: int, beside: int) -> BenchmarkReport:
    samples = [
        SampleScore(
            task_id=str(i), category="devops", family="f", completion="", outcome="pass", reason="r",
            syntax_ok=True, stopped=True, tokens=1, seconds=0.1,
            trust="separate" if i < apart else "shared",
        )
        for i in range(apart + beside)
    ]  # fmt: skip
    return build_report(
        samples,
        stage="sft",
        suite="heldout",
        model="m",
        model_hash="h",
        scorer_version="s1",
        decoding={},
    )


@pytest.mark.parametrize(
    ("required", "decided"), [(0.0, "pass"), (0.9, "pass"), (0.91, "inconclusive"), (1.0, "inconclusive")]
)  # fmt: skip
def test_a_report_with_too_much_shared_trust_is_void(required: float, decided: str) -> None:
    of = _partly_shared(270, 30)
    assert of.shared == 30 and report_from_json(report_to_json(of)).shared == 30
    policy = replace(POLICY, require_trust=required)
    found, reason = verdict(policy, of)
    assert found == decided
    assert ("void: 90.0 % of the verdicts come of tests apart" in reason) is (decided != "pass")
