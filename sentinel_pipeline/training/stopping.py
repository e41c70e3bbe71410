"""Seed 000's stop rules over the windows of a training run, as pure functions: no clock, no files, no state.

What this module does not do: statistics. These rules save device time; whether a model is good is the gates' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ..records.training_spec import Windows


class Window(NamedTuple):
    """What one evaluation while training showed. Rates are None when nothing was scored: no evidence is not zero."""

    step: int
    n: int
    """Items scored; infrastructure outcomes are apart."""
    passed: int
    pass_at_1: float | None
    syntax_n: int
    syntax_rate: float | None
    infra: int
    stopped: int
    """Answers that the model ended by itself."""


def stop_reason(windows: Sequence[Window], rules: Windows) -> str | None:
    """Why training should stop after the last of ``windows``, or None to go on."""
    return syntax_dropped(windows, rules.syntax_drops) or no_gain(windows, rules.no_gain_by)


def syntax_dropped(windows: Sequence[Window], drops: int) -> str | None:
    """The syntax rate fell in each of the last ``drops`` windows (``drops + 1`` rates are needed); 0 switches the rule off."""
    rates = [window.syntax_rate for window in windows if window.syntax_rate is not None][-(drops + 1) :]
    if drops < 1 or len(rates) < drops + 1 or any(later >= earlier for earlier, later in pairwise(rates)):
        return None
    return f"syntax_drop: the syntax rate fell {drops} windows in a row, from {rates[0]:.1%} to {rates[-1]:.1%}"


def no_gain(windows: Sequence[Window], by_step: int) -> str | None:
    """At ``by_step`` or later no window is above the first one's Pass@1; one window alone is no evidence. 0 switches it off."""
    rates = [window.pass_at_1 for window in windows if window.pass_at_1 is not None]
    if by_step < 1 or len(rates) < 2 or windows[-1].step < by_step or max(rates[1:]) > rates[0]:
        return None
    return f"no_gain: Pass@1 has not risen above the first window's {rates[0]:.1%} by step {windows[-1].step}"


def best_window(windows: Sequence[Window]) -> Window | None:
    """The window of the highest Pass@1, the latest among equals; None when none was scored."""
    scored = [window for window in windows if window.pass_at_1 is not None]
    return max(scored, key=lambda window: (window.pass_at_1 or 0.0, window.step), default=None)
