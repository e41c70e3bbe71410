"""The training pages: curves of one recipe's runs laid over each other, live and after; the
leaderboard over recipes and nights; costs.

    /training?marked=1
    /training/RECIPE?run=RECIPE/RUN&run=...

Read from artifacts and, of a run that goes on, from its draft; names from the address reach no
path. What this module does not do: decide anything; the lines in a chart are the gates'.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..bench.leaderboard import Standing, standing_of
from ..critic.version import scorer_version
from ..pages.curves import STAGES, costs_of, runs_of, stage_charts
from ..pages.results import recipe_of
from ..rates import with_interval
from ..review.importing import plain
from ..store import Home
from ..store.marks import hidden
from .login import Endpoint

OVERLAID = 4
"""Runs that are laid over each other unless the address names some."""
MOST_RUNS = 30
"""Runs that are offered."""
STANDINGS = 200
"""Rows of the leaderboard that are shown, the best of each suite first."""


def training_routes(home: Home, templates: Environment) -> list[Route]:
    return [
        Route("/training", _overview(home, templates)),
        Route("/training/{recipe}", _curves(home, templates)),
    ]


def standings_now(home: Home, left_out: Container[str] = ()) -> list[Standing]:
    """The leaderboard as it is now, without the artifacts ``left_out`` (``RECIPE/ASSET/RUN_ID``); a
    report that was read once is not read again: artifacts are immutable."""
    version = scorer_version()
    rows = [
        row
        for path in home.runs.glob("*/*_report/*/*/report.json")
        if not path.parents[1].name.startswith(".")
        and path.parents[1].relative_to(home.runs).as_posix() not in left_out
        and (row := _standing(path, version)) is not None
    ]
    return sorted(
        rows, key=lambda row: (row.suite, -(row.pass_at_1 or -1.0), row.recipe, row.created_at)
    )


@lru_cache(maxsize=1 << 13)
def _standing(path: Path, version: str) -> Standing | None:
    return standing_of(path, version)


def _trained(home: Home) -> list[str]:
    """Recipes with a run that trained something."""
    names = home.recipe_names()
    return [name for name in names if (home.runs / name).is_dir() and runs_of(home, name)]


def overview(home: Home, *, marked: bool = False) -> dict[str, Any]:
    """What the page shows; ``marked``: with archived and superseded reports."""
    recipes = []
    for name in _trained(home):
        run = runs_of(home, name)[0]
        recipe = recipe_of(home, name)
        costs = costs_of(home, run, recipe) if recipe is not None else []
        recipes.append(
            {
                "name": name,
                "run": run,
                "runs": len(runs_of(home, name)),
                "stages": list(run.folders),
                "hours": sum(row["device_s"] for row in costs) / 3600,
                "tokens": sum(row["tokens"] for row in costs),
                "money": sum(row["cost"] for row in costs),
                "currency": recipe.budget.currency if recipe is not None else "",
                "priced": recipe is not None and recipe.budget.hourly_rate > 0,
            }
        )
    recipes.sort(key=lambda entry: entry["run"].at, reverse=True)
    left_out = hidden(home)
    rows = standings_now(home, () if marked else left_out)
    return {
        "recipes": recipes,
        "standings": [
            row._asdict()
            | {
                "rate": with_interval(row.pass_at_1, row.interval),
                "marked": f"{row.recipe}/{row.stage}_report/{row.run_id}" in left_out,
            }
            for row in rows[:STANDINGS]
        ],
        "more": max(0, len(rows) - STANDINGS),
        "marked": marked,
        "left_out": sum("_report/" in name for name in left_out),
        "live": any(entry["run"].live for entry in recipes),
    }


def curves_page(home: Home, name: str, chosen: Sequence[str]) -> dict[str, Any] | None:
    """None where the recipe trained nothing."""
    recipe = recipe_of(home, name)
    own = runs_of(home, name) if recipe is not None else []
    if recipe is None or not own:
        return None
    offered = own[:MOST_RUNS]
    for other in _trained(home):
        if other != name:
            offered += runs_of(home, other)[:3]
    by_key = {run.key: run for run in offered}
    shown = [by_key[key] for key in dict.fromkeys(chosen) if key in by_key] or own[:OVERLAID]
    coloured = list(enumerate(shown))
    stages = {
        stage: charts for stage in STAGES if (charts := stage_charts(stage, coloured, recipe))
    }
    costs = costs_of(home, shown[0], recipe_of(home, shown[0].recipe) or recipe)
    return {
        "recipe": name,
        "offered": offered,
        "shown": {run.key: colour for colour, run in coloured},
        "runs": shown,
        "stages": stages,
        "costs": costs,
        "budget": recipe.budget,
        "live": any(run.live for run in own),
    }


def _overview(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        marked = request.query_params.get("marked") == "1"
        values = await run_in_threadpool(overview, home, marked=marked)
        return HTMLResponse(plain(templates.get_template("training.html").render(**values)))

    return endpoint


def _curves(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        name = request.path_params["recipe"]
        chosen = request.query_params.getlist("run")[:8]
        values = None
        if name in await run_in_threadpool(home.recipe_names):
            values = await run_in_threadpool(curves_page, home, name, chosen)
        if values is None:
            return PlainTextResponse("That recipe has trained nothing yet.", 404)
        return HTMLResponse(plain(templates.get_template("curves.html").render(**values)))

    return endpoint
