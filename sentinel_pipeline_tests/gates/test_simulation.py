"""Ten thousand decisions under the null: no gate that decides on the interval promotes by luck more
often than it states."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.gates.power import mcnemar_power, shares
from sentinel_pipeline.gates.simulation import REPORTS, error_rates, fewest_items
from sentinel_pipeline.records.gate_spec import GatePolicy
from sentinel_pipeline.records.stages import STAGE_NAMES, default_gates

NOISE = 3 * (0.05 * 0.95 / REPORTS) ** 0.5
GAIN = GatePolicy(metric="pass_at_1", threshold=0.0, against="base")


DEFAULT_GATES = default_gates(STAGE_NAMES)


@pytest.mark.parametrize("name", DEFAULT_GATES)
@pytest.mark.parametrize("n", [8, 164, 300])
def test_the_default_gates_keep_their_word(name: str, n: int) -> None:
    rates = error_rates(DEFAULT_GATES[name], n)
    assert rates.reports == 10_000
    assert rates.false_promotions <= 0.05 + NOISE


@settings(max_examples=60)
@given(
    st.integers(1, 400),
    st.floats(0.02, 0.98),
    st.sampled_from(["at_least", "at_most"]),
    st.sampled_from([0.9, 0.95, 0.99]),
)
def test_no_absolute_gate_promotes_by_luck_more_often_than_stated(
    n: int, threshold: float, direction: Literal["at_least", "at_most"], confidence: float
) -> None:
    """Wilson's interval alone does: one lucky item of one clears a bound of 20 %."""
    policy = GatePolicy(
        metric="pass_at_1", threshold=threshold, direction=direction, confidence=confidence
    )
    assert error_rates(policy, n, reports=4000).false_promotions <= policy_alpha(policy) + 0.015


def policy_alpha(policy: GatePolicy) -> float:
    return 1 - policy.confidence


@pytest.mark.parametrize("threshold", [0.0, 0.1, -0.02])
@pytest.mark.parametrize(("n", "discordance"), [(8, 0.6), (30, 0.1), (100, 0.05), (300, 0.3)])
def test_no_paired_gate_promotes_by_luck_more_often_than_stated(
    threshold: float, n: int, discordance: float
) -> None:
    assert (
        error_rates(replace(GAIN, threshold=threshold), n, discordance).false_promotions
        <= 0.05 + NOISE
    )


def test_the_paired_gate_finds_ten_points_on_300_items_as_often_as_the_plan_promises() -> None:
    rates = error_rates(replace(GAIN, effect=0.10), 300, 0.3)
    promised = mcnemar_power(300, shares(0.45, 0.10, 0.10))  # 20 % gained, 10 % lost
    assert rates.power == pytest.approx(promised, abs=0.02)


def test_a_gate_on_the_point_estimate_promises_nothing_and_says_so() -> None:
    rates = error_rates(replace(DEFAULT_GATES["smoke_pass_at_1"], decide_on="point"), 8)
    assert rates.false_promotions > 0.3
    assert "nothing is promised" in rates.text()


def test_no_items_have_no_error_rates() -> None:
    with pytest.raises(ValueError, match="no items"):
        error_rates(GAIN, 0)


def test_how_many_items_a_gate_needs_to_be_able_to_pass_at_all() -> None:
    """By hand: 73 right answers of 73 are the first whose Wilson interval ends at 95 %; six gains
    of six the first with p below 5 %."""
    assert fewest_items(DEFAULT_GATES["syntax_rate"]) == 73
    assert error_rates(DEFAULT_GATES["syntax_rate"], 72).power == 0.0
    assert fewest_items(GAIN) == 6
