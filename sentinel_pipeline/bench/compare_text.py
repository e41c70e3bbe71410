"""Comparisons as JSON, as Markdown with a plot, and as one self-contained HTML page, light and
dark, that fetches nothing.

Model output is hostile: the template escapes everything, and the page forbids itself scripts and
requests. What this module does not do: compare (``compare`` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from ..markdown import cell
from ..plots import Bar, difference_bars
from ..rates import percent, with_interval
from ..records import BenchmarkReport
from .compare import SuiteComparison

SHOWN_FLIPS = 40
"""Flips of one comparison that the page shows; all of them are in ``flips.jsonl``."""
SHOWN_TEXT = 4_000
"""Characters of an answer that the page shows."""
TEMPLATE = Path(__file__).with_name("comparison.html.jinja")


def suites_to_json(comparisons: Mapping[str, SuiteComparison]) -> dict[str, Any]:
    """The object that ``sentinel compare --json`` prints for each suite."""
    return {
        name: {
            "n": comparison.summary.n,
            "a": comparison.a,
            "b": comparison.b,
            "difference": comparison.summary.difference,
            "interval": list(comparison.summary.interval[:2]),
            "mcnemar_p": comparison.summary.p,
            "holm_p": comparison.p_adjusted,
            "cohens_h": comparison.h,
            "gained": comparison.summary.gained,
            "lost": comparison.summary.lost,
            "verdict": comparison.verdict,
            "void": comparison.void is not None,
            "artifacts": [finding.reason for finding in comparison.findings],
            "errors": {code: {"a": a, "b": b} for code, (a, b) in comparison.errors.items()},
            "tokens": {"a": comparison.tokens[0], "b": comparison.tokens[1]},
        }
        for name, comparison in comparisons.items()
    }


def comparison_markdown(comparisons: Sequence[SuiteComparison]) -> str:
    """A table, one line a comparison; then what may explain a difference."""
    lines = [
        "| from | to | suite | n | gained | lost | difference [95 %] | exact paired p | Holm p | h | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for comparison in comparisons:
        c = comparison.summary
        interval = f"[{percent(c.interval.low)}, {percent(c.interval.high)}]"
        lines.append(
            f"| {c.from_stage} | {c.to_stage} | {cell(c.suite)} | {c.n} | {c.gained} | {c.lost} "
            f"| {percent(c.difference)} {interval} | {c.p:.2g} | {comparison.p_adjusted:.2g} "
            f"| {comparison.h:+.2f} | {comparison.verdict} |"
        )
    findings = [
        f"- {comparison.summary.from_stage} → {comparison.summary.to_stage} on {comparison.summary.suite}: {finding.reason}"
        for comparison in comparisons
        for finding in comparison.findings
    ]
    return "\n".join([*lines, "", *findings]) + "\n"


def comparison_plot(comparisons: Sequence[SuiteComparison]) -> str:
    """Every difference with its interval, as Markdown with one image."""
    bars = [
        Bar(
            f"{c.suite}: {c.from_stage} → {c.to_stage}",
            c.difference,
            c.interval.low,
            c.interval.high,
        )
        for c in (comparison.summary for comparison in comparisons)
    ]
    return difference_bars(bars, "Paired difference in Pass@1, 95 % intervals")


def comparison_page(
    title: str, comparisons: Sequence[SuiteComparison], reports: Sequence[BenchmarkReport] = ()
) -> str:
    """The whole comparison as one HTML page."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "points": _points, "shown": _shown}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    stages = list(dict.fromkeys(report.stage for report in reports))
    rates = {(report.stage, report.suite): report for report in reports}
    return template.render(
        title=title,
        reach=ceil(
            10
            * max(
                (abs(x) for comparison in comparisons for x in comparison.summary.interval[:2]),
                default=1.0,
            )
        )
        / 10
        or 0.1,
        comparisons=comparisons,
        stages=stages,
        suites=list(dict.fromkeys(report.suite for report in reports)),
        rates=rates,
        with_interval=with_interval,
        most=SHOWN_FLIPS,
    )


def _points(value: float) -> str:
    """A difference in percentage points, signed: ``+12.3``."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _shown(text: str) -> str:
    """An answer as the page shows it: control characters visible, the end of a long one left out
    and told."""
    plain = "".join(
        character
        if character in "\n\t" or character.isprintable()
        else f"\\u{{{ord(character):x}}}"
        for character in text[:SHOWN_TEXT]
    )
    return plain + (
        f"\n… {len(text) - SHOWN_TEXT:,} more characters" if len(text) > SHOWN_TEXT else ""
    )
