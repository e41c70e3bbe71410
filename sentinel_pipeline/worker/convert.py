"""Weights of another kind as a Transformers folder, made once and kept: GGUF files, files of
tensors by name, and folders that a recipe gives another chat template or stop token.

What is made is named by a hash of what it was made from, and is whole or absent. A file of tensors
is read as data alone (``weights_only``): nothing in it is ever unpickled into an object of another
kind. What this module does not do: find weights (``weights`` does), quantize, or train.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Infrastructure
from ..records.model_spec import ModelSpec, RawWeights
from ..store import sha256_file
from .device import first_line
from .remote_code import trust_remote_code
from .weights import Located

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Say = Callable[[str], None]
VERSION = 1
"""Raised when the same source must be converted anew."""
TEMPLATES = ("chatml", "llama3", "gemma", "mistral")
KEYS = ("model", "state_dict", "model_state_dict", "module")
"""Entries under which files of tensors usually keep them."""


def is_ready(located: Located, spec: ModelSpec) -> bool:
    """Whether the weights can be used where they lie."""
    return located.kind in ("transformers", "peft") and not _changes_tokenizer(spec)


def converted(located: Located, spec: ModelSpec, cache: Path, say: Say = lambda text: None) -> Path:
    """The Transformers folder of weights of any kind, made in ``cache`` where it is not there yet.

    Raises:
        BadInput: the file cannot be read, does not fit its configuration, or the tokenizer lacks a
            token of the template.
        Infrastructure: the package ``gguf`` is not installed.
    """
    key = _key(located, spec)
    folder = cache / key
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / f"{key}.lock"):
        if folder.is_dir():
            return folder
        making = cache / f".{key}.{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        try:
            if located.kind == "gguf":
                say(f"converting {located.path.name} into a Transformers folder; this is done once")
                _from_gguf(located.path, making)
            elif located.kind == "raw":
                say(f"reading the tensors of {located.path.name} by name; this is done once")
                _from_raw(located.path, spec.raw, making)
            else:
                _linked(located.path, making)
            if _changes_tokenizer(spec):
                _change_tokenizer(making, spec)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def cached(located: Located, spec: ModelSpec, cache: Path) -> Path | None:
    """What ``converted`` would return, if it is there."""
    folder = cache / _key(located, spec)
    return folder if folder.is_dir() else None


def _changes_tokenizer(spec: ModelSpec) -> bool:
    return any((spec.template, spec.stop_token, spec.thinking is not None))


def _key(located: Located, spec: ModelSpec) -> str:
    """A name of what would be made: by the bytes of a file, by the files of a folder."""
    if located.path.is_file():
        source: Any = sha256_file(located.path)
    else:
        source = [
            str(located.path.resolve()),
            sorted(
                (path.name, path.stat().st_size, path.stat().st_mtime_ns)
                for path in located.path.iterdir()
                if path.is_file()
            ),
        ]
    settings: dict[str, Any] = {
        "version": VERSION,
        "kind": located.kind,
        "source": source,
        "template": _template_text(spec.template) if spec.template else None,
        "stop_token": spec.stop_token,
        "thinking": spec.thinking,
    }
    if located.kind == "raw":
        settings["raw"] = asdict(spec.raw)
        config = config_file(located.path, spec.raw)
        settings["config"] = sha256_file(config)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", located.path.stem).strip("-.")[-40:]
    return f"{stem}-{digest[:16]}"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process converts at a time; the kernel drops the lock when its holder dies."""
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


# -- GGUF ------------------------------------------------------------------------------------------


def _from_gguf(file: Path, out: Path) -> None:
    """Dequantised to float32. Transformers marks what it loads so as quantised, and refuses to save
    it: the tensors go into a fresh model of the same configuration."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    require_gguf(file)
    try:
        trusted = trust_remote_code(file)
        loaded = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, trust_remote_code=trusted
        )
        tokenizer = AutoTokenizer.from_pretrained(
            file.parent, gguf_file=file.name, trust_remote_code=trusted
        )
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise BadInput(
            f"not a GGUF file that Transformers reads: {first_line(error)[:300]}",
            file=file,
            field="model.source",
            fix="Use the Transformers folder that it was made from.",
        ) from error
    settings = {
        name: value
        for name, value in loaded.config.to_dict().items()
        if name not in ("quantization_config", "_name_or_path", "_model_name_or_path")
    }
    config = type(loaded.config)(**settings)
    config.architectures = [type(loaded).__name__]
    model = type(loaded)._from_config(config, dtype=torch.float32)  # noqa: SLF001 -- the public one loads
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    _save(model, tokenizer, out)


def require_gguf(file: Path) -> None:
    """Raises Infrastructure: what reads GGUF files is not installed."""
    from importlib.util import find_spec

    if find_spec("gguf") is None:
        raise Infrastructure(
            f"{file} is a GGUF file, and the package gguf, which reads it, is not installed: "
            "pip install 'sentinel-pipeline[demo]'."
        )


# -- tensors by name -------------------------------------------------------------------------------


def config_file(file: Path, raw: RawWeights) -> Path:
    """The configuration that belongs to a file of tensors.

    Raises:
        BadInput: it is not there.
    """
    place = Path(raw.config).expanduser() if raw.config else file.parent
    path = place / "config.json" if place.is_dir() else place
    if not path.is_file():
        raise BadInput(
            "the tensors need the configuration of their architecture, which is not there.",
            file=path,
            field="model.raw.config",
            fix="Name a config.json of Transformers: it says the architecture and its sizes.",
        )
    return path


def _from_raw(file: Path, raw: RawWeights, out: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place = config_file(file, raw)
    tokenizer_folder = Path(raw.tokenizer).expanduser() if raw.tokenizer else place.parent
    try:
        config = AutoConfig.from_pretrained(
            place.parent,
            _configuration_file=place.name,
            trust_remote_code=trust_remote_code(place.parent),
        )
        tokenizer = AutoTokenizer.from_pretrained(
            tokenizer_folder, trust_remote_code=trust_remote_code(tokenizer_folder)
        )
    except (OSError, ValueError) as error:
        raise BadInput(
            f"configuration or tokenizer cannot be read: {first_line(error)[:300]}",
            file=place.parent,
            field="model.raw.config",
        ) from error
    tensors = read_tensors(file, raw)
    model = AutoModelForCausalLM.from_config(
        config, trust_remote_code=trust_remote_code(place.parent)
    )
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    extra = sorted(tensors.keys() - expected.keys())
    missing = sorted(expected.keys() - tensors.keys() - tied)
    if extra or missing:
        raise BadInput(
            f"its tensors are not those of {type(model).__name__}: {len(extra)} are unknown to it "
            f"({', '.join(extra[:3]) or 'none'}), {len(missing)} are missing ({', '.join(missing[:3]) or 'none'}).",
            file=file,
            field="model.raw.rename",
            fix="Rename them by [model.raw.rename], leave some out by model.raw.drop, or use the config.json that belongs to them.",
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != expected[name]:
            raise BadInput(
                f"{name} has the shape {tuple(tensor.shape)}, the configuration says {expected[name]}.",
                file=file,
                field="model.raw.config",
                fix="Use the config.json that belongs to these weights.",
            )
    model = model.to(torch.float32)
    model.load_state_dict(tensors, strict=False)
    model.tie_weights()
    _save(model, tokenizer, out)


def read_tensors(file: Path, raw: RawWeights) -> dict[str, Any]:
    """The file's tensors by their names after renaming.

    Raises:
        BadInput: the file holds anything that is not plain data, or no tensors by name.
    """
    import pickle

    import torch

    try:
        data = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise BadInput(
            f"not a file of tensors alone, and what else is in it is not loaded: {first_line(error)[:300]}",
            file=file,
            field="model.source",
            fix="Where it was made, save its state: torch.save(model.state_dict(), FILE).",
        ) from error
    if raw.key is not None:
        if not isinstance(data, dict) or raw.key not in data:
            names = ", ".join(list(data)[:8]) if isinstance(data, dict) else type(data).__name__
            fix = f"It holds: {names}."
            raise BadInput(f"has no entry {raw.key!r}.", file=file, field="model.raw.key", fix=fix)
        data = data[raw.key]
    elif isinstance(data, dict):
        data = next((data[key] for key in KEYS if isinstance(data.get(key), dict)), data)
    if not isinstance(data, dict) or not any(isinstance(value, torch.Tensor) for value in data.values()):  # fmt: skip
        raise BadInput(
            "holds no tensors by name.", file=file, field="model.source", fix="Say where they are: model.raw.key."
        )  # fmt: skip
    tensors: dict[str, Any] = {}
    for name, tensor in data.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        renamed = str(name)
        for pattern, replacement in raw.rename.items():
            renamed = re.sub(pattern, replacement, renamed)
        if any(fnmatch(renamed, pattern) for pattern in raw.drop):
            continue
        if renamed in tensors:
            raise BadInput(
                f"two tensors are named {renamed!r} after renaming.",
                file=file,
                field="model.raw.rename",
                fix="Correct the patterns.",
            )
        tensors[renamed] = tensor
    return tensors


# -- templates and stop tokens ---------------------------------------------------------------------


def _template_text(name: str) -> str:
    """A template of the package by its name, or a file's text.

    Raises:
        BadInput: neither.
    """
    path = Path(__file__).with_name("templates") / f"{name}.jinja"
    if name not in TEMPLATES:
        path = Path(name).expanduser()
    if not path.is_file():
        fix = f"Name one of {', '.join(TEMPLATES)}, or a Jinja file."
        raise BadInput(f"no chat template {name!r}.", field="model.template", fix=fix)
    return path.read_text(encoding="utf-8")


def _change_tokenizer(folder: Path, spec: ModelSpec) -> None:
    """Write the recipe's template and stop token into ``folder``'s tokenizer."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code(folder)
        )
    except (OSError, ValueError) as error:
        raise BadInput(
            f"has no usable tokenizer: {first_line(error)[:300]}", file=folder
        ) from error
    if spec.template:
        tokenizer.chat_template = _template_text(spec.template)
        _require_tokens(tokenizer, spec.template)
    if spec.stop_token is not None:
        if tokenizer.convert_tokens_to_ids(spec.stop_token) in (None, tokenizer.unk_token_id):
            fix = "Name a token of the vocabulary, such as the one that the template writes after an answer."
            raise BadInput(
                f"the tokenizer has no token {spec.stop_token!r}.", field="model.stop_token", fix=fix
            )  # fmt: skip
        tokenizer.eos_token = spec.stop_token
    if spec.thinking is not None:
        template = str(tokenizer.chat_template or "")
        if "enable_thinking" not in template:
            fix = "Leave model.thinking out."
            raise BadInput("the chat template has no enable_thinking.", field="model.thinking", fix=fix)  # fmt: skip
        value = "true" if spec.thinking else "false"
        tokenizer.chat_template = f"{{%- set enable_thinking = {value} -%}}\n{template}"
    # A link must not be written through.
    for path in folder.iterdir():
        if path.is_symlink() and (path.name == "chat_template.jinja" or "token" in path.name):
            copy = path.read_bytes()
            path.unlink()
            path.write_bytes(copy)
    tokenizer.save_pretrained(folder)


def _require_tokens(tokenizer: PreTrainedTokenizerBase, template: str) -> None:
    """Raises BadInput: a marker of the template is no single token of this vocabulary, and would be
    read as letters."""
    text = str(tokenizer.chat_template)
    markers = sorted(set(re.findall(r"<\|[a-z_]+\|>|<(?:start|end)_of_turn>", text)))
    for marker in markers:
        ids = tokenizer(marker, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise BadInput(
                f"the template {template!r} writes {marker!r}, which is not a token of this vocabulary.",
                field="model.template",
                fix=f"Choose a template whose markers the model knows: {', '.join(TEMPLATES)}, or a file.",
            )


# -- folders ---------------------------------------------------------------------------------------


def _linked(source: Path, out: Path) -> None:
    """The files of a folder, the large ones as links."""
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith("."):
            (out / path.name).symlink_to(path.resolve())


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
