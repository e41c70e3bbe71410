"""The option ``--scale``: a recipe shrunk by the rules of ``records.scaled``, with what is on this
machine.

The shrunk recipe is written to ``data/state/scaled``, never among the project's own, and has its
own name there, so that everything that takes a recipe takes it. What this module does not do: run
it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
from ..records.recipe import Recipe, load_recipe
from ..records.scaled import Scaled, scaled_name, shrink
from ..records.toml import read_toml
from ..store import Home, atomic_write

LARGEST_FILE = 5_000_000
"""Bytes of a file of rows that a run at a small scale still reads."""


class Scale(StrEnum):
    """How far a recipe is shrunk."""

    tiny = "tiny"


ScaleOption = Annotated[
    Scale | None,
    typer.Option(
        help="Shrink the recipe to the embedded model, as RECIPE-tiny: the same stages, suites, "
        "gates and checks in small numbers; never released."
    ),
]


def scaled_recipe(home: Home, name: str, scale: Scale) -> tuple[Recipe, Scaled]:
    """The recipe at a scale, in memory.

    Raises:
        BadInput: no such recipe, an invalid one, or one that is shrunk already.
    """
    recipe = home.recipe(name)
    if recipe.scaled_from:
        fix = f"Shrink the recipe that it was made of: {recipe.scaled_from}."
        raise BadInput(f"{name} is shrunk already.", field="--scale", fix=fix)
    text, scaled = _text(home, recipe, scale)
    with tempfile.TemporaryDirectory(prefix="sentinel-scale-") as folder:
        path = Path(folder) / f"{scaled_name(name, scale)}.toml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path), scaled


def write_scaled(home: Home, name: str, scale: Scale) -> tuple[Recipe, Scaled]:
    """The recipe at a scale, kept where ``Home.recipe`` finds it by its name.

    Raises:
        BadInput: see ``scaled_recipe``; or the project has a recipe of that name.
    """
    recipe, scaled = scaled_recipe(home, name, scale)
    own = home.recipes / f"{recipe.name}.toml"
    if own.is_file():
        problem = "the project has a recipe of that name."
        raise BadInput(problem, file=own, field="--scale", fix="Rename it.")
    path = home.scaled / f"{recipe.name}.toml"
    with atomic_write(path) as stream:
        stream.write(_text(home, home.recipe(name), scale)[0])
    return recipe, scaled


def _text(home: Home, recipe: Recipe, scale: Scale) -> tuple[str, Scaled]:
    import tomlkit

    data = read_toml(home.recipe_file(recipe.name))
    scaled = shrink(data, recipe.name, {*_absent(home, recipe)})
    head = f"# {recipe.name} at scale {scale}. Made by the command; changes here are lost.\n"
    return head + tomlkit.dumps(scaled.data), scaled


def _absent(home: Home, recipe: Recipe) -> Iterator[str]:
    """Suites, files and folders that the recipe names and this machine lacks, and files that are
    too large for a rehearsal."""
    from ..records.present_suites import is_present
    from ..tasks.suites import GENERATED, PUBLIC

    for name in recipe.bench.suites:
        file = home.suite_file(name, recipe.bench.data)
        if name in ("heldout", "fresh") or name in GENERATED:
            continue
        if name in PUBLIC and (file is None or not file.is_file()):
            if not is_present(PUBLIC[name].file):
                yield name
        elif file is None or not file.is_file():
            yield name
    paths = [*recipe.candidates.files]
    for source in recipe.tasks.source:
        paths += [str(place) for place in source.places.values()]
    for text in paths:
        path = home.root / Path(text).expanduser()
        if not path.exists() or (path.is_file() and path.stat().st_size > LARGEST_FILE):
            yield text
