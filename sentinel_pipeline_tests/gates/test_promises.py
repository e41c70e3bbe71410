"""Error rates as promised where the evidence is thin: near the edges, with correlated answers, and
where two models hardly differ."""

from __future__ import annotations

from math import comb
from typing import Literal

import numpy
import pytest

from sentinel_pipeline.gates.measured import measure_rate
from sentinel_pipeline.gates.policies import verdict_of
from sentinel_pipeline.gates.simulation import error_rates, promise, promise_of_tasks
from sentinel_pipeline.gates.statistics import effective_samples, rate_interval, wilson
from sentinel_pipeline.records.gate_spec import GatePolicy

REPORTS = 300
NOISE = 3 * (0.05 * 0.95 / REPORTS) ** 0.5


def decided(threshold: float, passed: list[int], samples: int) -> str:
    policy = GatePolicy(metric="pass_at_1", threshold=threshold)
    n = len(passed) * samples
    effective = effective_samples([count / samples for count in passed], n) if samples > 1 else None
    return verdict_of(policy, measure_rate(policy, sum(passed), n, effective))


def test_one_answer_more_that_fails_does_not_turn_an_open_question_into_a_pass() -> None:
    assert decided(0.95, [16] * 40, 16) == "inconclusive"
    assert decided(0.95, [16] * 39 + [15], 16) == "inconclusive"


@pytest.mark.parametrize(("tasks", "samples"), [(8, 4), (40, 2), (40, 16), (164, 4), (600, 2)])
@pytest.mark.parametrize("threshold", [0.40, 0.95, 0.99])
@pytest.mark.parametrize("alike", [0.2, 0.5, 0.9])
def test_correlated_answers_promote_by_luck_no_oftener_than_stated(
    tasks: int, samples: int, threshold: float, alike: float
) -> None:
    """Tasks are as hard as a beta distribution says, whose answers correlate by ``alike``."""
    random = numpy.random.default_rng(17)
    scale = (1 - alike) / alike
    rates = random.beta(threshold * scale, (1 - threshold) * scale, (REPORTS, tasks))
    drawn = random.binomial(samples, rates)
    passes = sum(decided(threshold, row, samples) == "pass" for row in drawn.tolist())
    assert passes / REPORTS <= 0.05 + NOISE


@pytest.mark.parametrize("n", [8, 40, 100, 164, 300, 600])
@pytest.mark.parametrize("discordance", [0.02, 0.04, 0.1, 0.3])
def test_a_bar_of_no_loss_is_passed_by_luck_no_oftener_than_stated(
    n: int, discordance: float
) -> None:
    policy = GatePolicy(metric="pass_at_1", threshold=-0.02, stage="dpo", against="sft")
    rates = error_rates(policy, n, discordance, reports=4_000)
    assert rates.false_promotions <= 0.05 + 3 * (0.05 * 0.95 / 4_000) ** 0.5


@pytest.mark.parametrize("n", [8, 20, 40, 100, 164, 300, 600])
@pytest.mark.parametrize("truth", [0.01, 0.05, 0.2, 0.5, 0.9, 0.98])
def test_one_answer_an_item_promotes_and_covers_as_promised(n: int, truth: float) -> None:
    """Exactly, not by simulation: summed over every count that can come out."""
    direction: Literal["at_least", "at_most"] = "at_least" if n % 20 else "at_most"
    policy = GatePolicy(metric="pass_at_1", threshold=truth, direction=direction)
    kept = promise(policy, n)
    assert kept.promoted <= 0.05
    if n >= 40:
        assert kept.covered >= 0.93


@pytest.mark.parametrize(("tasks", "samples"), [(40, 2), (40, 16), (164, 4), (600, 16)])
@pytest.mark.parametrize("truth", [0.05, 0.4, 0.95])
def test_correlated_answers_are_covered_as_promised(tasks: int, samples: int, truth: float) -> None:
    policy = GatePolicy(metric="pass_at_1", threshold=truth)
    kept = promise_of_tasks(policy, tasks, samples, 0.5, reports=REPORTS)
    assert kept.promoted <= 0.05 + NOISE
    assert kept.covered >= 0.93 - NOISE


@pytest.mark.parametrize(("n", "truth"), [(40, 0.997), (80, 0.998), (164, 0.999), (40, 0.025)])
def test_the_bounds_next_to_an_edge_hold_rates_that_wilsons_leave_out(n: int, truth: float) -> None:
    by_wilson = sum(
        comb(n, k) * truth**k * (1 - truth) ** (n - k)
        for k in range(n + 1)
        if wilson(k, n).low <= truth <= wilson(k, n).high
    )
    assert by_wilson < 0.93
    assert promise(GatePolicy(metric="pass_at_1", threshold=truth), n).covered >= 0.93
    for k in range(n + 1):
        assert rate_interval(k / n, n).low <= wilson(k, n).low
        assert rate_interval(k / n, n).high >= wilson(k, n).high
