"""The leaderboard: every report of every recipe and night, side by side. A view over what is kept;
it judges nothing."""

from ..bench.leaderboard import leaderboard_markdown, leaderboard_plot, standings
from ..store.marks import hidden
from .stage import Stage, current_scorer_version, recipe_asset


@recipe_asset(group="evaluation", rooms=["bench"], deps=["comparison"], kinds={"python"})
def leaderboard(stage: Stage) -> None:
    """All checkpoints of all recipes and nights on each suite, with the newest scores marked and
    stale ones labelled. Archived and superseded reports are left out."""
    rows = standings(stage.home.runs, current_scorer_version(), hidden(stage.home))
    with stage.making(stage.parent("comparison")) as out:
        out.json("leaderboard.json", [row._asdict() for row in rows])
        out.metrics["reports"] = len(rows)
    stage.show("leaderboard", leaderboard_markdown(rows))
    stage.show("plot", leaderboard_plot(rows, stage.recipe.name))
