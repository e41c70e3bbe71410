"""Answers that a model gave before, by model, prompt, decoding, engine and the code that generates:
one file a model and way of answering, appended under a lock.

The model's hash is over weights, tokenizer and template. Greedy answers are kept by their prompt
alone; a sampled one also by its item's id, from which its draw is seeded. Every row carries a seal
(HMAC-SHA256 with the key in ``.key``, which only its owner can read); one without the right seal
was not written here and does not count. What this module does not do: forget, or keep out who can
read the key. A file may be deleted at any time; then its answers are generated again.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import importlib.metadata
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..records.decoding import Decoding
from ..store.manifest import code_version
from .answer import Answer
from .prompts import Prompt


def _hash(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def prompt_hash(prompt: Prompt, decoding: Decoding) -> str:
    """Identity of what is asked; the rendering is the model's own, whose hash names the folder."""
    turns = [[turn.role, turn.content] for turn in prompt.messages]
    return _hash([turns, prompt.id if decoding.temperature > 0 else None])


def decoding_hash(decoding: Decoding) -> str:
    """Identity of how an answer is drawn; the batch does not belong to it."""
    drawn = (
        [decoding.temperature, decoding.top_p, decoding.seed] if decoding.temperature > 0 else None
    )
    return _hash([decoding.max_new_tokens, decoding.prompt_format, drawn])


@lru_cache(maxsize=1)
def generation_code() -> str:
    """Identity of what turns a prompt into an answer: this room's code and the libraries below it.
    Another version may answer otherwise."""
    versions = {}
    for name in ("torch", "transformers", "vllm"):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return _hash([code_version("generation"), versions])


class AnswerCache:
    """The answers of one model by one engine, in ``folder/MODEL_HASH/``."""

    def __init__(self, folder: Path, model_hash: str, engine: str = "transformers") -> None:
        self._root = folder
        self._folder = folder / model_hash[:32]
        self._identity = [model_hash, engine, generation_code()]
        self._rows: dict[Path, dict[str, dict[str, Any]]] = {}

    def known(self, prompts: Sequence[Prompt], decoding: Decoding) -> list[Answer]:
        """Answers to those prompts that the model was asked before; their seconds are 0: nothing
        was generated."""
        rows = self._read(self._path(decoding))
        cached = [(prompt.id, rows.get(prompt_hash(prompt, decoding))) for prompt in prompts]
        return [
            Answer(name, row["completion"], row["stopped"], row["tokens"], 0.0)
            for name, row in cached
            if row
        ]

    def add(self, prompts: Sequence[Prompt], batch: Sequence[Answer], decoding: Decoding) -> None:
        """Keep a batch of answers to some of ``prompts``; durable on return."""
        by_id = {prompt.id: prompt for prompt in prompts}
        path = self._path(decoding)
        rows: dict[str, dict[str, Any]] = {}
        for item in batch:
            key = prompt_hash(by_id[item.id], decoding)
            row = {"completion": item.completion, "stopped": item.stopped, "tokens": item.tokens}
            rows[key] = {**row, "seal": self._seal(path, key, row)}
        self._read(path).update(rows)
        _append(
            path, "".join(json.dumps({"prompt": key, **row}) + "\n" for key, row in rows.items())
        )

    def _path(self, decoding: Decoding) -> Path:
        return self._folder / f"{_hash([decoding_hash(decoding), self._identity[1:]])}.jsonl"

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        if path not in self._rows:
            self._rows[path] = {
                key: row
                for key, row in _rows(path).items()
                if hmac.compare_digest(row["seal"], self._seal(path, key, row))
            }
        return self._rows[path]

    def _seal(self, path: Path, key: str, row: dict[str, Any]) -> str:
        sealed = [*self._identity, path.name, key]
        sealed += [row["completion"], row["stopped"], row["tokens"]]
        text = json.dumps(sealed)
        return hmac.new(_secret(self._root), text.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def _secret(folder: Path) -> bytes:
    """The key of a cache, made on first use."""
    path = folder / ".key"
    folder.mkdir(parents=True, exist_ok=True)
    # Written aside and linked: of two processes that make it at once, both read the same one.
    fresh = folder / f".key-{secrets.token_hex(8)}"
    if not path.exists():
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_bytes()


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    """Whole rows of a file; a torn one, which a kill left, is passed over."""
    rows: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            key = row["prompt"]
            fields = {name: row[name] for name in ("completion", "stopped", "tokens")}
            fields["seal"] = str(row.get("seal", ""))
        except (ValueError, KeyError, TypeError):
            continue
        rows[key] = fields
    return rows


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        size = stream.seek(0, os.SEEK_END)
        if size:
            stream.seek(size - 1)
            text = text if stream.read(1) == b"\n" else f"\n{text}"
        stream.write(text.encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
