"""Where a recipe's base model is: found, fetched or converted (``weights``, ``convert``), and
identified by the hashes of its files. Embedded ones are made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadInput, Infrastructure
from ..records.model_spec import ModelSpec
from ..store import Artifact, sha256_file
from ..store.artifacts import as_written
from .convert import converted, is_ready
from .weights import locate


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


def resolve_model(
    spec: ModelSpec, cache: Path | None = None, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """``{"source", "revision", "commit", "kind", "folder", "files": {name: sha256}}`` of a model
    that is not embedded; ``commit`` is what a hub's revision came to, or a package's version.

    Args:
        cache: where converted weights are kept; weights that need it are refused without one.
        say: told of a conversion, which may take a minute.

    Raises:
        BadInput: the recipe asks for an embedded model, there are no such weights, or they cannot
            be used.
        Infrastructure: the hub cannot be reached, or a package that reads the weights is missing.
    """
    if spec.source == "embedded":
        raise BadInput("an embedded model is trained, not resolved.", field="model.source")
    located = locate(spec)
    assert located is not None
    folder = located.path
    if not is_ready(located, spec):
        if cache is None:
            problem = "these weights have to be converted, and no cache was named."
            raise BadInput(problem, file=located.path, field="model.source")
        folder = converted(located, spec, cache, say)
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    code = sorted(name for name in files if name.endswith(".py"))
    if needs_code(folder) and not spec.trust_remote_code:
        raise BadInput(
            f"its architecture is Python code that comes with it ({', '.join(code) or 'on the hub'}).",
            file=folder,
            field="model.source",
            fix="Read that code; if you trust it, set model.trust_remote_code = true.",
        )
    return {
        "source": spec.source,
        "revision": spec.revision,
        "commit": located.commit,
        "kind": located.kind,
        "folder": str(folder.resolve()),
        "files": files,
    }


def needs_code(folder: Path) -> bool:
    """Whether the configuration asks for Python code of the model's own, rather than of
    Transformers."""
    config = folder / "config.json"
    if not config.is_file():
        return False
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(settings, dict) and bool(settings.get("auto_map"))


def files_hash(files: dict[str, Any]) -> str:
    """Identity of a resolved model: a hash over its files' names and hashes."""
    return hashlib.sha256(json.dumps(files["files"], sort_keys=True).encode()).hexdigest()
