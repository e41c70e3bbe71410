"""Group ``evaluation``: what each checkpoint can do, and whether it is better than the one before."""

from ..bench.compare import STAGES, compare_reports, comparison_markdown, comparison_to_json
from .answering import report_asset
from .stage import Stage, recipe_asset

sft_report = report_asset(
    "sft",
    group="evaluation",
    description="The fine-tuned model's answers to every suite, scored as the base model's were.",
)
dpo_report = report_asset(
    "dpo",
    group="evaluation",
    description="The preference-optimised model's answers to every suite, scored as those before it were.",
)


@recipe_asset(
    group="evaluation",
    rooms=["bench", "gates"],
    deps=[f"{name}_report" for name in STAGES],
    kinds={"python"},
)
def comparison(stage: Stage) -> None:
    """Each stage against the one before, on the same items: paired difference, interval, exact McNemar, and every flip."""
    reports = {name: stage.parent(f"{name}_report") for name in STAGES}
    found = compare_reports(reports, stage.recipe.bench.suites)
    summaries = [summary for summary, _ in found]
    with stage.making(*reports.values()) as out:
        out.json("comparison.json", [comparison_to_json(summary) for summary in summaries])
        out.jsonl(
            "flips.jsonl",
            (
                {"to": summary.to_stage, "suite": summary.suite, **flip._asdict()}
                for summary, flips in found
                for flip in flips
            ),
        )
        for s in summaries:
            out.metrics |= {f"gain_{s.to_stage}_{s.suite}": s.difference, f"p_{s.to_stage}_{s.suite}": s.p}
    stage.show("comparison", comparison_markdown(summaries))
