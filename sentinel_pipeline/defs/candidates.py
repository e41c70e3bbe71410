"""Group ``candidates``: raw material from every source that the recipe names."""

from dataclasses import asdict

from ..records import Quarantined, Task
from ..store import read_parquet
from .stage import Stage, recipe_asset


@recipe_asset(group="candidates", rooms=["candidates"], deps=["task_bank"], kinds={"python", "parquet"})
def raw_candidates(stage: Stage) -> None:
    """References, corrupted variants, files and hub datasets, as they are; rows that cannot be read are quarantined."""
    from ..candidates.raw import raw_candidates as read

    bank = stage.parent("task_bank")
    tasks = (Task.from_row(row) for row in read_parquet(bank.path("train.parquet")))
    with (
        stage.making(bank) as out,
        out.writer("candidates.parquet", "candidates") as good,
        out.writer("quarantine.parquet", "quarantine") as bad,
    ):
        for row in read(tasks, stage.recipe.candidates, stage.recipe.seed, root=stage.home.root):
            if isinstance(row, Quarantined):
                bad.append(asdict(row))
            else:
                good.append(row.to_row())
        out.metrics |= {"candidates": good.rows, "quarantined": bad.rows}
