"""Group ``evaluation``: what each checkpoint can do, and whether it is better than the one
before."""

from ..bench.compare import (
    SuiteComparison,
    compare_suites,
    comparison_line,
    comparison_to_json,
    no_gain,
    refuse_unlike,
    stage_pairs,
)
from ..bench.compare_text import (
    comparison_markdown,
    comparison_page,
    comparison_plot,
    suites_to_json,
)
from ..bench.report import report_from_json
from ..bench.rescore import cutting_scorer
from ..bench.samples import read_samples
from ..phases import skipped_suites
from ..records.stages import REPORT_STAGES, TRAINING_STAGES, report_of
from ..store import skipped_reason
from .report_assets import report_asset
from .stage import Stage, recipe_asset

REPORTS = [
    report_asset(trained.name, group=trained.name, description=trained.report_description)
    for trained in TRAINING_STAGES
]
"""The report of each training stage, in the group of its stage."""


@recipe_asset(
    group="evaluation",
    rooms=["bench", "gates"],
    deps=["task_bank", *map(report_of, REPORT_STAGES)],
    kinds={"python"},
)
def comparison(stage: Stage) -> None:
    """Each checkpoint against the one before and the last against the first, on the same items:
    paired differences with intervals, what may explain them, and every flip side by side."""
    made = {name: stage.parent(report_of(name)) for name in stage.recipe.reported}
    # What the budget did not suffice for is not compared.
    reports = {name: report for name, report in made.items() if not skipped_reason(report)}
    if len(reports) < 2:
        stage.skip("there is one report alone: nothing to compare it with", *made.values())
        return
    bank = stage.parent("task_bank")
    suites = [
        suite
        for suite in stage.recipe.bench.suites
        if not any(suite in skipped_suites(stage.store, report_of(name)) for name in reports)
    ]
    samples = {
        name: {suite: read_samples(report, suite) for suite in suites}
        for name, report in reports.items()
    }
    pairs = stage_pairs(list(reports))
    for before, after in pairs:
        refuse_unlike(reports[before], reports[after], suites)
    by_pair = {
        pair: compare_suites(
            *(samples[name] for name in pair),
            from_stage=pair[0],
            to_stage=pair[1],
            rescore=lambda suite: cutting_scorer(bank.path(f"suites/{suite}.parquet")),
        )
        for pair in pairs
    }
    comparisons = [
        comparison_of_suite
        for suites_of in by_pair.values()
        for comparison_of_suite in suites_of.values()
    ]
    rates = [
        report_from_json(report.json(f"{suite}/report.json"))
        for report in reports.values()
        for suite in suites
    ]
    with stage.making(bank, *reports.values()) as out:
        out.json(
            "comparison.json",
            [comparison_to_json(comparison.summary) for comparison in comparisons],
        )
        out.json(
            "suites.json",
            {f"{a}-{b}": suites_to_json(by_suite) for (a, b), by_suite in by_pair.items()},
        )
        out.jsonl(
            "flips.jsonl",
            (
                {**_where(comparison), **flip._asdict()}
                for comparison in comparisons
                for flip in comparison.flips
            ),
        )
        out.text(
            "comparison.html",
            comparison_page(f"{stage.recipe.name}: {' → '.join(reports)}", comparisons, rates),
        )
        last = by_pair[pairs[-1]].values()
        out.metrics |= {
            f"gain_{comparison.summary.suite}": comparison.summary.difference for comparison in last
        }
        out.metrics |= {
            f"p_{comparison.summary.suite}": comparison.summary.p for comparison in last
        }
    ends = [comparison_line(comparison_to_json(each.summary)) for each in last]
    stage.headline("  \n".join(ends))
    stage.show("comparison", comparison_markdown(comparisons))
    texts = no_gain([comparison_to_json(each.summary) for each in comparisons])
    if texts:
        stage.show("to try", "\n".join(f"- {row['text']}." for row in texts))
    stage.show("plot", comparison_plot(comparisons))


def _where(comparison: SuiteComparison) -> dict[str, str]:
    return {
        "from": comparison.summary.from_stage,
        "to": comparison.summary.to_stage,
        "suite": comparison.summary.suite,
    }
