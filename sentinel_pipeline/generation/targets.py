"""Which model a benchmark asks: a recipe's stage, a local folder, a hub model, or a model behind a server; with its hash.

What this module does not do: load anything. The hash of a served model is that of its address and name: what stands behind them can
change without a sign, so its answers are no evidence about weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, did_you_mean
from ..records.model_spec import ModelSpec
from ..store import Home, Store
from ..worker.models import files_hash, model_folder, resolve_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to ask. ``folder`` is None for a served model; ``heldout`` is the task bank's suite of a recipe's stage."""

    name: str
    model_hash: str
    folder: Path | None = None
    heldout: Path | None = None

    @property
    def slug(self) -> str:
        """A folder's name: of the model's name, with a piece of its hash."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self.name).strip("-.")
        return f"{name[-60:]}-{self.model_hash[:8]}"


def served(base_url: str, model: str) -> Target:
    text = json.dumps([base_url.rstrip("/"), model])
    return Target(name=model, model_hash=hashlib.sha256(text.encode()).hexdigest())


def find_target(home: Home, model: str) -> Target:
    """The model of a name: ``RECIPE/STAGE`` or ``RECIPE:STAGE`` (``tiny/sft``), else a folder, else the hub's.

    Raises:
        BadInput: the recipe has no such stage yet, the folder holds no model, or the hub knows none of that name.
        Infrastructure: the hub cannot be reached.
    """
    recipe, _, stage = model.replace(":", "/", 1).partition("/")
    if stage and recipe in home.recipe_names() and not Path(model).is_dir():
        return _of_stage(Store.reading(home, recipe), recipe, stage)
    hub_model = resolve_model(ModelSpec(source=model))
    name = Path(model).name if Path(model).is_dir() else model
    return Target(name=name, model_hash=files_hash(hub_model), folder=Path(hub_model["folder"]))


def _of_stage(store: Store, recipe: str, stage: str) -> Target:
    checkpoint = store.find(f"{stage}_checkpoint")
    if checkpoint is None:
        folder = store.home.runs / recipe
        checkpoints = sorted(
            path.parent.name.removesuffix("_checkpoint")
            for path in folder.glob("*_checkpoint/current")
        )
        hint = f"Run it first: sentinel run {recipe}."
        if checkpoints:
            hint = did_you_mean(stage, checkpoints)
        raise BadInput(f"recipe {recipe} has no checkpoint of stage {stage!r}.", fix=hint)
    bank = store.find("task_bank")
    heldout = bank.folder / "suites" / "heldout.parquet" if bank else None
    return Target(
        name=f"{recipe}/{stage}",
        model_hash=checkpoint.hash,
        folder=model_folder(checkpoint),
        heldout=heldout if heldout and heldout.is_file() else None,
    )
