"""A recipe's watch rules over the recorded curves of a run, as rules of the engine (``rules``):
what each test sees.

The tests: ``below`` and ``above`` hold when the latest ``points`` values are all so, or when the
mean of a longer stretch surely is; ``spikes`` when ``points`` values within ``span`` steps are
above; ``plateau`` when no value was higher than the best one by ``threshold`` for ``span`` steps;
``near_zero`` when the value fell to a share of its own highest, or never left zero; ``diverges``
when the metric rose and another one fell over ``span`` steps, by the means of the first and the
last third.

A rule decides on intervals, not on noise: of a curve that was measured on a sample of prompts the
standard errors are known (``ERROR``), and a rule holds only where they leave no doubt, however
often it is asked; ``benchmarks/stopping.py`` simulates how often each is wrong. A value that is not
a number counts as above. What this module does not do: act, or take silence for health: ``unseen``
names the rules that had nothing to look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ..rates import percent
from ..records.grpo_spec import WatchRule
from .rules import Finding, Rule, RuleHit, findings

Curve = Sequence[tuple[int, float]]
"""(step, value), by step."""
Curves = Mapping[str, Curve]
"""By the name of their metric."""
ERROR = "/error"
"""Behind a metric's name: the curve of its standard errors."""
SURE = 2.8
"""Standard errors that leave no doubt: a rule is asked at every step of a run."""
FLAT = 2.55
"""The same of a plateau, which is asked at windows alone."""
STRETCH = 10
"""Times ``points``: the longest stretch of latest values whose mean ``below`` and ``above`` look
at; three times is the shortest."""
NEVER_ROSE = 10
"""Recorded zeros from which on a metric has never left zero."""


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


class _Sight(NamedTuple):
    """What a test looks at."""

    curve: Curve
    errors: Mapping[int, float]
    """Standard errors by step; empty where nobody measured them."""
    other: Curve
    other_errors: Mapping[int, float]


def _hit(rule: WatchRule, curves: Curves) -> RuleHit | None:
    curve = curves.get(rule.metric, ())
    if not curve:
        return None
    step = curve[-1][0]
    late = rule.before_step is not None and step >= rule.before_step and rule.test != "plateau"
    if step <= rule.after_step or late:
        return None
    against = rule.against or ""
    sight = _Sight(
        curve,
        dict(curves.get(rule.metric + ERROR, ())),
        curves.get(against, ()),
        dict(curves.get(against + ERROR, ())),
    )
    result = _TESTS[rule.test](rule, sight)
    if result is None:
        return None
    saw, text = result
    return RuleHit(step, rule.metric, saw, text)


Result = tuple[float, str] | None
"""The value that decided and the numbers in words; None where the test does not hold."""


def _below(rule: WatchRule, sight: _Sight) -> Result:
    return _beyond(rule, sight, -1)


def _above(rule: WatchRule, sight: _Sight) -> Result:
    return _beyond(rule, sight, 1)


def _beyond(rule: WatchRule, sight: _Sight, sign: int) -> Result:
    """``sign`` is 1 for above and -1 for below."""
    word = "above" if sign > 0 else "below"
    points = [(step, value) for step, value in sight.curve if step > rule.after_step]
    values = [value for _, value in points]
    latest = values[-rule.points :]
    if len(latest) < rule.points:
        return None
    at = f"at step {sight.curve[-1][0]}"
    in_a_row = all(
        _over(value, rule.threshold) if sign > 0 else value < rule.threshold for value in latest
    )
    if in_a_row and not sight.errors:
        times = f", {rule.points} times in a row" if rule.points > 1 else ""
        text = f"{rule.metric} is {values[-1]:.4g} {at}, {word} {rule.threshold:g}{times}"
        return values[-1], text
    # Not each value needs to be so: a metric that jumps between steps is seen by its mean.
    shortest = rule.points if sight.errors else 3 * rule.points
    if len(values) < shortest or (rule.points == 1 and not sight.errors):
        return None
    for count in {shortest, min(len(values), STRETCH * rule.points)}:
        stretch = points[-count:]
        mean, error = _mean(stretch, sight.errors)
        if sign * (mean - rule.threshold) > SURE * error:
            text = (
                f"{rule.metric} is {mean:.4g} ± {error:.2g} over its latest {count} values {at}, "
                f"{word} {rule.threshold:g}"
            )
            return mean, text
    return None


def _mean(stretch: Curve, errors: Mapping[int, float]) -> tuple[float, float]:
    """The mean of some values and its standard error: of the measured ones where they are known,
    else from how the values differ."""
    count = len(stretch)
    mean = sum(value for _, value in stretch) / count
    if errors:
        return mean, math.sqrt(sum(errors.get(step, 0.0) ** 2 for step, _ in stretch)) / count
    if count < 2:
        return mean, math.inf
    return mean, math.sqrt(sum((value - mean) ** 2 for _, value in stretch) / (count - 1) / count)


def _over(value: float, threshold: float) -> bool:
    return math.isnan(value) or value > threshold


def _spikes(rule: WatchRule, sight: _Sight) -> Result:
    curve = sight.curve
    recent = [value for step, value in curve if step > curve[-1][0] - rule.span]
    high = [value for value in recent if _over(value, rule.threshold)]
    if len(high) < rule.points:
        return None
    worst = next((value for value in high if math.isnan(value)), max(high))
    text = f"{rule.metric} was above {rule.threshold:g} {len(high)} times within {rule.span} steps, at most {worst:.4g}"
    return worst, text


def _plateau(rule: WatchRule, sight: _Sight) -> Result:
    """The best counts from where it began: a gain below the threshold does not begin a new one."""
    curve = sight.curve
    if sight.errors:
        return _flat(rule, sight)
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


def _flat(rule: WatchRule, sight: _Sight) -> Result:
    """A measured curve is flat where the line through it surely gains less than twice the threshold
    in a span, from one of its windows on to the latest: the highest of many noisy values says
    nothing, and no sample can show that nothing at all was gained."""
    points = [(step, value) for step, value in sight.curve if step in sight.errors]
    last = points[-1][0] if points else 0
    # Every fourth window may be where it began: each further beginning is another chance of error.
    for place in range(0, len(points), 4):
        stretch = points[place:]
        began = stretch[0][0]
        late = rule.before_step is not None and began >= rule.before_step
        if late or last - began < rule.span or len(stretch) < 4:
            return None
        middle = sum(step for step, _ in stretch) / len(stretch)
        mean = sum(value for _, value in stretch) / len(stretch)
        spread = sum((step - middle) ** 2 for step, _ in stretch)
        slope = sum((step - middle) * (value - mean) for step, value in stretch) / spread
        variance = sum(((step - middle) * sight.errors[step]) ** 2 for step, _ in stretch)
        gain = slope * rule.span
        error = math.sqrt(variance) / spread * rule.span
        if gain + FLAT * error < 2 * rule.threshold:
            text = (
                f"{rule.metric} gains {gain:.3g} ± {error:.2g} in {rule.span} steps, from step {began} "
                f"to {last}, where it is {mean:.4g}: not {rule.threshold:g}"
            )
            return mean, text
    return None


def _near_zero(rule: WatchRule, sight: _Sight) -> Result:
    curve = sight.curve
    highest = max(value for _, value in curve)
    step, value = curve[-1]
    if highest <= 0:
        if len(curve) < NEVER_ROSE:
            return None
        return value, f"{rule.metric} is {value:.3g} at step {step}, and was never above zero"
    if value > rule.threshold * highest:
        return None
    return (
        value,
        f"{rule.metric} is {value:.3g} at step {step}, {percent(value / highest, 2)} of its highest, {highest:.3g}",
    )


def _diverges(rule: WatchRule, sight: _Sight) -> Result:
    # What noise hides over a span shows over the whole run.
    for span in dict.fromkeys((rule.span, max(rule.span, sight.curve[-1][0]))):
        up = _change(sight.curve, sight.errors, span)
        down = _change(sight.other, sight.other_errors, span)
        if up is None or down is None:
            continue
        rise, rise_error = up
        fall, fall_error = down
        surely_up = rise - SURE * rise_error > rule.threshold
        if surely_up and fall + SURE * fall_error < -rule.threshold:
            text = f"{rule.metric} rose by {rise:.3g} while {rule.against} fell by {-fall:.3g} over the last {span} steps"
            return rise, text
    return None


def _change(curve: Curve, errors: Mapping[int, float], span: int) -> tuple[float, float] | None:
    """Mean of the last third less mean of the first, over the last ``span`` steps, with its
    standard error; None with less than six values."""
    points = [point for point in curve if point[0] > curve[-1][0] - span]
    third = len(points) // 3
    if third < 2:
        return None
    first, first_error = _mean(points[:third], errors)
    last, last_error = _mean(points[-third:], errors)
    return last - first, math.hypot(first_error, last_error)


_TESTS: dict[str, Callable[[WatchRule, _Sight], Result]] = {
    "plateau": _plateau,
    "below": _below,
    "above": _above,
    "spikes": _spikes,
    "near_zero": _near_zero,
    "diverges": _diverges,
}
