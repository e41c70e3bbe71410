"""Which model an address means: a recipe's stage, a folder, a hub model or a model behind a server;
with the hash of its weights.

What this module does not do: load anything. The hash of a served model is that of its address and
name: what stands behind them can change without a sign, so its answers are not evidence about
weights.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, Infrastructure, did_you_mean
from ..records.model_spec import ModelSpec
from ..store import Artifact, Home, Store
from ..store.address import FORMS, StageAddress, find_stage, finished_stages
from ..worker.models import files_hash, model_folder, resolve_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The model that an address means."""

    name: str
    model_hash: str
    folder: Path | None = None
    """The Transformers folder; None for a served model."""
    checkpoint: Path | None = None
    """The folder that holds ``model/`` and perhaps ``adapter/``, where the model is a checkpoint of
    ours."""
    base_url: str | None = None
    """The server, with its version path, of a served model."""
    heldout: Path | None = None
    """The task bank's suite of a recipe's stage."""
    trust_remote_code: bool = False
    """Whether the recipe of the stage lets Python files that come with the model run."""

    @property
    def slug(self) -> str:
        """A folder's name: of the model's name, with a piece of its hash."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self.name).strip("-.")
        return f"{name[-60:]}-{self.model_hash[:8]}"


def served(base_url: str, model: str) -> Target:
    text = json.dumps([base_url.rstrip("/"), model])
    return Target(
        name=model, model_hash=hashlib.sha256(text.encode()).hexdigest(), base_url=base_url
    )


def find_target(home: Home, address: str) -> Target:
    """The model of an address, in any of its ``FORMS``. A recipe's name comes first; a folder of
    that name is ``./NAME``.

    Raises:
        BadInput: no such stage, folder or hub model; lists what an address may be, and the nearest
            that exists.
        Infrastructure: the hub cannot be reached.
    """
    if address.startswith(("http://", "https://")):
        base_url, _, model = address.partition("#")
        if not model:
            raise BadInput(
                f"{address} does not say which model.", fix=f"Add its name: {address}#MODEL."
            )
        return served(base_url, model)
    if (stage := find_stage(home, address)) is not None:
        return _of_stage(Store.reading(home, stage.recipe), stage)
    folder = Path(address).expanduser()
    if folder.is_dir():
        checkpoint = folder if (folder / "model").is_dir() else None
        resolved = resolve_model(
            ModelSpec(source=str(folder / "model" if checkpoint else folder)), home.converted
        )
        return Target(
            name=folder.name,
            model_hash=files_hash(resolved),
            folder=Path(resolved["folder"]),
            checkpoint=checkpoint,
        )
    source, _, revision = address.partition("@")
    try:
        resolved = resolve_model(
            ModelSpec(source=source, revision=revision or None), home.converted
        )
    except BadInput as error:
        raise BadInput(str(error), field="MODEL", fix=_hint(home, address)) from error
    except Infrastructure as error:
        raise Infrastructure(f"{error} {_hint(home, address)}") from error
    return Target(name=address, model_hash=files_hash(resolved), folder=Path(resolved["folder"]))


def _of_stage(store: Store, address: StageAddress) -> Target:
    checkpoint = store.get(f"{address.stage}_checkpoint")
    try:
        trusted = store.home.recipe(address.recipe).model.trust_remote_code
    except BadInput:
        trusted = False  # a recipe that cannot be read allows nothing; its models can be asked
    return Target(
        name=str(address),
        model_hash=checkpoint.hash,
        folder=model_folder(checkpoint),
        checkpoint=checkpoint.folder if (checkpoint.folder / "model").is_dir() else None,
        heldout=_heldout(store.find("task_bank")),
        trust_remote_code=trusted,
    )


def _heldout(bank: Artifact | None) -> Path | None:
    path = bank.folder / "suites" / "heldout.parquet" if bank else None
    return path if path and path.is_file() else None


def _hint(home: Home, address: str) -> str:
    """The nearest address that exists, and every form that an address may have."""
    addresses = [
        f"{recipe}/{stage}"
        for recipe in home.recipe_names()
        for stage in finished_stages(home, recipe)
    ]
    near = did_you_mean(address, addresses or home.recipe_names())
    return f"{near} A model is {FORMS}."
