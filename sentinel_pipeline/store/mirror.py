"""Finished artifacts and ledger snapshots on an object store: any address that fsspec knows
(``s3://``, ``gs://``, ``file://`` …).

The local store stays the one that is worked on. A push copies what is finished and whole and writes
an artifact's manifest last: without it the copy does not count. A fetch holds every file against
the manifest before the artifact appears. What this module does not do: delete, or merge two
ledgers: a snapshot is brought back only where there is no ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..errors import BadInput, Infrastructure
from .files import atomic_write, sha256_file, sync_folder
from .home import Home
from .manifest import Manifest, content_hash
from .verify import Damage, damage_of, finished

VARIABLE = "SENTINEL_MIRROR"
_PART = re.compile(r"[\w.-]+")
_SNAPSHOT = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{64})\.sqlite")
_CHUNK = 1 << 20


class Copied(NamedTuple):
    """What one push or fetch came to."""

    artifacts: list[str]
    """``RECIPE/ASSET/RUN_ID``, copied now; what was there already is not among them."""
    damaged: list[Damage]
    """Not copied: the source is not what was written."""
    ledger: str | None
    """Name of the ledger snapshot that was written or brought back."""


class Mirror:
    """A folder on an object store. Options of a store (keys, endpoints) come from its own
    environment variables.

    Raises:
        BadInput: the address has no protocol that is installed.
        Infrastructure: from every method, where the store does not answer.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise BadInput(
                f"{url!r} cannot be used: {error}.", field=VARIABLE, fix="Name an fsspec URL."
            ) from error

    def push(self, home: Home) -> Copied:
        """Copy every finished, whole artifact that is not there yet, and the ledger where it
        changed."""
        with self._reaching():
            pushed = []
            damaged = []
            for folder in finished(home):
                name = folder.relative_to(home.runs).as_posix()
                if (
                    self._read(f"runs/{name}/manifest.json")
                    == (folder / "manifest.json").read_bytes()
                ):
                    continue
                broken = damage_of(home, folder)
                damaged += broken
                if not broken:
                    self._put(folder, name)
                    pushed.append(name)
            return Copied(pushed, damaged, self._put_ledger(home))

    def _put(self, folder: Path, name: str) -> None:
        manifest = (folder / "manifest.json").read_bytes()
        for entry in Manifest.from_json(json.loads(manifest)).files:
            target = self._at(f"runs/{name}/{entry.path}")
            self._fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            self._fs.put_file(str(folder / entry.path), target)
            if self._fs.info(target)["size"] != entry.bytes:
                raise Infrastructure(f"{target} was not stored whole. Push again.")
        self._fs.pipe_file(self._at(f"runs/{name}/manifest.json"), manifest)

    def _put_ledger(self, home: Home) -> str | None:
        """A consistent copy by SQLite's own backup, under its hash; None where there is no ledger
        or it did not change."""
        if not home.ledger.exists():
            return None
        with tempfile.TemporaryDirectory(prefix="sentinel-ledger-") as folder:
            copy = Path(folder) / "ledger.sqlite"
            with (
                closing(sqlite3.connect(home.ledger)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            digest = sha256_file(copy)
            if any(digest in name for name in self._snapshots()):
                return None
            name = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{digest}.sqlite"
            self._fs.makedirs(self._at("ledger"), exist_ok=True)
            self._fs.put_file(str(copy), self._at(f"ledger/{name}"))
            return name

    def fetch(self, home: Home, recipe: str | None = None) -> Copied:
        """Bring back every artifact (of one recipe) that is not here, and the newest ledger where
        there is none."""
        with self._reaching():
            fetched = []
            damaged = list[Damage]()
            for name, manifest in self._manifests():
                target = home.runs / name
                if (recipe and not name.startswith(f"{recipe}/")) or (
                    target / "manifest.json"
                ).exists():
                    continue
                if manifest is None:
                    damaged.append(Damage(name, "manifest.json"))
                    continue
                broken = self._get(target, name, manifest)
                damaged += broken
                fetched += [] if broken else [name]
            for asset in sorted({(home.runs / name).parent for name in fetched}):
                _point(asset)
            return Copied(fetched, damaged, self._get_ledger(home))

    def _get(self, target: Path, name: str, manifest: Manifest) -> list[Damage]:
        """Into a temporary neighbour, which is renamed only when every file is as the manifest
        says."""
        draft = target.with_name(f".fetch-{target.name}")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            for entry in manifest.files:
                local = draft / entry.path
                local.parent.mkdir(parents=True, exist_ok=True)
                if not self._fs.exists(self._at(f"runs/{name}/{entry.path}")):
                    return [Damage(name, entry.path)]
                self._fs.get_file(self._at(f"runs/{name}/{entry.path}"), str(local))
                if sha256_file(local) != entry.sha256:
                    return [Damage(name, entry.path)]
            with atomic_write(draft / "manifest.json", "wb") as stream:
                stream.write(self._read(f"runs/{name}/manifest.json"))
            os.replace(draft, target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return []

    def _get_ledger(self, home: Home) -> str | None:
        newest = max(self._snapshots(), default=None)
        if home.ledger.exists() or newest is None:
            return None
        data = self._read(f"ledger/{newest}") or b""
        if hashlib.sha256(data).hexdigest() not in newest:
            raise Infrastructure(
                f"{self.url}/ledger/{newest} is damaged. Remove it there, then fetch again."
            )
        with atomic_write(home.ledger, "wb") as stream:
            stream.write(data)
        return newest

    def damage(self) -> tuple[int, list[Damage]]:
        """Hash everything that is there: how many artifacts, and what is not as its manifest, or
        its name, says."""
        with self._reaching():
            damages = list[Damage]()
            count = 0
            for name, manifest in self._manifests():
                count += 1
                if manifest is None:
                    damages.append(Damage(name, "manifest.json"))
                    continue
                wrong = [
                    e.path
                    for e in manifest.files
                    if self._sha256(f"runs/{name}/{e.path}") != e.sha256
                ]
                damages += [Damage(name, path) for path in wrong]
            wrong = [
                name
                for name in self._snapshots()
                if (self._sha256(f"ledger/{name}") or "-") not in name
            ]
            return count, damages + [Damage("ledger", name) for name in wrong]

    def _manifests(self) -> Iterator[tuple[str, Manifest | None]]:
        """Every artifact that is there, by name; None where its manifest is damaged or names a path
        outside of it."""
        for path in sorted(self._fs.glob(self._at("runs/*/*/*/manifest.json"))):
            parts = PurePosixPath(path).parts[-4:-1]
            if all(_PART.fullmatch(part) and part[0] != "." for part in parts):
                yield (
                    "/".join(parts),
                    _manifest(self._read(f"runs/{'/'.join(parts)}/manifest.json"), parts),
                )

    def _snapshots(self) -> list[str]:
        snapshots = self._fs.glob(self._at("ledger/*.sqlite"))
        return sorted(
            name for path in snapshots if _SNAPSHOT.fullmatch(name := PurePosixPath(path).name)
        )

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _read(self, path: str) -> bytes | None:
        at = self._at(path)
        data: bytes | None = self._fs.cat_file(at) if self._fs.exists(at) else None
        return data

    def _sha256(self, path: str) -> str | None:
        if not self._fs.exists(self._at(path)):
            return None
        digest = hashlib.sha256()
        with self._fs.open(self._at(path), "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        self._fs.invalidate_cache()
        try:
            yield
        except OSError as error:
            raise Infrastructure(
                f"{self.url} cannot be used: {error}. Nothing is half copied; run again."
            ) from error


def _manifest(data: bytes | None, parts: tuple[str, ...]) -> Manifest | None:
    try:
        manifest = Manifest.from_json(json.loads(data or b""))
    except (ValueError, KeyError, TypeError):
        return None
    fits = (
        manifest.recipe,
        manifest.asset,
        manifest.run_id,
    ) == parts and manifest.content_hash == content_hash(manifest.files)
    return manifest if fits and all(_inside(entry.path) for entry in manifest.files) else None


def _inside(path: Any) -> bool:
    parts = PurePosixPath(str(path)).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and parts != ("manifest.json",)


def _point(asset: Path) -> None:
    """Where an asset has no current artifact, its newest is."""
    if not (asset / "current").exists():
        manifests = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in asset.glob("[!.]*/manifest.json")
        ]
        newest = max(manifests, key=lambda manifest: (manifest["created_at"], manifest["run_id"]))
        with atomic_write(asset / "current") as stream:
            stream.write(newest["run_id"])
