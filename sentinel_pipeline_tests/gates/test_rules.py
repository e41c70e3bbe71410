"""The engine of rules: order, warnings, and that windows and curves are asked by the same one."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates.curve_rules import curve_rules
from sentinel_pipeline.gates.rules import Rule, RuleHit, findings, stop_reason
from sentinel_pipeline.gates.window_rules import window_rules
from sentinel_pipeline.records.grpo_spec import WatchRule
from sentinel_pipeline.records.training_spec import Windows
from sentinel_pipeline.records.window import Window


def rule(name: str, action: Literal["stop", "warn"], holds: bool, because: str = "") -> Rule[int]:
    hit = RuleHit(7, "reward", 0.5, "reward is 0.5")
    return Rule(name, action, lambda series: hit if holds else None, because)


def test_a_warning_is_found_and_never_stops() -> None:
    rules = [rule("low", "warn", True)]
    assert [(found.rule, found.action) for found in findings(rules, 0)] == [("low", "warn")]
    assert stop_reason(rules, 0) is None


def test_a_reason_names_the_rule_the_numbers_and_the_remedy() -> None:
    (found,) = findings([rule("low", "stop", True, "Audit the rewards.")], 0)
    assert found.reason == "low: reward is 0.5. Audit the rewards."
    assert (found.step, found.metric, found.saw) == (7, "reward", 0.5)


@given(st.lists(st.tuples(st.sampled_from(["stop", "warn"]), st.booleans()), max_size=8))
def test_the_first_rule_that_holds_and_stops_gives_the_reason(
    drawn: list[tuple[Literal["stop", "warn"], bool]],
) -> None:
    rules = [rule(f"r{place}", *pair) for place, pair in enumerate(drawn)]
    names = [found.rule for found in findings(rules, 0)]
    assert names == [f"r{place}" for place, (_, holds) in enumerate(drawn) if holds]
    stops = [place for place, pair in enumerate(drawn) if pair == ("stop", True)]
    expected = f"r{stops[0]}: reward is 0.5" if stops else None
    assert stop_reason(rules, 0) == expected


def window(step: int, passed: int, syntax: float) -> Window:
    return Window(step, 200, 10 * passed, passed / 20, 200, syntax, 0, 200)


def test_of_several_reasons_the_gate_step_is_told_first_then_syntax_then_gain() -> None:
    spec = Windows(eval_steps=10, syntax_drops=1, early_stop_step=20, gate_step=20)
    windows = [window(10, 8, 0.9), window(20, 2, 0.8)]
    names = [found.rule for found in findings(window_rules(spec), windows)]
    assert names == ["gate_step", "syntax_drop", "no_gain"]
    reason = stop_reason(window_rules(spec), windows)
    assert reason is not None and reason.startswith("gate_step: step_20_pass_at_1 is fail: 10.0 %")


def test_a_watch_rule_says_what_it_saw_by_the_same_engine() -> None:
    watch = WatchRule(name="low", metric="reward", test="below", threshold=0.1, because="Look.")
    curves = {"reward": [(1, 0.5), (2, 0.05)]}
    (found,) = findings(curve_rules([watch]), curves)
    assert (found.step, found.saw) == (2, 0.05)
    assert found.reason == "low: reward is 0.05 at step 2, below 0.1. Look."
    assert stop_reason(curve_rules([watch]), curves) == found.reason
