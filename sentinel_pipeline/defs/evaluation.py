"""Group ``evaluation``: what each checkpoint can do, and whether it is better than the one before."""

from itertools import pairwise

from ..bench.compare import compare, comparison_markdown, comparison_to_json
from ..bench.samples import read_samples
from .answering import report_asset
from .stage import Stage, recipe_asset

sft_report = report_asset(
    "sft",
    group="evaluation",
    description="The fine-tuned model's answers to every suite, scored as the base model's were.",
)
STAGES = ("base", "sft")


@recipe_asset(group="evaluation", rooms=["bench", "gates"], deps=["base_report", "sft_report"], kinds={"python"})
def comparison(stage: Stage) -> None:
    """Base against SFT on the same items: paired difference, interval, exact McNemar, and every flip side by side."""
    reports = {name: stage.parent(f"{name}_report") for name in STAGES}
    found = [
        compare(
            *(read_samples(reports[name], suite) for name in pair), from_stage=pair[0], to_stage=pair[1], suite=suite
        )
        for pair in pairwise(STAGES)
        for suite in stage.recipe.bench.suites
    ]
    summaries = [summary for summary, _ in found]
    with stage.making(*reports.values()) as out:
        out.json("comparison.json", [comparison_to_json(summary) for summary in summaries])
        out.jsonl("flips.jsonl", (flip._asdict() for _, flips in found for flip in flips))
        out.metrics |= {f"gain_{s.suite}": s.difference for s in summaries} | {f"p_{s.suite}": s.p for s in summaries}
    stage.show("comparison", comparison_markdown(summaries))
