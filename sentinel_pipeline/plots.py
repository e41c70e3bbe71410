"""Plots for pages that show Markdown: small SVG images as data URIs, the same bytes for the same
numbers.

What it does not do: decide what is worth plotting. matplotlib is imported late: most processes
never draw.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sentinel",
    # A ground of its own: dark ink on a page that is dark could not be read.
    "figure.facecolor": "#ffffff",
    "savefig.facecolor": "#ffffff",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_BLUE = "#2563eb"
_GREY = "#94a3b8"
_ORANGE = "#ea580c"


class Bar(NamedTuple):
    """A rate in [0, 1] with its interval."""

    label: str
    rate: float
    low: float
    high: float


def rate_bars(
    bars: Sequence[Bar], title: str, thresholds: Mapping[str, float] | None = None
) -> str:
    """Horizontal bars with intervals, and a dashed line for each named threshold; Markdown with one
    image."""

    def draw(axes: Axes) -> None:
        labels = [bar.label for bar in bars]
        errors = [[bar.rate - bar.low for bar in bars], [bar.high - bar.rate for bar in bars]]
        axes.barh(
            labels,
            [bar.rate for bar in bars],
            xerr=errors,
            color=_BLUE,
            ecolor="#0f172a",
            capsize=3,
            height=0.6,
        )
        for name, value in (thresholds or {}).items():
            axes.axvline(
                value, color=_ORANGE, linestyle="--", linewidth=1, label=f"{name} {value:.0%}"
            )
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.invert_yaxis()
        if thresholds:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)

    return _markdown(draw, title, height=0.8 + 0.35 * len(bars))


def difference_bars(bars: Sequence[Bar], title: str) -> str:
    """Differences in [-1, 1] with their intervals around a line at none; Markdown with one
    image."""

    def draw(axes: Axes) -> None:
        colours = [_GREY] * len(bars)
        for place, bar in enumerate(bars):
            if bar.low > 0:
                colours[place] = _BLUE
            elif bar.high < 0:
                colours[place] = _ORANGE
        places = range(len(bars))
        axes.axvline(0, color="#0f172a", linewidth=1)
        axes.hlines(
            places,
            [bar.low for bar in bars],
            [bar.high for bar in bars],
            colors=colours,
            linewidth=2,
        )
        axes.scatter([bar.rate for bar in bars], places, c=colours, zorder=3)
        axes.set_yticks(list(places), [bar.label for bar in bars])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.0%}")
        axes.margins(y=0.5 / max(len(bars), 1))
        axes.invert_yaxis()

    return _markdown(draw, title, height=0.9 + 0.32 * len(bars))


def shares(
    before: Mapping[str, float], after: Mapping[str, float], target: Mapping[str, float], title: str
) -> str:
    """Grouped bars of category shares: before, after, and a mark where each was wanted; Markdown
    with one image."""

    def draw(axes: Axes) -> None:
        places = range(len(target))
        axes.bar(
            [p - 0.2 for p in places],
            [before.get(n, 0) for n in target],
            0.4,
            color=_GREY,
            label="before",
        )
        axes.bar(
            [p + 0.2 for p in places],
            [after.get(n, 0) for n in target],
            0.4,
            color=_BLUE,
            label="after",
        )
        axes.plot(
            places,
            list(target.values()),
            "_",
            color=_ORANGE,
            markersize=28,
            markeredgewidth=2,
            label="wanted",
        )
        axes.set_xticks(list(places), [name.replace("_", "\n") for name in target])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.legend(frameon=False)

    return _markdown(draw, title, height=2.6)


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, percent: bool = False
) -> str:
    """Lines over steps, one a name; Markdown with one image."""

    def draw(axes: Axes) -> None:
        for name, points in series.items():
            axes.plot(
                [p[0] for p in points],
                [p[1] for p in points],
                marker="o" if len(points) < 12 else None,
                label=name,
            )
        axes.set_xlabel(x)
        if percent:
            axes.set_ylim(0, 1)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.figure.legend(frameon=False, loc="outside right center")

    return _markdown(draw, title, height=2.6)


def write_png_curves(
    path: Path, series: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str
) -> None:
    """Lines over steps, one plot a name, as a PNG file."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_STYLE):
        # Each on its own axes: the peaks may be orders of magnitude apart.
        figure, rows = pyplot.subplots(
            len(series), figsize=(6.4, 2.2 * len(series)), layout="constrained", squeeze=False
        )
        for axes, (name, points) in zip(rows.flat, series.items(), strict=True):
            axes.plot([p[0] for p in points], [p[1] for p in points], color=_BLUE)
            axes.set_title(f"{title}, {name}", loc="left", fontsize=10)
            axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
            axes.set_xlabel(x)
        figure.savefig(path, format="png", dpi=120)
        pyplot.close(figure)


def stacked(rows: Mapping[str, Mapping[str, int]], parts: Sequence[str], title: str) -> str:
    """Horizontal bars of counts, each divided into the same named parts; Markdown with one
    image."""
    colours = (_GREY, "#16a34a", _ORANGE, "#dc2626", _BLUE)

    def draw(axes: Axes) -> None:
        left = [0] * len(rows)
        for part, colour in zip(parts, colours, strict=False):
            widths = [counts.get(part, 0) for counts in rows.values()]
            axes.barh(
                list(rows),
                widths,
                left=left,
                color=colour,
                height=0.6,
                label=part.replace("_", " "),
            )
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.legend(frameon=False, loc="lower right")

    return _markdown(draw, title, height=0.9 + 0.35 * len(rows))


def _markdown(draw: Any, title: str, height: float) -> str:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(6.4, height), layout="constrained")
        draw(axes)
        axes.set_title(title, loc="left", fontsize=10)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    encoded = base64.b64encode(buffer.getvalue().encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{encoded})"
