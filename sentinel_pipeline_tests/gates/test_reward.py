"""Verdicts about a GRPO run: on the kept window's interval, and on what its rules saw or could not
see."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel_pipeline.gates import policy_hash
from sentinel_pipeline.gates.reward import (
    RewardPolicy,
    WatchPolicy,
    decide_eval_reward,
    decide_watch,
)
from sentinel_pipeline.records import Decided
from sentinel_pipeline.records.grpo_spec import WatchRule

RULES = (WatchRule(name="low", metric="reward", test="below", threshold=0.1),)


def look(step: int, mean: float, low: float, high: float, n: int = 100) -> dict[str, Any]:
    name = "eval/mean_reward"
    return {"step": step, name: mean, f"{name}/low": low, f"{name}/high": high, f"{name}/n": n}


def judged(rows: list[dict[str, Any]], kept: int | None, bar: float = 0.55) -> Decided:
    return decide_eval_reward(RewardPolicy(threshold=bar), rows, kept)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.56, 0.7, "pass"), (0.4, 0.54, "fail"), (0.5, 0.7, "inconclusive")],
)
def test_the_whole_interval_decides(low: float, high: float, verdict: str) -> None:
    found = judged([look(0, 0.9, 0.85, 0.95), look(10, 0.6, low, high)], 10)
    assert (found.verdict, found.measured, found.threshold, found.n) == (verdict, 0.6, 0.55, 100)
    assert (
        f"mean reward 0.600 [{low:.3f}, {high:.3f}] on 100 held-out prompts at step 10"
        in found.reason
    )


def test_no_evidence_of_the_kept_weights_is_no_pass() -> None:
    for rows, kept in (
        ([look(0, 0.9, 0.85, 0.95)], 10),
        ([], 0),
        ([look(0, 0.9, 0.85, 0.95)], None),
    ):
        found = judged(rows, kept)
        assert (found.verdict, found.measured, found.n) == ("inconclusive", None, 0)


def test_another_bar_is_another_policy() -> None:
    assert policy_hash(RewardPolicy(threshold=0.55)) != policy_hash(RewardPolicy(threshold=0.5))


def test_a_mean_reward_is_kept_as_what_it_is_and_an_open_one_says_how_many_more() -> None:
    open_one = judged([look(0, 0.6, 0.5, 0.7)], 0)
    assert "rule: mean reward on window at least 0.55, decided on the whole interval" in (
        open_one.reason
    )
    assert "needs about 301 more items" in open_one.reason, "half the width twice over: 4 times n"


def watched(
    findings: list[dict[str, Any]], rows: list[dict[str, Any]], rules: tuple[WatchRule, ...] = RULES
) -> Decided:
    return decide_watch(WatchPolicy(watch=rules), rows, findings)


def test_a_stop_fails_a_warning_and_a_blind_rule_are_no_pass() -> None:
    seen = [{"step": 1, "reward": 0.5}]
    stop = {"step": 7, "rule": "low", "action": "stop", "reason": "low: reward is 0.05"}
    assert watched([], seen).verdict == "pass"
    assert watched([stop | {"action": "warn"}], seen).verdict == "inconclusive"
    assert (
        watched([stop], seen).verdict,
        "stopped: low: reward is 0.05" in watched([stop], seen).reason,
    ) == (
        "fail",
        True,
    )
    blind = watched([], [{"step": 1, "loss": 0.5}])
    assert (blind.verdict, blind.reason) == ("inconclusive", "1 rules: low had nothing to look at")
    assert watched([], seen, ()).verdict == "inconclusive"


def test_the_best_of_many_windows_of_a_run_below_the_bar_hardly_ever_passes() -> None:
    import numpy

    from sentinel_pipeline.gates.statistics import wilson

    random, passes = numpy.random.default_rng(17), 0
    for _ in range(300):
        counts = random.binomial(148, 0.55, 61).tolist()
        rows = [look(10 * at, k / 148, *wilson(k, 148)[:2], 148) for at, k in enumerate(counts)]
        best = max(range(61), key=lambda at: counts[at])
        passes += judged(rows, 10 * best).verdict == "pass"
    assert passes / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
