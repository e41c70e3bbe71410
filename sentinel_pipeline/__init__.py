"""A closed post-training loop on Dagster assets whose verdicts can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .frames import RecipeFrames

__version__ = "0.2.0"


def load(recipe: str, project: str | Path | None = None) -> RecipeFrames:
    """Reports, samples, labels and mix of a recipe as pandas frames: see ``frames``."""
    from .frames import load as load_frames

    return load_frames(recipe, project)
