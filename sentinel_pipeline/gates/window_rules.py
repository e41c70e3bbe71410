"""The rules over a training run's windows: the step gate, falling syntax, and no gain by a step.

Past the gate step a model is trained only when its window there passes the step's gates; that
verdict is a gate's, with three outcomes, and too few items go no further. The other two save device
time. What this module does not do: stop anything, or say whether the final model is good; the gates
of its report do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from ..rates import percent
from ..records import Decided
from ..records.gate_spec import GatePolicy
from ..records.training_spec import Windows
from ..records.window import Window
from .intervals import newcombe
from .measured import measure_window
from .policies import decide
from .rules import Rule, RuleHit
from .sequential import look_alphas

Series = Sequence[Window]
_CONFIDENCE = 0.99
"""A run has a dozen windows, and any of them may fall."""


def window_rules(spec: Windows) -> tuple[Rule[Series], ...]:
    """The rules that ``spec`` asks for, in the order in which they are told; each stops the run."""
    rules: list[Rule[Series]] = [Rule("gate_step", "stop", lambda windows: _gate(windows, spec))]
    if spec.syntax_drops >= 1:
        rules.append(
            Rule("syntax_drop", "stop", lambda windows: syntax_dropped(windows, spec.syntax_drops))
        )
    if spec.early_stop_step >= 1:
        risen: Risen = any_rise
        if spec.gain_alpha is not None:
            risen = significant_rise(spec.eval_steps, spec.early_stop_step, spec.gain_alpha)
        rules.append(
            Rule("no_gain", "stop", lambda windows: no_gain(windows, spec.early_stop_step, risen))
        )
    return tuple(rules)


def step_policies(spec: Windows) -> dict[str, GatePolicy]:
    """The gates of the step ``spec.gate_step``, by name."""
    policies = (
        GatePolicy(metric="pass_at_1", threshold=spec.gate_pass_at_1, suite=spec.suite),
        GatePolicy(metric="syntax_rate", threshold=spec.gate_syntax_rate, suite=spec.suite),
    )
    return {f"step_{spec.gate_step}_{policy.metric}": policy for policy in policies}


def step_verdicts(windows: Series, spec: Windows) -> dict[str, Decided]:
    """What the step's gates decide about the window at ``spec.gate_step``, by gate; none before it,
    or without a gate."""
    at_step = [window for window in windows if window.step == spec.gate_step]
    if not at_step:
        return {}
    return {
        name: decide(policy, measure_window(policy, at_step[-1]))
        for name, policy in step_policies(spec).items()
    }


def _gate(windows: Series, spec: Windows) -> RuleHit | None:
    for name, decided in step_verdicts(windows, spec).items():
        if decided.verdict != "pass":
            assert spec.gate_step is not None
            saw = 0.0 if decided.measured is None else decided.measured
            text = f"{name} is {decided.verdict}: {decided.reason}"
            return RuleHit(spec.gate_step, step_policies(spec)[name].metric, saw, text)
    return None


def syntax_dropped(windows: Series, drops: int) -> RuleHit | None:
    """The syntax rate fell in each of the last ``drops`` windows that have one (``drops + 1`` rates
    are needed), and by more than two windows of equally good answers differ by chance: the 99 %
    interval of the fall excludes none."""
    measured = [window for window in windows if window.syntax_rate is not None][-(drops + 1) :]
    rates = [window.syntax_rate or 0.0 for window in measured]
    if len(rates) < drops + 1 or any(later >= earlier for earlier, later in pairwise(rates)):
        return None
    first = measured[0]
    last = measured[-1]
    good, was_good = (
        round(rate * window.syntax_n) for rate, window in ((rates[-1], last), (rates[0], first))
    )
    if newcombe(good, last.syntax_n, was_good, first.syntax_n, _CONFIDENCE).high >= 0:
        return None
    text = f"the syntax rate fell {drops} windows in a row, from {percent(rates[0])} to {percent(rates[-1])}"
    return RuleHit(windows[-1].step, "syntax_rate", rates[-1], text)


Risen = Callable[[Window, Window], bool]
"""Whether the second of two scored windows is above the first."""


def any_rise(first: Window, later: Window) -> bool:
    """A higher rate counts, however small."""
    return (later.pass_at_1 or 0.0) > (first.pass_at_1 or 0.0)


def significant_rise(every: int, by_step: int, alpha: float) -> Risen:
    """A rise counts when its interval excludes none, each look with its share of ``alpha``
    (two-sided, O'Brien and Fleming's kind).

    The looks are the windows after the first, up to ``by_step``; later ones are held to the last
    look's share.
    """
    alphas = look_alphas(range(1, max(2, by_step // every)), alpha)

    def risen(first: Window, later: Window) -> bool:
        look = min(max(later.step // every - 2, 0), len(alphas) - 1)
        return newcombe(later.passed, later.n, first.passed, first.n, 1 - alphas[look]).low > 0

    return risen


def no_gain(windows: Series, by_step: int, risen: Risen = any_rise) -> RuleHit | None:
    """At ``by_step`` or later no window has ``risen`` above the first one; one window alone does
    not decide."""
    scored = [window for window in windows if window.pass_at_1 is not None]
    if len(scored) < 2 or windows[-1].step < by_step:
        return None
    first = scored[0]
    if any(risen(first, later) for later in scored[1:]):
        return None
    step = windows[-1].step
    text = (
        f"Pass@1 has not risen above the first window's {percent(first.pass_at_1)} by step {step}"
    )
    return RuleHit(step, "pass_at_1", scored[-1].pass_at_1 or 0.0, text)
