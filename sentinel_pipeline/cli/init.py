"""``sentinel init``: a project of one's own, for an installed package."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
from ..store.home import shipped
from ..store.new_project import write_project
from .console import AsJson, emit, say


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one that is not a project yet.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Your rows or tasks, a file that label reads: a recipe is written for it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a project into FOLDER: recipes, Dagster's files, a README.

    With --data the file is copied into the project, and a short recipe over it is written: all
    stages where its rows can be scored, SFT alone where they cannot. Every command works in the
    project; artifacts and state stay in it.

    Examples:

        sentinel init my-project

        sentinel init my-project --data rows.jsonl
    """
    recipes = {"tiny": (shipped() / "data" / "recipes" / "tiny.toml").read_text(encoding="utf-8")}
    first = "tiny"
    if data is not None:
        from ..task_sources.first_recipe import first_recipe

        if not data.is_file():
            fix = "Name a file; folders and data sets are named in the recipe (docs/tasks.md)."
            raise BadInput("is not a file.", file=data, field="--data", fix=fix)
        first = (
            re.sub(r"[^a-z0-9-]+", "-", data.name.split(".")[0].lower()).strip("-")[:60] or "mine"
        )
        if first == "tiny":
            first = "mine"
        with tempfile.TemporaryDirectory(prefix="sentinel-init-") as scratch:
            # Read where it will lie, before anything is written into the folder.
            copy = Path(scratch) / "data" / data.name
            copy.parent.mkdir()
            copy.symlink_to(data.resolve())
            recipes[first] = first_recipe(Path(scratch), f"data/{data.name}")
    home = write_project(folder, recipes, first)
    if data is not None:
        shutil.copyfile(data, home.root / "data" / data.name)
    say(f"{home.root} is a project. Next: cd {folder} && sentinel plan {first}")
    if as_json:
        emit({"folder": str(home.root), "recipes": home.recipe_names(), "first": first})
