"""Verdicts about a GRPO run: on what the kept weights earn on fresh prompts, and on what its rules
saw or could not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sentinel_pipeline.gates import policy_hash
from sentinel_pipeline.gates.looks import at_look
from sentinel_pipeline.gates.reward import (
    RewardBound,
    RewardPolicy,
    WatchPolicy,
    decide_eval_reward,
    decide_watch,
    decoding_of,
)
from sentinel_pipeline.gates.simulation import promise_of_kept
from sentinel_pipeline.records import Decided
from sentinel_pipeline.records.decoding import Decoding
from sentinel_pipeline.records.grpo_spec import WatchRule

RULES = (WatchRule(name="low", metric="reward", test="below", threshold=0.1),)


def policy(bar: float = 0.55, **changes: Any) -> RewardPolicy:
    return replace(
        RewardPolicy(
            threshold=bar,
            items=300,
            decoding=decoding_of(Decoding(temperature=1.4)),
            report_temperature=1.0,
        ),
        **changes,
    )


BOUND = RewardBound("weights", "prompts", "scorer")


def measurement(rewards: Sequence[float | None], **changes: Any) -> dict[str, Any]:
    return {
        "step": 10,
        "weights": "weights",
        "prompts": "prompts",
        "decoding": policy().decoding,
        "scorer_version": "scorer",
        "rewards": list(rewards),
        **changes,
    }


def judged(rewards: Sequence[float | None], bar: float = 0.55, **changes: Any) -> Decided:
    return decide_eval_reward(policy(bar), measurement(rewards, **changes), BOUND)


def right(passed: int, n: int) -> list[float]:
    return [1.0] * passed + [0.0] * (n - passed)


@pytest.mark.parametrize(
    ("passed", "low", "high", "verdict"),
    [(70, 0.604, 0.781, "pass"), (40, 0.309, 0.498, "fail"), (60, 0.502, 0.691, "inconclusive")],
)
def test_the_whole_interval_on_fresh_prompts_decides(
    passed: int, low: float, high: float, verdict: str
) -> None:
    found = judged(right(passed, 100))
    assert (found.verdict, found.measured, found.threshold, found.n) == (
        verdict, passed / 100, 0.55, 100,
    )  # fmt: skip
    expected = (
        f"mean reward {passed / 100:.3f} [{low:.3f}, {high:.3f}] on 100 fresh prompts, at the "
        "rollouts' temperature 1.4 (reports are answered at 1), by the weights of step 10"
    )
    assert expected in found.reason


def test_no_evidence_of_the_kept_weights_is_no_pass() -> None:
    for kept in (None, measurement([]), measurement([None] * 9)):
        found = decide_eval_reward(policy(0.01), kept, BOUND)
        assert (found.verdict, found.measured, found.n) == ("inconclusive", None, 0)
        assert (
            found.reason.endswith("no evidence is not a pass") or "infrastructure" in found.reason
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weights": "swapped"}, "void: other weights than the checkpoint's were measured"),
        ({"prompts": "easier"}, "void: other prompts were asked than the task bank's"),
        ({"decoding": decoding_of(Decoding())}, "the recipe says"),
        ({"scorer_version": "older"}, "stale: scored by older, the scorer is now scorer"),
    ],
)
def test_a_measurement_of_something_else_is_no_pass(changes: dict[str, Any], reason: str) -> None:
    assert judged([1.0] * 100).verdict == "pass"
    found = judged([1.0] * 100, **changes)
    assert found.verdict == "inconclusive" and reason in found.reason


def test_many_infrastructure_outcomes_make_it_void() -> None:
    found = judged([1.0] * 95 + [None] * 5)
    assert found.verdict == "inconclusive"
    assert found.reason == "void: 5.0 % infrastructure outcomes, at most 2.0 % allowed"


def test_a_few_lucky_answers_are_no_pass() -> None:
    assert judged(right(3, 3), bar=0.4).verdict == "inconclusive"


def test_another_bar_or_decoding_is_another_policy() -> None:
    others = (policy(0.5), policy(decoding=decoding_of(Decoding(temperature=1.0))))
    assert all(policy_hash(other) != policy_hash(policy()) for other in others)
    same = policy(decoding=decoding_of(Decoding(temperature=1.4, batch_size=7)))
    assert policy_hash(same) == policy_hash(policy()), "the batch changes no answer"


def test_a_mean_reward_is_kept_as_what_it_is_and_an_open_one_says_how_many_more() -> None:
    open_one = judged(right(60, 100))
    assert "rule: mean reward on fresh prompts at least 0.55, decided on the whole interval" in (
        open_one.reason
    )
    assert "needs about 285 more items" in open_one.reason, (
        "the width shrinks with the root of n: 3.8 times n"
    )


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


@pytest.mark.parametrize("graded", [False, True], ids=["0 and 1", "graded"])
@pytest.mark.parametrize(("items", "windows"), [(40, 7), (148, 61), (300, 61)])
def test_a_run_that_earns_no_more_than_the_bar_hardly_ever_passes(
    items: int, windows: int, graded: bool
) -> None:
    kept = promise_of_kept(0.55, items, windows, graded=graded, reports=300)
    assert kept.fresh <= 0.05, "whatever the window said by which the weights were chosen"
    assert graded or kept.by_window > kept.fresh


def test_the_window_that_chose_the_weights_would_have_passed_them() -> None:
    kept = promise_of_kept(0.55, 148, 61, graded=False, reports=300)
    assert kept.by_window > 0.5


def test_a_clearly_better_run_passes() -> None:
    import numpy

    random = numpy.random.default_rng(17)
    passes = sum(
        judged(random.binomial(1, 0.65, 300).astype(float).tolist()).verdict == "pass"
        for _ in range(200)
    )
    assert passes / 200 >= 0.85


def test_a_loosened_bar_is_a_look_that_pays() -> None:
    rewards = right(112, 200)
    loose = policy(0.49)
    alone = decide_eval_reward(loose, measurement(rewards), BOUND)
    second = decide_eval_reward(at_look(loose, 2), measurement(rewards), BOUND)
    assert (alone.verdict, second.verdict) == ("pass", "inconclusive")
