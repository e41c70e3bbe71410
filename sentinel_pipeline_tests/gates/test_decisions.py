"""The decision tree of the stage 1 plan as data: which rule holds, on what evidence, and that no
evidence never goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.gates import Measured, policy_hash
from sentinel_pipeline.gates.decisions import NEXT_STEP, decide_report, evaluate
from sentinel_pipeline.gates.statistics import wilson
from sentinel_pipeline.records import VerdictKey
from sentinel_pipeline.records.decision_spec import (
    Condition,
    Decision,
    DecisionPoint,
    DecisionRule,
)
from sentinel_pipeline.store import Ledger

AFTER_SFT = DecisionPoint(
    stage="sft",
    rules=(
        DecisionRule(action="investigate", why="look at the data", when=(Condition(below=0.40),)),
        DecisionRule(action="continue", why="on to DPO", when=(Condition(above=0.60),)),
        DecisionRule(action="continue", why="questionable"),
    ),
)


def rate(passed: int, n: int = 300) -> dict[str, Measured]:
    value = passed / n if n else None
    interval = wilson(passed, n) if n else None
    return {"pass_at_1": Measured(metric="pass_at_1", value=value, interval=interval, n=n)}


def decide(passed: int, n: int = 300, point: DecisionPoint = AFTER_SFT) -> Decision:
    return decide_report(point, rate(passed, n), subject_hash="h", scorer_version="v")


@pytest.mark.parametrize(
    ("passed", "action", "why"),
    [
        (90, "investigate", "look at the data"),
        (240, "continue", "on to DPO"),
        (150, "continue", "questionable"),
    ],
)
def test_the_first_rule_that_holds_decides(passed: int, action: str, why: str) -> None:
    found = decide(passed)
    assert (found.action, found.n) == (action, 300)
    assert found.reason.startswith(why) and f"{passed / 3:.1f} %" in found.reason


def test_a_rate_whose_interval_straddles_a_bound_does_not_pass_it() -> None:
    assert wilson(190, 300).low < 0.60 < 190 / 300
    assert decide(190).reason.startswith("questionable")
    by_point = DecisionPoint(stage="sft", decide_on="point", rules=AFTER_SFT.rules)
    assert decide(190, point=by_point).reason.startswith("on to DPO")


def test_nothing_scored_is_to_be_investigated_whatever_the_rules_say() -> None:
    found = decide(0, 0)
    assert (found.action, found.measured) == ("investigate", None)
    assert "no evidence" in found.reason


def test_where_no_rule_holds_nobody_goes_on() -> None:
    point = DecisionPoint(
        stage="sft",
        rules=(DecisionRule(action="complete", why="done", when=(Condition(above=0.85),)),),
    )
    assert decide(200, point=point).action == "investigate"


@given(st.integers(0, 200), st.integers(1, 200))
def test_more_passes_never_turn_going_on_into_an_investigation(passed: int, n: int) -> None:
    passed = min(passed, n)
    if passed < n and decide(passed, n).action == "continue":
        assert decide(passed + 1, n).action == "continue"


def follow(ledger: Ledger, point: DecisionPoint = AFTER_SFT, scorer: str = "v") -> Decision:
    return ledger.follow(
        VerdictKey(
            name=NEXT_STEP,
            subject="tiny/sft_report",
            subject_hash="h",
            scorer_version=scorer,
            policy_hash=policy_hash(point),
        )
    )


def test_the_ledger_keeps_the_trail_and_refuses_what_was_not_decided_for(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(GateRefused, match="nothing was decided about tiny/sft_report"):
        follow(ledger)
    ledger.record_decision(decide(90), recipe="tiny", run_id="1")
    with pytest.raises(GateRefused, match="is to investigate: look at the data"):
        follow(ledger)
    ledger.record_decision(decide(240), recipe="tiny", run_id="2")
    assert follow(ledger) == decide(240)
    assert [one.action for one in ledger.decisions(recipe="tiny")] == ["investigate", "continue"]
    with pytest.raises(GateRefused, match="stale"):
        follow(ledger, scorer="w")
    with pytest.raises(GateRefused, match="stale"):
        follow(ledger, DecisionPoint(stage="sft", rules=AFTER_SFT.rules[:2]))


FIRST_NEXT = DecisionRule(
    action="next_recipe", why="larger", name="A", recipe="a", when=(Condition(at_least=0.60),)
)
THEN_NEXT = DecisionRule(
    action="next_recipe", why="again", name="B", recipe="b", when=(Condition(below=0.90),)
)


@given(st.integers(0, 300))
def test_an_open_rule_is_passed_over_inside_a_run_and_waited_for_after_it(passed: int) -> None:
    rules = (FIRST_NEXT, THEN_NEXT)
    over_report = evaluate(DecisionPoint(stage="grpo", rules=rules), rate(passed))
    over_curves = evaluate(
        DecisionPoint(stage="grpo", evidence="curves", rules=rules), rate(passed)
    )
    low, high, _ = wilson(passed, 300)
    if low >= 0.60:
        assert over_report.rule == over_curves.rule == FIRST_NEXT
    elif high < 0.60:
        assert over_report.rule == over_curves.rule == THEN_NEXT
    else:
        assert over_report.rule == THEN_NEXT
        assert (over_curves.verdict, over_curves.rule) == ("ambiguous", None)
        assert "pass_at_1 is" in str(over_curves.would_decide)


def test_every_condition_of_a_rule_must_hold() -> None:
    between = DecisionRule(
        action="complete", why="between", when=(Condition(above=0.2), Condition(below=0.8))
    )
    point = DecisionPoint(stage="sft", rules=(between,))
    assert decide(150, point=point).action == "complete"
    assert "above 20 % and below 80 %" in decide(150, point=point).reason
    assert decide(290, point=point).action == "investigate"
    assert decide(10, point=point).action == "investigate"
