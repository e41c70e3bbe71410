"""A new project's folder: recipes, Dagster's files, a README, and what git leaves out.

What this module does not do: read the user's data (``cli.init`` asks the readers of rows), or make
anything in a folder that is a project already.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import BadInput
from .home import Home, shipped

_IGNORED = ".venv/\n__pycache__/\ndata/runs/\ndata/state/\n"
_README = """# {name}

A [sentinel_pipeline](https://pypi.org/project/sentinel-pipeline/) project.

    sentinel plan {recipe}     # what a run takes: steps, memory, hours, refusals
    sentinel run {recipe}      # the whole loop, with its gates
    sentinel ui                # Dagster, review, chat and comparisons in a browser
    sentinel gate list {recipe}

Recipes are in `data/recipes`, suites of your own in `data/suites`, artifacts in `data/runs`.
"""


def write_project(folder: Path, recipes: dict[str, str], first: str) -> Home:
    """Write a project into a new or empty folder, or beside other files of one that is not a
    project yet.

    Args:
        recipes: the text of each recipe, by name.
        first: the recipe that the README's commands name.

    Raises:
        BadInput: the folder is a project already, or a file is in the way; nothing was written.
    """
    texts = {
        "README.md": _README.format(name=folder.resolve().name, recipe=first),
        ".gitignore": _IGNORED,
        **{f"data/recipes/{name}.toml": text for name, text in recipes.items()},
    }
    copies = {name: shipped() / name for name in ("workspace.yaml", "dagster.yaml")}
    copies["data/alerts.toml"] = shipped() / "data" / "alerts.toml"
    if folder.exists() and not folder.is_dir():
        raise BadInput("is not a folder.", file=folder, fix="Name a folder.")
    # A README or a .gitignore of the user's stays; anything else of that name is a project's.
    kept = {name for name in ("README.md", ".gitignore") if (folder / name).exists()}
    for name in [*texts, *copies]:
        if name not in kept and (folder / name).exists():
            raise BadInput(
                "is there already.",
                file=folder / name,
                fix="Name a folder that is not a project yet.",
            )
    for name, text in texts.items():
        if name not in kept:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name, source in copies.items():
        shutil.copyfile(source, folder / name)
    (folder / "data" / "suites").mkdir(exist_ok=True)
    return Home(folder.resolve())
