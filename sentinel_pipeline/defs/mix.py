"""Group ``mix``: decontamination against every suite, then seed 000's shares."""

from ..records import Candidate, Task
from ..store import Artefact, read_parquet
from .stage import Stage, recipe_asset


def suite_tasks(bank: Artefact) -> list[Task]:
    """Every item of every suite that the recipe answers."""
    paths = sorted((bank.folder / "suites").glob("*.parquet"))
    return [Task.from_row(row) for path in paths for row in read_parquet(path)]


@recipe_asset(group="mix", rooms=["mix"], deps=["accepted_set", "task_bank"], kinds={"python"})
def decontamination_report(stage: Stage) -> None:
    """Accepted rows that overlap an item of a suite the recipe is judged on: which, how, and of which item."""
    from ..mix.decontam import decontaminate

    accepted, bank = stage.parent("accepted_set"), stage.parent("task_bank")
    rows = (Candidate.from_row(row) for row in read_parquet(accepted.path("accepted.parquet")))
    report = decontaminate(rows, suite_tasks(bank))
    with stage.making(accepted, bank) as out:
        out.json("report.json", report.to_json())
        out.metrics |= {"rows": report.rows, "contaminated": len(report.hits)}
    stage.show("decontamination", report.to_markdown())


@recipe_asset(
    group="mix",
    rooms=["mix"],
    deps=["accepted_set", "repair_traces", "decontamination_report"],
    kinds={"python", "parquet"},
)
def rebalanced_mix(stage: Stage) -> None:
    """The training rows in seed 000's shares: no duplicates, no benchmark items, every shortfall said."""
    from ..mix.build import build_mix

    names = ("accepted_set", "repair_traces", "decontamination_report")
    accepted, repairs, clean = (stage.parent(name) for name in names)
    mix = build_mix(
        accepted.path("accepted.parquet"),
        repairs.path("repairs.parquet"),
        banned={hit["id"] for hit in clean.json("report.json")["hits"]},
        spec=stage.recipe.mix,
        seed=stage.recipe.seed,
    )
    with stage.making(accepted, repairs, clean) as out:
        out.metrics["rows"] = out.table("rows.parquet", (row.to_row() for row in mix.rows), "rows")
        out.jsonl("train.jsonl", (row.to_trl() for row in mix.rows))
        out.json("mix.json", mix.report.to_json())
    stage.show("mix", mix.report.to_markdown())
    stage.show("plot", mix.report.to_plot())
