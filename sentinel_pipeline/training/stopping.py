"""The auto-critic plan's stop rules over the windows of a training run, as pure functions: no clock, no files, no state.

What this module does not do: statistics. These rules save device time; whether a model is good is the gates' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..gates.intervals import newcombe
from ..gates.sequential import look_alphas
from ..rates import percent
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
    risen = (
        any_rise
        if rules.gain_alpha is None
        else significant_rise(rules.eval_steps, rules.early_stop_step, rules.gain_alpha)
    )
    return syntax_dropped(windows, rules.syntax_drops) or no_gain(
        windows, rules.early_stop_step, risen
    )


def syntax_dropped(windows: Sequence[Window], drops: int) -> str | None:
    """The syntax rate fell in each of the last ``drops`` windows (``drops + 1`` rates are needed); 0 switches the rule off."""
    rates = [window.syntax_rate for window in windows if window.syntax_rate is not None][
        -(drops + 1) :
    ]
    if (
        drops < 1
        or len(rates) < drops + 1
        or any(later >= earlier for earlier, later in pairwise(rates))
    ):
        return None
    return f"syntax_drop: the syntax rate fell {drops} windows in a row, from {percent(rates[0])} to {percent(rates[-1])}"


Risen = Callable[[Window, Window], bool]
"""Whether the second of two scored windows is above the first."""


def any_rise(first: Window, later: Window) -> bool:
    """A higher rate counts, however small."""
    return (later.pass_at_1 or 0.0) > (first.pass_at_1 or 0.0)


def significant_rise(every: int, by_step: int, alpha: float) -> Risen:
    """A rise counts when its interval excludes none, each look with its share of ``alpha`` (two-sided, O'Brien and Fleming's kind).

    The looks are the windows after the first, up to ``by_step``; later ones are held to the last look's share.
    """
    alphas = look_alphas(range(1, max(2, by_step // every)), alpha)

    def risen(first: Window, later: Window) -> bool:
        look = min(max(later.step // every - 2, 0), len(alphas) - 1)
        return newcombe(later.passed, later.n, first.passed, first.n, 1 - alphas[look]).low > 0

    return risen


def no_gain(windows: Sequence[Window], by_step: int, risen: Risen = any_rise) -> str | None:
    """At ``by_step`` or later no window has ``risen`` above the first one; one window alone does not decide. 0 switches it off."""
    scored = [window for window in windows if window.pass_at_1 is not None]
    if by_step < 1 or len(scored) < 2 or windows[-1].step < by_step:
        return None
    if any(risen(scored[0], later) for later in scored[1:]):
        return None
    return f"no_gain: Pass@1 has not risen above the first window's {percent(scored[0].pass_at_1)} by step {windows[-1].step}"


def best_window(windows: Sequence[Window]) -> Window | None:
    """The window of the highest Pass@1, the latest among equals; None when none was scored."""
    scored = [window for window in windows if window.pass_at_1 is not None]
    return max(scored, key=lambda window: (window.pass_at_1 or 0.0, window.step), default=None)
