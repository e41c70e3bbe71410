"""Where a recipe's base model is: a local folder, checked, or a hub model fetched at its revision.
Embedded ones are made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import BadInput, Infrastructure
from ..records.model_spec import ModelSpec
from ..store import Artifact, sha256_file
from ..store.artifacts import as_written


def model_folder(checkpoint: Artifact) -> Path:
    """The folder of a checkpoint's model: inside the artifact, or where it was resolved; its files
    are held against the hashes that the artifact names.

    Raises:
        Infrastructure: they are not those that were judged.
    """
    if (checkpoint.folder / "model.json").is_file():
        resolved = checkpoint.json("model.json")
        folder = Path(resolved["folder"])
        for name, sha256 in resolved["files"].items():
            if not as_written(folder / name, sha256):
                raise Infrastructure(
                    f"{folder / name} is not the file that {checkpoint.manifest.asset} was resolved "
                    f"to: rebuild {checkpoint.manifest.asset}."
                )
        return folder
    return checkpoint.path("model")


def model_source(base: Artifact) -> str:
    """The name of a recipe's base model, as reports give it: of the chosen one where several were
    probed."""
    if (base.folder / "model.json").is_file():
        return str(base.json("model.json")["source"])
    return "embedded"


def resolve_model(spec: ModelSpec) -> dict[str, Any]:
    """``{"source", "revision", "folder", "files": {name: sha256}}`` of a model that is not
    embedded.

    Raises:
        BadInput: the recipe asks for an embedded model, the folder holds no model, or the hub knows
            no such model.
        Infrastructure: the hub cannot be reached.
    """
    if spec.source == "embedded":
        raise BadInput("an embedded model is trained, not resolved.", field="model.source")
    folder = Path(spec.source).expanduser()
    if not folder.is_dir():
        folder = _fetch(spec)
    if not (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file():
        fix = "Name a Transformers folder."
        raise BadInput("holds no config.json.", file=folder, field="model.source", fix=fix)
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    return {
        "source": spec.source,
        "revision": spec.revision,
        "folder": str(folder.resolve()),
        "files": files,
    }


def files_hash(files: dict[str, Any]) -> str:
    """Identity of a resolved model: a hash over its files' names and hashes."""
    return hashlib.sha256(json.dumps(files["files"], sort_keys=True).encode()).hexdigest()


def _fetch(spec: ModelSpec) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
    try:
        return Path(snapshot_download(spec.source, revision=spec.revision, allow_patterns=patterns))
    except (RepositoryNotFoundError, HFValidationError) as error:
        problem = f"{spec.source!r} is neither a folder nor a model of the hub: {error}"
        raise BadInput(problem, field="model.source") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        fix = "Offline: fetch it where there is a network (hf download NAME --local-dir FOLDER) and name the folder."
        raise Infrastructure(
            f"{spec.source!r} could not be fetched from the hub: {error} {fix}"
        ) from error
