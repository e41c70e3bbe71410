"""Where everything is: one frozen map of the project's folders.

What it does not do: create anything, or read a setting other than ``SENTINEL_HOME`` and
``XDG_DATA_HOME``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import BadInput, SentinelError, did_you_mean
from ..records.printable import is_recipe_name
from ..records.recipe import Recipe, load_recipe


class Recipes(NamedTuple):
    """Every recipe file: those that are valid, and what is wrong with the others, by name."""

    valid: dict[str, Recipe]
    broken: dict[str, str]


@dataclass(frozen=True, slots=True)
class Home:
    """The project's root and the folders under it."""

    root: Path

    @property
    def recipes(self) -> Path:
        """The project's recipes; those that come with the package where it has no folder of its
        own."""
        return self._own_or_shipped("data", "recipes")

    @property
    def scaled(self) -> Path:
        """Recipes that ``--scale`` made of others."""
        return self.state / "scaled"

    def recipe_file(self, name: str) -> Path:
        """Where a recipe is written: among the project's own, else among those that ``--scale``
        made."""
        shrunk = self.scaled / f"{name}.toml"
        own = self.recipes / f"{name}.toml"
        return shrunk if shrunk.is_file() and not own.is_file() else own

    @property
    def suites(self) -> Path:
        return self.root / "data" / "suites"

    @property
    def answers(self) -> Path:
        """Answers that models gave before; may be deleted at any time."""
        return self.state / "answers"

    @property
    def converted(self) -> Path:
        """Weights that were converted, or given another template; may be deleted at any time, and
        are made again by ``base_checkpoint``."""
        return self.state / "converted"

    @property
    def canaries(self) -> Path:
        """Known-bad and right answers that the scorers are examined on."""
        return self._own_or_shipped("data", "canaries")

    def suite_file(self, name: str, data: Mapping[str, str] | None = None) -> Path | None:
        """Where ``data`` says that a suite's file is, relative to the root; else
        ``data/suites/NAME.jsonl``, or None."""
        if data and name in data:
            return self.root / Path(data[name]).expanduser()
        path = self.suites / f"{name}.jsonl"
        return path if path.is_file() else None

    @property
    def runs(self) -> Path:
        """Generated artifacts, immutable once written."""
        return self.root / "data" / "runs"

    @property
    def state(self) -> Path:
        """State with writers: ledger, locks, caches, Dagster's own storage."""
        return self.root / "data" / "state"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.sqlite"

    @property
    def review(self) -> Path:
        """The review queue, where ``SENTINEL_DATABASE_URL`` does not name another database."""
        return self.state / "review.sqlite"

    @property
    def label_cache(self) -> Path:
        return self.state / "labels.sqlite"

    @property
    def alert_rules(self) -> Path:
        return self._own_or_shipped("data", "alerts.toml")

    @property
    def workspace(self) -> Path:
        """What Dagster's processes load."""
        return self._own_or_shipped("workspace.yaml")

    @property
    def dagster_settings(self) -> Path:
        return self._own_or_shipped("dagster.yaml")

    def _own_or_shipped(self, *parts: str) -> Path:
        own = self.root.joinpath(*parts)
        return own if own.exists() else shipped().joinpath(*parts)

    @property
    def outbox(self) -> Path:
        return self.state / "outbox.sqlite"

    @property
    def digests(self) -> Path:
        """What each night came to, a Markdown and a JSON file a day."""
        return self.state / "digests"

    @property
    def device_lock(self) -> Path:
        return self.state / "device.lock"

    @property
    def dagster(self) -> Path:
        """Dagster's home when ``DAGSTER_HOME`` is not set."""
        return self.state / "dagster"

    def recipe_names(self) -> list[str]:
        """Of the files whose name is one of a recipe: it becomes a folder and an address."""
        return [name for name in self._recipe_files() if is_recipe_name(name)]

    def _recipe_files(self) -> list[str]:
        folders = (self.recipes, self.scaled)
        return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})

    def every_recipe(self) -> Recipes:
        """Load all of them; a broken file stops nobody who asks for the others."""
        recipes = Recipes({}, {})
        for name in self._recipe_files():
            try:
                recipes.valid[name] = load_recipe(self.recipe_file(name))
            except SentinelError as error:
                recipes.broken[name] = str(error)
        return recipes

    def recipe(self, name: str) -> Recipe:
        """Load ``data/recipes/NAME.toml``.

        Raises:
            BadInput: no such recipe (with the nearest name), or an invalid one.
        """
        if name not in self.recipe_names():
            problem = f"no recipe {name!r} in {self.recipes}."
            raise BadInput(problem, fix=did_you_mean(name, self.recipe_names()))
        return load_recipe(self.recipe_file(name))


def shipped() -> Path:
    """The folder of the files that come with the package, laid out like a project: the wheel's own,
    or a checkout."""
    inside = Path(__file__).resolve().parents[1] / "shipped"
    return inside if inside.is_dir() else inside.parents[1]


def find_home() -> Home:
    """``SENTINEL_HOME``, else the nearest folder upwards that holds ``workspace.yaml`` and
    ``data/recipes``, else the checkout; of an installed package, a folder of the user's data
    (``XDG_DATA_HOME``).

    Raises:
        BadInput: ``SENTINEL_HOME`` names no folder.
    """
    named = os.environ.get("SENTINEL_HOME")
    if named:
        if not Path(named).is_dir():
            problem = f"SENTINEL_HOME is not a folder: {named!r}."
            raise BadInput(problem, fix="Unset it or make the folder.")
        return Home(Path(named).resolve())
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "workspace.yaml").is_file() and (folder / "data" / "recipes").is_dir():
            return Home(folder)
    files = shipped()
    if files.name != "shipped":
        return Home(files)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Home(Path(data) / "sentinel_pipeline")
