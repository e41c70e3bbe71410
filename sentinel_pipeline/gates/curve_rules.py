"""A recipe's watch rules over the recorded curves of a run, as rules of the engine (``rules``):
what each test sees.

The tests: ``below`` and ``above`` hold when the latest ``points`` values are all so; ``spikes``
when ``points`` values within ``span`` steps are above; ``plateau`` when no value was higher than
the best one by ``threshold`` for ``span`` steps; ``near_zero`` when the value fell to a share of
its own highest; ``diverges`` when the metric rose and another one fell over ``span`` steps, by the
means of the first and the last third. A value that is not a number counts as above. What this
module does not do: act, or take silence for health: ``unseen`` names the rules that had nothing to
look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..rates import percent
from ..records.grpo_spec import WatchRule
from .rules import Finding, Rule, RuleHit, findings

Curve = Sequence[tuple[int, float]]
"""(step, value), by step."""
Curves = Mapping[str, Curve]
"""By the name of their metric."""


def curve_rules(watch: Sequence[WatchRule]) -> tuple[Rule[Curves], ...]:
    """A recipe's watch rules, in its order."""
    return tuple(
        Rule(spec.name, spec.action, partial(_hit, spec), because=spec.because) for spec in watch
    )


def first_stop(rules: Sequence[Rule[Curves]], curves: Curves) -> Finding | None:
    """The earliest moment at which a rule would have stopped the run, replayed step by step."""
    steps = sorted({step for curve in curves.values() for step, _ in curve})
    for last in steps:
        so_far = {
            name: [point for point in curve if point[0] <= last] for name, curve in curves.items()
        }
        for finding in findings(rules, so_far):
            if finding.action == "stop":
                return finding
    return None


def unseen(rules: Sequence[WatchRule], curves: Curves) -> list[str]:
    """Rules of whose metric nothing was recorded: they can have found nothing."""
    return [
        rule.name
        for rule in rules
        if not all(curves.get(name) for name in (rule.metric, rule.against or rule.metric))
    ]


def _hit(rule: WatchRule, curves: Curves) -> RuleHit | None:
    curve = curves.get(rule.metric, ())
    if not curve:
        return None
    step = curve[-1][0]
    late = rule.before_step is not None and step >= rule.before_step and rule.test != "plateau"
    if step <= rule.after_step or late:
        return None
    result = _TESTS[rule.test](rule, curve, curves.get(rule.against or "", ()))
    if result is None:
        return None
    saw, text = result
    return RuleHit(step, rule.metric, saw, text)


Result = tuple[float, str] | None
"""The value that decided and the numbers in words; None where the test does not hold."""


def _below(rule: WatchRule, curve: Curve, _: Curve) -> Result:
    values = _latest(rule, curve)
    if values is None or not all(value < rule.threshold for value in values):
        return None
    return (
        values[-1],
        f"{rule.metric} is {values[-1]:.4g} at step {curve[-1][0]}, below {rule.threshold:g}{_times(rule)}",
    )


def _above(rule: WatchRule, curve: Curve, _: Curve) -> Result:
    values = _latest(rule, curve)
    if values is None or not all(_over(value, rule.threshold) for value in values):
        return None
    return (
        values[-1],
        f"{rule.metric} is {values[-1]:.4g} at step {curve[-1][0]}, above {rule.threshold:g}{_times(rule)}",
    )


def _latest(rule: WatchRule, curve: Curve) -> list[float] | None:
    """The latest ``points`` values, of steps after ``after_step``; None when there are fewer."""
    values = [value for step, value in curve if step > rule.after_step][-rule.points :]
    return values if len(values) == rule.points else None


def _times(rule: WatchRule) -> str:
    return f", {rule.points} times in a row" if rule.points > 1 else ""


def _over(value: float, threshold: float) -> bool:
    return math.isnan(value) or value > threshold


def _spikes(rule: WatchRule, curve: Curve, _: Curve) -> Result:
    recent = [value for step, value in curve if step > curve[-1][0] - rule.span]
    high = [value for value in recent if _over(value, rule.threshold)]
    if len(high) < rule.points:
        return None
    worst = next((value for value in high if math.isnan(value)), max(high))
    text = f"{rule.metric} was above {rule.threshold:g} {len(high)} times within {rule.span} steps, at most {worst:.4g}"
    return worst, text


def _plateau(rule: WatchRule, curve: Curve, _: Curve) -> Result:
    """The best counts from where it began: a gain below the threshold does not begin a new one."""
    best_step, best = curve[0]
    for step, value in curve:
        if value > best + rule.threshold or math.isnan(best):
            best_step = step
            best = value
    step = curve[-1][0]
    early = rule.before_step is None or best_step < rule.before_step
    looks_since = sum(at > best_step for at, _ in curve)
    if step - best_step < rule.span or not early or looks_since < 2:
        return None
    text = f"{rule.metric} has not gained {rule.threshold:g} over the {best:.4g} of step {best_step} by step {step}"
    return best, text


def _near_zero(rule: WatchRule, curve: Curve, _: Curve) -> Result:
    highest = max(value for _, value in curve)
    step, value = curve[-1]
    if highest <= 0 or value > rule.threshold * highest:
        return None
    return (
        value,
        f"{rule.metric} is {value:.3g} at step {step}, {percent(value / highest, 2)} of its highest, {highest:.3g}",
    )


def _diverges(rule: WatchRule, curve: Curve, other: Curve) -> Result:
    up = _change(curve, rule.span)
    down = _change(other, rule.span)
    if up is None or down is None or up <= rule.threshold or down >= -rule.threshold:
        return None
    text = f"{rule.metric} rose by {up:.3g} while {rule.against} fell by {-down:.3g} over the last {rule.span} steps"
    return up, text


def _change(curve: Curve, span: int) -> float | None:
    """Mean of the last third less mean of the first, over the last ``span`` steps; None with less
    than six values."""
    values = [value for step, value in curve if step > curve[-1][0] - span]
    third = len(values) // 3
    if third < 2:
        return None
    return sum(values[-third:]) / third - sum(values[:third]) / third


_TESTS: dict[str, Callable[[WatchRule, Curve, Curve], Result]] = {
    "plateau": _plateau,
    "below": _below,
    "above": _above,
    "spikes": _spikes,
    "near_zero": _near_zero,
    "diverges": _diverges,
}
