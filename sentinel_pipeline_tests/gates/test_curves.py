"""Watch rules on recorded curves: the V4.1 handoff's table in its recipe, with V4's plateau; and
when each keeps silent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates.curve_rules import curve_rules, first_stop, unseen
from sentinel_pipeline.gates.rules import findings
from sentinel_pipeline.records.grpo_spec import WatchRule
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline_tests.conftest import ROOT

GRPO = load_recipe(ROOT / "data" / "recipes" / "tucano-0.5b-v4.1.toml").grpo
assert GRPO is not None
WATCH = GRPO.watch
RULES = curve_rules(WATCH)
Curves = dict[str, list[tuple[int, float]]]


def v4() -> Curves:
    """V4 as it is told: 200 steps, a cosine from 2e-6 with 20 steps of warm-up, best 0.476 at step
    130, then flat."""
    steps = range(10, 201, 10)
    mean = {step: 0.36 + 0.116 * min(step, 130) / 130 for step in steps}
    noise = (0.0, -0.004, -0.002, 0.002, -0.006, 0.001, -0.003)
    mean |= {step: 0.476 + noise[at % 7] for at, step in enumerate(range(140, 201, 10))}
    rate = {
        s: 2e-6 * (s / 20 if s < 20 else 0.5 * (1 + math.cos(math.pi * (s - 20) / 180)))
        for s in range(1, 201)
    }
    return {
        "eval/mean_reward": sorted(mean.items()),
        "eval/extraction": [(step, 0.17) for step in steps],
        "grad_norm": [(step, 0.065) for step in range(1, 201)],
        "learning_rate": sorted(rate.items()),
        "frac_reward_zero_std": [(step, 0.1) for step in range(1, 201)],
        "completions/clipped_ratio": [(step, 0.02) for step in range(1, 201)],
    }


def v41() -> Curves:
    """A healthy run of V4.1: what the seed hopes for."""
    steps = range(10, 601, 10)
    return {
        "eval/mean_reward": [(step, 0.40 + 0.16 * min(step, 450) / 450) for step in steps],
        "eval/extraction": [(step, 0.30 + 0.2 * step / 600) for step in steps],
        "eval/pass_at_1": [(step, 0.20 + 0.1 * step / 600) for step in steps],
        "reward": [(step, 0.40 + 0.2 * step / 600) for step in range(1, 601)],
        "grad_norm": [(step, 0.2 + 0.1 * (step % 3)) for step in range(1, 601)],
        "learning_rate": [(step, 5e-6 * min(1, step / 30)) for step in range(1, 601)],
        "frac_reward_zero_std": [(step, 0.6 if step % 4 == 0 else 0.15) for step in range(1, 601)],
        "completions/clipped_ratio": [(step, 0.05) for step in range(1, 601)],
    }


def named(curves: Curves) -> dict[str, str]:
    return {found.rule: found.action for found in findings(RULES, curves)}


def test_v4s_plateau_is_seen() -> None:
    """As the recipe's rules say it: the best is from step 130, and at step 200 nothing came of 70
    more."""
    found = {one.rule: one for one in findings(RULES, v4())}
    plateau = found["plateau"]
    assert plateau.action == "stop" and plateau.saw == pytest.approx(0.476, abs=0.006)
    assert (
        "of step 130 by step 200" in plateau.reason or "of step 120 by step 200" in plateau.reason
    )
    assert "extraction_low" in found and "rate_spent" in found


def test_v4_would_have_been_stopped_for_extraction_first() -> None:
    stop = first_stop(RULES, v4())
    assert stop is not None and (stop.rule, stop.step) == ("extraction_low", 120)
    without = {name: curve for name, curve in v4().items() if name != "eval/extraction"}
    later = first_stop(RULES, without)
    assert (
        later is not None and later.rule in ("rate_spent", "plateau") and 185 <= later.step <= 200
    )


def test_a_cosine_still_had_a_third_of_its_rate_at_v4s_plateau() -> None:
    """The seed says the rate was effectively zero from step 130 on; its own schedule says
    otherwise."""
    rate = dict(v4()["learning_rate"])
    assert rate[130] / max(rate.values()) == pytest.approx(0.33, abs=0.01)


def test_a_healthy_run_is_left_alone_at_every_step() -> None:
    assert first_stop(RULES, v41()) is None
    assert named(v41()) == {}


def changed(name: str, curve: list[tuple[int, float]]) -> Curves:
    return v41() | {name: curve}


@pytest.mark.parametrize(
    ("rule", "metric", "values", "before"),
    [
        ("extraction_low", "eval/extraction", [(100, 0.1), (110, 0.19), (120, 0.19)], [(90, 0.1), (100, 0.1), (110, 0.1)]),
        ("length_ceiling", "completions/clipped_ratio", [(s, 0.5) for s in range(1, 6)], [(s, 0.5) for s in range(1, 5)]),
        ("no_contrast", "frac_reward_zero_std", [(s, 0.7) for s in range(1, 11)], [(s, 0.7 if s % 2 else 0.1) for s in range(99)]),
        ("grad_spike", "grad_norm", [(1, 0.1), (2, 2.5)], [(1, 2.5), (2, 0.1)]),
        ("grad_spikes", "grad_norm", [(s, 3.0 if s % 6 == 0 else 0.1) for s in range(20)], [(1, 3.0), (60, 3.0), (120, 3.0)]),
        ("grad_spikes", "grad_norm", [(s, math.nan) for s in range(3)], [(s, 1.9) for s in range(3)]),
        ("rate_spent", "learning_rate", [(30, 5e-6), (100, 4e-8)], [(30, 5e-6), (595, 4e-8)]),
        ("plateau", "eval/mean_reward", [(50, 0.4), (90, 0.4), (120, 0.404)], [(250, 0.4), (290, 0.4), (330, 0.4)]),
    ],
)  # fmt: skip
def test_each_rule_holds_on_its_curve_and_not_just_before(
    rule: str, metric: str, values: list[tuple[int, float]], before: list[tuple[int, float]]
) -> None:
    assert rule in named({metric: values})
    assert rule not in named({metric: before})


def test_a_reward_that_rises_while_the_task_falls_stops_the_run() -> None:
    steps = range(0, 200, 10)
    up, down = [(s, 0.4 + s / 1000) for s in steps], [(s, 0.4 - s / 1000) for s in steps]
    assert named({"reward": up, "eval/pass_at_1": down}) == {"reward_hacking": "stop"}
    assert named({"reward": up, "eval/pass_at_1": up}) == {}
    assert named({"reward": down, "eval/pass_at_1": down}) == {}
    assert named({"reward": up}) == {}, "without the other metric nothing can be said"
    assert "reward_hacking" in unseen(WATCH, {"reward": up})


def test_rules_without_a_curve_are_named() -> None:
    assert unseen(WATCH, {}) == [rule.name for rule in WATCH]
    assert unseen(WATCH, v41()) == []


@given(
    st.lists(st.tuples(st.integers(0, 700), st.floats(width=32)), max_size=30),
    st.sampled_from(WATCH),
)
def test_no_curve_breaks_a_rule(points: list[tuple[int, float]], rule: WatchRule) -> None:
    curve = sorted(points, key=lambda point: point[0])
    for found in findings(curve_rules([rule]), {rule.metric: curve, rule.against or "x": curve}):
        assert found.reason.startswith(f"{rule.name}: ") and found.action in ("stop", "warn")
