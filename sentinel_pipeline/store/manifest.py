"""What an artifact is made of and of what it was made: files with hashes, parents, recipe, seed,
versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Infrastructure
from .files import sha256_file
from .tables import parquet_rows

PACKAGES = (
    "dagster", "torch", "transformers", "trl", "peft", "datasets", "duckdb", "pandas", "pyarrow"
)  # fmt: skip
VOLATILE = "logs"
"""Files in this folder of an artifact are kept and hashed, but timings may differ: they are not
part of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    path: str
    """POSIX, relative to the artifact's folder."""
    sha256: str
    bytes: int
    rows: int | None
    """For Parquet and JSONL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An artifact that went into this one."""

    asset: str
    recipe: str
    run_id: str
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    asset: str
    recipe: str
    run_id: str
    loop_id: str
    """The run that began this loop; differs from ``run_id`` where a run resumed another."""
    created_at: str
    """UTC, ISO 8601."""
    content_hash: str
    """SHA-256 over the names and hashes of the content files: equal content, equal hash, whenever
    it was made."""
    recipe_hash: str
    seed: int
    files: tuple[FileEntry, ...]
    parents: tuple[Parent, ...]
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Read what ``to_json`` wrote, every field of its own type.

        Raises:
            ValueError: a field is missing, unknown or of another type.
        """
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, got {type(data).__name__}")
        unknown = sorted(set(data) - {entry.name for entry in fields(cls)})
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}")
        try:
            manifest: Manifest = msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished artifact's folder.

    Raises:
        Infrastructure: it cannot be read, or does not fit itself: the store was damaged from
            outside.
    """
    path = folder / "manifest.json"
    try:
        manifest = Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))
        # Who swaps a file and its hash in the manifest must change what verdicts are about too.
        if content_hash(manifest.files) != manifest.content_hash:
            raise ValueError("its files are not those of its content hash")
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Infrastructure(
            f"{path} is damaged ({type(error).__name__}): rebuild {folder.parent.name}."
        ) from error


def describe_files(folder: Path) -> tuple[FileEntry, ...]:
    """Hash every file under ``folder`` but the manifest; sorted by path. Symbolic links are not
    followed."""
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path != folder / "manifest.json"
    )
    entries = []
    for path in paths:
        rows: int | None = None
        if path.suffix == ".parquet":
            rows = parquet_rows(path)
        elif path.suffix == ".jsonl":
            with path.open("rb") as stream:
                rows = sum(1 for _ in stream)
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        entries.append(FileEntry(path=name, sha256=sha256_file(path), bytes=size, rows=rows))
    return tuple(entries)


def content_hash(files: tuple[FileEntry, ...]) -> str:
    """Hash of names and hashes of all files outside ``logs/``."""
    digest = hashlib.sha256()
    for entry in files:
        if not entry.path.startswith(f"{VOLATILE}/"):
            digest.update(f"{entry.path}\0{entry.sha256}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of this package, its code (hash of its sources), Python, and the packages that shape
    results."""
    versions = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "sentinel_pipeline": importlib.metadata.version("sentinel-pipeline"),
        "code": code_version("."),
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        **versions,
    }


def code_version(*rooms: str) -> str:
    """First 12 hex digits of a SHA-256 over the sources of some rooms: the code version of the
    assets that they make."""
    digest = hashlib.sha256()
    for room in rooms:
        for source in _sources(room):
            digest.update(source)
    return digest.hexdigest()[:12]


@cache
def _sources(room: str) -> tuple[bytes, ...]:
    """Name and text of each source of a room. Read once: thirty assets name a handful of rooms,
    and a process runs the code that it imported, whatever becomes of the files."""
    root = Path(__file__).resolve().parents[1]
    return tuple(
        path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes()
        for path in sorted((root / room).rglob("*.[pt]*"))
        if path.suffix in (".py", ".toml")
    )
