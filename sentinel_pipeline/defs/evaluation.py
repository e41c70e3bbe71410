"""Group ``evaluation``: what each checkpoint can do, and whether it is better than the one before."""

from ..bench.compare import SuiteComparison, compare_suites, comparison_to_json, stage_pairs
from ..bench.compare_text import (
    comparison_markdown,
    comparison_page,
    comparison_plot,
    suites_to_json,
)
from ..bench.report import report_from_json
from ..bench.rescore import cutting_scorer
from ..bench.samples import read_samples
from ..records.stages import REPORT_STAGES, TRAINING_STAGES, report_of
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
    """Each checkpoint against the one before and the last against the first, on the same items: paired differences with
    intervals, what may explain them, and every flip side by side."""
    reports = {name: stage.parent(report_of(name)) for name in stage.recipe.reported}
    bank, suites = stage.parent("task_bank"), stage.recipe.bench.suites
    samples = {
        name: {suite: read_samples(made, suite) for suite in suites}
        for name, made in reports.items()
    }
    pairs = stage_pairs(list(reports))
    by_pair = {
        pair: compare_suites(
            *(samples[name] for name in pair),
            from_stage=pair[0],
            to_stage=pair[1],
            rescore=lambda suite: cutting_scorer(bank.path(f"suites/{suite}.parquet")),
        )
        for pair in pairs
    }
    found = [one for suites_of in by_pair.values() for one in suites_of.values()]
    rates = [
        report_from_json(made.json(f"{suite}/report.json"))
        for made in reports.values()
        for suite in suites
    ]
    with stage.making(bank, *reports.values()) as out:
        out.json("comparison.json", [comparison_to_json(one.summary) for one in found])
        out.json(
            "suites.json",
            {f"{a}-{b}": suites_to_json(by_suite) for (a, b), by_suite in by_pair.items()},
        )
        out.jsonl(
            "flips.jsonl",
            ({**_where(one), **flip._asdict()} for one in found for flip in one.flips),
        )
        out.text(
            "comparison.html",
            comparison_page(f"{stage.recipe.name}: {' → '.join(reports)}", found, rates),
        )
        last = by_pair[pairs[-1]].values()
        out.metrics |= {f"gain_{one.summary.suite}": one.summary.difference for one in last}
        out.metrics |= {f"p_{one.summary.suite}": one.summary.p for one in last}
    stage.show("comparison", comparison_markdown(found))
    stage.show("plot", comparison_plot(found))


def _where(one: SuiteComparison) -> dict[str, str]:
    return {"from": one.summary.from_stage, "to": one.summary.to_stage, "suite": one.summary.suite}
