"""``RECIPE/STAGE``, the address of what a recipe has trained: ``tiny/sft``, or ``tiny`` for the
last stage that there is.

Every verb that takes a model reads its address here first, so that the same words mean the same
thing everywhere. What this module does not do: know folders, the hub or servers
(``generation.targets`` does), or read what an address leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ..errors import BadInput, did_you_mean
from ..records.stages import REPORT_STAGES
from .home import Home
from .skipped import SKIPPED

STAGE_FORMS = "RECIPE/STAGE (tiny/sft), or RECIPE for its last stage"
"""What the address of something trained here may be, as help and errors list it."""
LOCAL_FORMS = f"{STAGE_FORMS}, ./FOLDER, ./FILE.gguf, package:NAME, ORG/NAME[@REVISION] of the hub"
"""What the address of weights may be."""
FORMS = f"{LOCAL_FORMS}, http://HOST:PORT/v1#MODEL of a server"
"""What the address of a model may be."""


class StageAddress(NamedTuple):
    """A stage of a recipe; as text ``RECIPE/STAGE``."""

    recipe: str
    stage: str

    def __str__(self) -> str:
        return f"{self.recipe}/{self.stage}"


def split_address(home: Home, text: str) -> tuple[str, str | None] | None:
    """Recipe and stage of ``RECIPE/STAGE``, ``RECIPE:STAGE`` or ``RECIPE``; None where no recipe
    has that name.

    The name of an asset counts as its stage: ``tiny/sft_report`` is ``tiny/sft``. A folder that is
    named like a recipe is ``./NAME``.
    """
    recipe, _, stage = text.replace(":", "/", 1).partition("/")
    if recipe not in home.recipe_names():
        return None
    stage = stage.rstrip("/").removesuffix("_checkpoint").removesuffix("_report")
    return recipe, stage or None


def recipe_address(home: Home, text: str) -> tuple[str, str | None]:
    """Recipe and stage of an address that must be a recipe's, for the verbs that read recipes.

    Raises:
        BadInput: no such recipe, or no such stage; each with the nearest name.
    """
    parts = split_address(home, text)
    if parts is None:
        names = home.recipe_names()
        wrong = text.replace(":", "/", 1).partition("/")[0]
        raise BadInput(f"no recipe {wrong!r} in {home.recipes}.", fix=did_you_mean(wrong, names))
    recipe, stage = parts
    if stage is not None and stage not in REPORT_STAGES:
        addresses = [f"{recipe}/{each}" for each in REPORT_STAGES]
        raise BadInput(
            f"unknown stage {stage!r}.", fix=did_you_mean(f"{recipe}/{stage}", addresses)
        )
    return recipe, stage


def finished_stages(
    home: Home, recipe: str, kind: Literal["checkpoint", "report"] = "checkpoint"
) -> list[str]:
    """Stages of a recipe that have a checkpoint (or a report): those of the chain in its order,
    then the others."""
    stages = [
        path.parent.name.removesuffix(f"_{kind}")
        for path in (home.runs / recipe).glob(f"*_{kind}/current")
        if not (path.parent / path.read_text(encoding="utf-8").strip() / SKIPPED).is_file()
    ]
    return [stage for stage in REPORT_STAGES if stage in stages] + sorted(
        {*stages} - {*REPORT_STAGES}
    )


def find_stage(
    home: Home,
    text: str,
    kind: Literal["checkpoint", "report"] = "checkpoint",
    defaults: Sequence[str] = REPORT_STAGES,
) -> StageAddress | None:
    """The finished stage that ``text`` names; None where ``text`` does not begin with a recipe's
    name.

    Args:
        defaults: stages that a recipe's name alone may mean; the last finished one is taken.

    Raises:
        BadInput: the recipe has no such stage yet; lists those that it has.
    """
    parts = split_address(home, text)
    if parts is None:
        return None
    recipe, stage = parts
    finished = finished_stages(home, recipe, kind)
    if stage is None:
        stage = next((each for each in reversed(finished) if each in defaults), None)
        if stage is None:
            raise BadInput(
                f"{recipe} has no {kind} yet.", fix=f"Run it first: sentinel run {recipe}."
            )
    if stage not in finished:
        addresses = [f"{recipe}/{each}" for each in finished]
        fix = f"Run it first: sentinel run {recipe}."
        if finished:
            fix = did_you_mean(f"{recipe}/{stage}", addresses)
        raise BadInput(f"recipe {recipe} has no {kind} of stage {stage!r}.", fix=fix)
    return StageAddress(recipe, stage)
