"""From scored samples to a report: rates with intervals, per family, and a page of Markdown.

What this module does not do: answer or score. Infrastructure outcomes are counted apart and never
enter a rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ..gates.statistics import effective_samples, wilson_rate
from ..markdown import cell
from ..plots import Bar, rate_bars
from ..rates import with_interval
from ..records import BenchmarkReport, Interval, SampleScore
from ..records.conversation import task_of
from ..records.report import Metric
from ..records.stages import report_of
from ..store import Artifact, Store, skipped_reason


def build_report(
    samples: Sequence[SampleScore],
    *,
    stage: str,
    suite: str,
    model: str,
    model_hash: str,
    scorer_version: str,
    decoding: dict[str, Any],
    retired: int = 0,
    suite_hash: str = "",
) -> BenchmarkReport:
    """Summarise one model's scored answers to one suite; rates are None where nothing was
    scored."""
    passes = _rate(_outcomes(samples, "pass_at_1"))
    syntax = _rate(_outcomes(samples, "syntax_rate"))
    families = sorted({sample.family for sample in samples})
    return BenchmarkReport(
        stage=stage,
        suite=suite,
        model=model,
        model_hash=model_hash,
        n=passes.n,
        passed=passes.passed,
        pass_at_1=passes.rate,
        interval=passes.interval,
        syntax_n=syntax.n,
        syntax_passed=syntax.passed,
        syntax_rate=syntax.rate,
        syntax_interval=syntax.interval,
        infra=sum(sample.outcome == "infra" for sample in samples),
        shared=sum(s.trust == "shared" and s.outcome != "infra" for s in samples),
        scorer_version=scorer_version,
        decoding=decoding,
        by_family={
            family: _family([s for s in samples if s.family == family]) for family in families
        },
        seconds=round(sum(sample.seconds for sample in samples), 3),
        tokens=sum(sample.tokens for sample in samples),
        retired=retired,
        effective=passes.effective,
        syntax_effective=syntax.effective,
        suite_hash=suite_hash,
    )


def recomputed(report: BenchmarkReport, samples: Sequence[SampleScore]) -> BenchmarkReport:
    """What ``report`` would say if it were made of ``samples`` now; a gate that decides compares
    the two, so that a report is never taken at its word."""
    return build_report(
        samples,
        stage=report.stage,
        suite=report.suite,
        model=report.model,
        model_hash=report.model_hash,
        scorer_version=report.scorer_version,
        decoding=report.decoding,
        retired=report.retired,
        suite_hash=report.suite_hash,
    )


class _Rate(NamedTuple):
    """``effective`` is None where each item has one answer."""

    passed: int
    n: int
    interval: Interval | None
    effective: float | None

    @property
    def rate(self) -> float | None:
        return self.passed / self.n if self.n else None


Outcomes = dict[str, list[bool]]
"""Item -> whether each of its answers passed."""


def _rate(outcomes: Outcomes) -> _Rate:
    """Answers to one item are not independent: the interval is Wilson's over their effective
    number."""
    passed = sum(map(sum, outcomes.values()))
    n = sum(map(len, outcomes.values()))
    if not n:
        return _Rate(0, 0, None, None)
    several = n > len(outcomes)
    effective = (
        effective_samples([sum(each) / len(each) for each in outcomes.values()], n)
        if several
        else n
    )
    return _Rate(passed, n, wilson_rate(passed / n, effective), effective if several else None)


def _outcomes(samples: Iterable[SampleScore], metric: Metric) -> Outcomes:
    outcomes: Outcomes = {}
    for sample in samples:
        if (value := sample.value(metric)) is not None:
            outcomes.setdefault(task_of(sample.task_id), []).append(value)
    return outcomes


def _family(samples: Sequence[SampleScore]) -> dict[str, Any]:
    rate = _rate(_outcomes(samples, "pass_at_1"))
    return {
        "n": rate.n,
        "passed": rate.passed,
        "pass_at_1": rate.rate,
        "interval": list(rate.interval[:2]) if rate.interval else None,
        "infra": len(samples) - rate.n,
    }


def report_to_json(report: BenchmarkReport) -> dict[str, Any]:
    """The report as plain JSON, without ``seconds``: timings differ between equal runs and live in
    the manifest."""
    data = asdict(report)
    for key in ("interval", "syntax_interval"):
        data[key] = list(data[key]) if data[key] else None
    del data["seconds"]
    return data


def report_from_json(data: dict[str, Any]) -> BenchmarkReport:
    """Read what ``report_to_json`` wrote; ``seconds`` is 0."""
    intervals = {
        key: Interval(*data[key]) if data[key] else None for key in ("interval", "syntax_interval")
    }
    return BenchmarkReport(**{**data, **intervals, "seconds": 0.0})


def newest_reports(store: Store, stages: Iterable[str]) -> dict[str, Artifact]:
    """Stage -> its report artifact, as the store finds it, in the order of ``stages``; a stage
    without one, or whose report was skipped, is left out."""
    found = ((stage, store.find(report_of(stage))) for stage in stages)
    return {
        stage: artifact
        for stage, artifact in found
        if artifact is not None and not skipped_reason(artifact)
    }


def report_markdown(reports: Sequence[BenchmarkReport]) -> str:
    """One table over suites, one over families; every rate with its n and 95 % interval."""
    head = [
        "| suite | n | Pass@1 [95 %] | syntax rate [95 %] | infrastructure |",
        "|---|---|---|---|---|",
    ]
    rows = [
        f"| {cell(r.suite)} | {r.n} | {with_interval(r.pass_at_1, r.interval)} "
        f"| {with_interval(r.syntax_rate, r.syntax_interval)} (n {r.syntax_n}) | {r.infra} |"
        for r in reports
    ]
    family_head = ["", "| suite | family | n | Pass@1 [95 %] |", "|---|---|---|---|"]
    families = [
        f"| {cell(r.suite)} | {cell(family)} | {row['n']} | {with_interval(row['pass_at_1'], row['interval'])} |"
        for r in reports
        for family, row in r.by_family.items()
    ]
    gone = [
        f"{r.suite}: {r.retired} retired, since human corrections of them are training rows."
        for r in reports
        if r.retired
    ]
    shared = [
        f"{r.suite}: {r.shared} of {r.n} verdicts come of tests beside the program (shared trust)."
        for r in reports
        if r.shared
    ]
    notes = [*gone, *shared]
    return (
        "\n".join([*head, *rows, *family_head, *families, *([""] if notes else []), *notes]) + "\n"
    )


def report_plot(reports: Sequence[BenchmarkReport]) -> str:
    """Pass@1 of every family of every suite with its interval, as Markdown with one image."""
    bars = [
        Bar(f"{report.suite}: {family}", row["pass_at_1"], *row["interval"])
        for report in reports
        for family, row in report.by_family.items()
        if row["interval"]
    ]
    return (
        rate_bars(bars, f"Pass@1 of {reports[0].stage}, 95 % intervals")
        if bars
        else "Nothing was scored."
    )
