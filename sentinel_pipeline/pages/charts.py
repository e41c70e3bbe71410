"""Line charts as small inline SVG, coloured by the page's style sheet: they follow its light or
dark palette.

A page that shows them needs no script and loads nothing. What this module does not do: read files,
or decide what is worth a chart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from markupsafe import Markup, escape

POINTS = 240
"""Points of a line that are drawn: of each stretch of a longer one its lowest and its highest."""
COLOURS = 6
"""Series after the last colour begin with the first again."""
_WIDTH = 420
_HEIGHT = 190
_LEFT = 46
_RIGHT = 10
_TOP = 10
_BOTTOM = 24


class Series(NamedTuple):
    """One line; points are (step, value), and what is not finite is left out."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    """Of ``COLOURS``; equal for the same run in every chart."""
    dots: bool = False
    """Whether each point is marked: for few measured ones."""


class Line(NamedTuple):
    """A horizontal line, as a gate's threshold."""

    name: str
    value: float


def line_chart(
    title: str, series: Sequence[Series], lines: Sequence[Line] = (), *, percent: bool = False
) -> Markup:
    """The chart with a description for those who do not see it; empty where no series has a
    point."""
    drawn = [(one, thinned(one.points)) for one in series]
    drawn = [(one, points) for one, points in drawn if points]
    if not drawn:
        return Markup("")
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points] + [line.value for line in lines]
    low, high = (0.0, 1.0) if percent else _range(min(ys), max(ys))
    left, right = min(xs), max(max(xs), min(xs) + 1)

    def x_of(x: float) -> float:
        return _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(y: float) -> float:
        share = (min(max(y, low), high) - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    told = "; ".join(
        f"{one.name} from {_number(points[0][1], percent)} at step {points[0][0]:g} "
        f"to {_number(points[-1][1], percent)} at step {points[-1][0]:g}"
        for one, points in drawn
    )
    told += "".join(f"; line {line.name} at {_number(line.value, percent)}" for line in lines)
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}: {told}")}">'
    ]
    for place in range(5):
        value = low + (high - low) * place / 4
        y = y_of(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">'
            f"{escape(_number(value, percent, 0))}</text>"
        )
    for x, anchor in ((left, "start"), (right, "end")):
        parts.append(
            f'<text x="{x_of(x):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{x:g}</text>'
        )
    names: dict[float, str] = {}
    for line in lines:
        names[line.value] = ", ".join(filter(None, (names.get(line.value), line.name)))
    for value, name in names.items():
        y = y_of(value)
        # Where the line is near the top its name stands below it, away from the curve.
        below = 11 if y < _TOP + 25 else -3
        parts.append(
            f'<line class="gate" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="gate" x="{_WIDTH - _RIGHT}" y="{y + below:.1f}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
    for one, points in drawn:
        style = f"s{one.colour % COLOURS}"
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="{style}" points="{path}"/>')
        if one.dots or len(points) == 1:
            parts += [
                f'<circle class="{style}" cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3"/>'
                for x, y in points
            ]
    return Markup("".join([*parts, "</svg>"]))


class Rate(Protocol):
    """One stage's rate with its interval, in 0..1."""

    @property
    def stage(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def rate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def climb(suite: str, rates: Sequence[Rate]) -> Markup:
    """Rates of one stage after the other, each with its interval."""
    # A drawing fills its column: with room for one stage alone it would be blown up.
    width = 40 + 80 * max(len(rates), 4)
    told = ", ".join(f"{rate.stage} {rate.text}" for rate in rates)
    parts = [
        f'<svg class="climb" viewBox="0 0 {width} 128" role="img" '
        f'aria-label="{escape(f"{suite}: {told}")}">'
    ]
    for percent in (0, 50, 100):
        parts.append(
            f'<line class="grid" x1="30" x2="{width}" y1="{110 - percent}" y2="{110 - percent}"/>'
            f'<text x="26" y="{113 - percent}" text-anchor="end">{percent}</text>'
        )
    tops = [110 - 100 * rate.rate for rate in rates]
    path = " ".join(f"{70 + 80 * place},{top:.1f}" for place, top in enumerate(tops))
    parts.append(f'<polyline points="{path}"/>')
    for place, rate in enumerate(rates):
        x = 70 + 80 * place
        parts.append(
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{110 - 100 * rate.low:.1f}" '
            f'y2="{110 - 100 * rate.high:.1f}"/><circle cx="{x}" cy="{tops[place]:.1f}" r="4"/>'
            f'<text x="{x}" y="124" text-anchor="middle">{escape(rate.stage)}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most ``POINTS`` points in their order: of each stretch the lowest and the highest, so that
    a spike stays one."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if len(finite) <= POINTS:
        return finite
    stretches = POINTS // 2
    chosen: list[tuple[float, float]] = []
    for place in range(stretches):
        stretch = finite[place * len(finite) // stretches : (place + 1) * len(finite) // stretches]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        chosen += sorted(ends)
    # The last value is what people look for.
    chosen[-1] = finite[-1]
    return chosen


def _range(low: float, high: float) -> tuple[float, float]:
    """A little more than the values, and never nothing; from zero where they are near it."""
    if low == high:
        width = abs(low) or 1.0
        return low - width / 2, high + width / 2
    if 0 < low < 0.3 * high:
        low = 0.0
    return low, high + 0.04 * (high - low)


def _number(value: float, percent: bool, digits: int = 1) -> str:
    if percent:
        return f"{100 * value:.{digits}f} %"
    if abs(value) >= 1000:
        return f"{value / 1000:,.1f}k"
    return f"{value:.3g}" if value == 0 or abs(value) >= 0.01 else f"{value:.1e}"
