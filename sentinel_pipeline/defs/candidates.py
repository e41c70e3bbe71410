"""Group ``candidates``: raw material from every source that the recipe names."""

from dataclasses import asdict

from ..records import Quarantined, Task
from ..store import read_parquet
from .stage import Stage, recipe_asset


@recipe_asset(
    group="candidates", rooms=["candidates"], deps=["task_bank", "human_corrections"], kinds={"python", "parquet"}
)
def raw_candidates(stage: Stage) -> None:
    """References, corrupted variants, files, hub data, human corrections, as they are; unreadable rows are quarantined."""
    from ..candidates.raw import raw_candidates as read

    bank, human = stage.parent("task_bank"), stage.parent("human_corrections")
    tasks = (Task.from_row(row) for row in read_parquet(bank.path("train.parquet")))
    with (
        stage.making(bank, human) as out,
        out.writer("candidates.parquet", "candidates") as good,
        out.writer("quarantine.parquet", "quarantine") as bad,
    ):
        for row in read(tasks, stage.recipe.candidates, stage.recipe.seed, root=stage.home.root):
            if isinstance(row, Quarantined):
                bad.append(asdict(row))
            else:
                good.append(row.to_row())
        for correction in read_parquet(human.path("candidates.parquet")):
            good.append(correction)
        out.metrics |= {"candidates": good.rows, "quarantined": bad.rows}
