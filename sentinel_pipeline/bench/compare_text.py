"""Comparisons as JSON, as Markdown with a plot, and as one self-contained HTML page, light and dark, that fetches nothing.

Model output is hostile: the template escapes everything, and the page forbids itself scripts and requests. What this module does
not do: compare (``compare`` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from ..plots import Bar, difference_bars
from ..rates import percent, with_interval
from ..records import BenchmarkReport
from .compare import SuiteComparison

SHOWN_FLIPS = 40
"""Flips of one comparison that the page shows; all of them are in ``flips.jsonl``."""
SHOWN_TEXT = 4_000
"""Characters of an answer that the page shows."""
TEMPLATE = Path(__file__).with_name("comparison.html.jinja")


def suites_to_json(found: Mapping[str, SuiteComparison]) -> dict[str, Any]:
    """The object that ``sentinel compare --json`` prints for each suite."""
    return {
        name: {
            "n": one.summary.n,
            "a": one.a,
            "b": one.b,
            "difference": one.summary.difference,
            "interval": list(one.summary.interval[:2]),
            "mcnemar_p": one.summary.p,
            "holm_p": one.p_adjusted,
            "cohens_h": one.h,
            "gained": one.summary.gained,
            "lost": one.summary.lost,
            "verdict": one.verdict,
            "void": one.void is not None,
            "artifacts": [finding.reason for finding in one.findings],
            "errors": {code: {"a": a, "b": b} for code, (a, b) in one.errors.items()},
            "tokens": {"a": one.tokens[0], "b": one.tokens[1]},
        }
        for name, one in found.items()
    }


def comparison_markdown(found: Sequence[SuiteComparison]) -> str:
    """A table, one line a comparison; then what may explain a difference."""
    lines = [
        "| from | to | suite | n | gained | lost | difference [95 %] | exact paired p | Holm p | h | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        c = one.summary
        interval = f"[{percent(c.interval.low)}, {percent(c.interval.high)}]"
        lines.append(
            f"| {c.from_stage} | {c.to_stage} | {c.suite} | {c.n} | {c.gained} | {c.lost} "
            f"| {percent(c.difference)} {interval} | {c.p:.2g} | {one.p_adjusted:.2g} | {one.h:+.2f} | {one.verdict} |"
        )
    said = [
        f"- {one.summary.from_stage} → {one.summary.to_stage} on {one.summary.suite}: {finding.reason}"
        for one in found
        for finding in one.findings
    ]
    return "\n".join([*lines, "", *said]) + "\n"


def comparison_plot(found: Sequence[SuiteComparison]) -> str:
    """Every difference with its interval, as Markdown with one image."""
    bars = [
        Bar(
            f"{c.suite}: {c.from_stage} → {c.to_stage}",
            c.difference,
            c.interval.low,
            c.interval.high,
        )
        for c in (one.summary for one in found)
    ]
    return difference_bars(bars, "Paired difference in Pass@1, 95 % intervals")


def comparison_page(
    title: str, found: Sequence[SuiteComparison], reports: Sequence[BenchmarkReport] = ()
) -> str:
    """The whole comparison as one HTML page."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "points": _points, "shown": _shown}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    stages = list(dict.fromkeys(one.stage for one in reports))
    rates = {(one.stage, one.suite): one for one in reports}
    return template.render(
        title=title,
        reach=ceil(
            10 * max((abs(x) for one in found for x in one.summary.interval[:2]), default=1.0)
        )
        / 10
        or 0.1,
        found=found,
        stages=stages,
        suites=list(dict.fromkeys(one.suite for one in reports)),
        rates=rates,
        with_interval=with_interval,
        most=SHOWN_FLIPS,
    )


def _points(value: float) -> str:
    """A difference in percentage points, signed: ``+12.3``."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _shown(text: str) -> str:
    """An answer as the page shows it: control characters visible, the end of a long one left out and told."""
    plain = "".join(
        one if one in "\n\t" or one.isprintable() else f"\\u{{{ord(one):x}}}"
        for one in text[:SHOWN_TEXT]
    )
    return plain + (
        f"\n… {len(text) - SHOWN_TEXT:,} more characters" if len(text) > SHOWN_TEXT else ""
    )
