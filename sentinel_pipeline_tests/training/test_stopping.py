"""The stop rules are pure functions of the windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.gates import rules
from sentinel_pipeline.gates.window_rules import (
    no_gain,
    significant_rise,
    syntax_dropped,
    window_rules,
)
from sentinel_pipeline.records.training_spec import Windows
from sentinel_pipeline.records.window import Window
from sentinel_pipeline.training.loop.windows import best_window

RATE = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def window(step: int, pass_at_1: float | None = 0.5, syntax: float | None = 1.0) -> Window:
    n = 0 if pass_at_1 is None else 200
    return Window(step, n, round((pass_at_1 or 0) * n), pass_at_1, n, syntax, 200 - n, n)


def stop_reason(windows: list[Window], spec: Windows) -> str | None:
    return rules.stop_reason(window_rules(spec), windows)


def test_two_syntax_drops_in_a_row_stop_with_both_ends_named() -> None:
    windows = [window(250, syntax=0.9), window(500, syntax=0.8), window(750, syntax=0.7)]
    assert (
        stop_reason(windows, Windows(syntax_drops=2, early_stop_step=0))
        == "syntax_drop: the syntax rate fell 2 windows in a row, from 90.0 % to 70.0 %"
    )


@pytest.mark.parametrize("rates", [(0.9, 0.8), (0.9, 0.8, 0.8), (0.7, 0.8, 0.7), (0.9, 0.7, 0.8)])
def test_less_than_two_drops_in_a_row_go_on(rates: tuple[float, ...]) -> None:
    assert (
        syntax_dropped([window(250 * i, syntax=rate) for i, rate in enumerate(rates, 1)], 2) is None
    )


def test_a_window_without_syntax_evidence_neither_drops_nor_saves() -> None:
    windows = [
        window(1, syntax=0.9),
        window(2, syntax=0.8),
        window(3, syntax=None),
        window(4, syntax=0.7),
    ]
    assert syntax_dropped(windows, 2) is not None


def test_no_gain_by_the_step_stops() -> None:
    windows = [window(250, 0.4), window(500, 0.4), window(750, 0.3)]
    assert no_gain(windows[:2], 750) is None
    assert (
        stop_reason(windows, Windows(syntax_drops=0, early_stop_step=750))
        == "no_gain: Pass@1 has not risen above the first window's 40.0 % by step 750"
    )


@pytest.mark.parametrize(
    "rates", [(0.4, 0.45, 0.3), (0.4, None, 0.45), (0.4,), (None, None, None), (None, 0.4, None)]
)
def test_a_gain_or_too_little_evidence_goes_on(rates: tuple[float | None, ...]) -> None:
    assert no_gain([window(750 + i, rate) for i, rate in enumerate(rates)], 750) is None


@given(st.lists(st.tuples(RATE, RATE), min_size=1, max_size=8))
def test_rules_switched_off_never_stop(rates: list[tuple[float | None, float | None]]) -> None:
    windows = [window(i, *pair) for i, pair in enumerate(rates, 1)]
    assert stop_reason(windows, Windows(syntax_drops=0, early_stop_step=0)) is None


@given(st.lists(RATE, max_size=8))
def test_the_best_window_is_the_last_of_the_highest(rates: list[float | None]) -> None:
    windows = [window(i, rate) for i, rate in enumerate(rates)]
    best, scored = best_window(windows), [rate for rate in rates if rate is not None]
    assert (best is None) == (not scored)
    if best is not None:
        assert best.pass_at_1 == max(scored)
        assert all(other.pass_at_1 != best.pass_at_1 for other in windows[best.step + 1 :])


def test_with_alpha_spent_a_small_rise_is_no_gain_and_a_large_one_is() -> None:
    spec = Windows(eval_steps=250, early_stop_step=1000, gain_alpha=0.05)

    def windows(last: int) -> list[Window]:
        return [
            Window(step, 80, k, k / 80, 80, 1.0, 0, 80)
            for step, k in ((250, 32), (500, 33), (750, 34), (1000, last))
        ]

    assert (
        stop_reason(windows(35), spec)
        == "no_gain: Pass@1 has not risen above the first window's 40.0 % by step 1000"
    )
    assert stop_reason(windows(35), Windows(eval_steps=250, early_stop_step=1000)) is None
    assert stop_reason(windows(60), spec) is None


def test_an_early_look_needs_more_than_a_late_one() -> None:
    risen = significant_rise(250, 1000, 0.05)
    first = Window(250, 80, 32, 0.4, 80, 1.0, 0, 80)
    same = [Window(step, 80, 46, 46 / 80, 80, 1.0, 0, 80) for step in (500, 1000)]
    assert [risen(first, later) for later in same] == [False, True]
