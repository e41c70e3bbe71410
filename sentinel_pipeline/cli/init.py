"""``sentinel init``: a project of one's own, for an installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..store.home import shipped
from ..store.new_project import write_project
from .console import AsJson, emit, say


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one that is not a project yet.")],
    as_json: AsJson = False,
) -> None:
    """Write a project into FOLDER: recipes, Dagster's files, a README.

    Every command works in it; artifacts and state stay in it.

    Example:

        sentinel init my-project
    """
    tiny = (shipped() / "data" / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    home = write_project(folder, {"tiny": tiny}, "tiny")
    say(f"{home.root} is a project. Next: cd {folder} && sentinel plan tiny")
    if as_json:
        emit({"folder": str(home.root), "recipes": home.recipe_names()})
