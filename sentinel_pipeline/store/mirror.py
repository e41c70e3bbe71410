"""Finished artifacts and ledger snapshots on an object store: any address that fsspec knows
(``s3://``, ``gs://``, ``file://`` …).

The local store stays the one that is worked on. A push copies what is finished and whole and writes
an artifact's manifest last: without it the copy does not count. A fetch holds every file against
the manifest before the artifact appears. What this module does not do: delete, or merge two
ledgers: a snapshot is brought back only where there is no ledger.

Hashes say that a mirror holds together, not who filled it. So what comes from it is believed only
with a signature by the key that both sides share (``SENTINEL_MIRROR_KEY``), or on the word of who
fetches.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
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
from .ledger import Ledger
from .manifest import Manifest, content_hash
from .verify import Damage, damage_of, finished

VARIABLE = "SENTINEL_MIRROR"
KEY_VARIABLE = "SENTINEL_MIRROR_KEY"
_SHORTEST_KEY = 32
_PART = re.compile(r"[\w.-]+")
_SNAPSHOT = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{64})\.sqlite")
_CHUNK = 1 << 20
_SIGNATURE = ".sig"


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
        BadInput: the address has no protocol that is installed, or the key is too short.
        Infrastructure: from every method, where the store does not answer.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        key = os.environ.get(KEY_VARIABLE, "")
        if key and len(key) < _SHORTEST_KEY:
            raise BadInput(
                f"has {len(key)} characters, at least {_SHORTEST_KEY} are needed.",
                field=KEY_VARIABLE,
                fix="Make one: openssl rand -hex 32.",
            )
        self._key = key.encode("utf-8", "surrogateescape")
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
                    self._sign(f"runs/{name}/manifest.json")
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
        self._sign(f"runs/{name}/manifest.json")

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
            same = [name for name in self._snapshots() if digest in name]
            if same:
                self._sign(f"ledger/{same[-1]}")
                return None
            name = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{digest}.sqlite"
            self._fs.makedirs(self._at("ledger"), exist_ok=True)
            self._fs.put_file(str(copy), self._at(f"ledger/{name}"))
            self._sign(f"ledger/{name}")
            return name

    def _sign(self, path: str) -> None:
        """Put a signature beside a file of the mirror, where there is a key and it has none."""
        if self._key and not self._is_signed(path):
            self._fs.pipe_file(self._at(f"{path}{_SIGNATURE}"), self._signature(path).encode())

    def _is_signed(self, path: str) -> bool:
        signature = self._read(f"{path}{_SIGNATURE}") or b""
        return bool(self._key) and hmac.compare_digest(signature, self._signature(path).encode())

    def _signature(self, path: str) -> str:
        """Over the name and the content: a signed file says nothing under another name."""
        content = f"{path}\0{self._sha256(path)}".encode()
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()

    def fetch(self, home: Home, recipe: str | None = None, *, trust: bool = False) -> Copied:
        """Bring back every artifact (of one recipe) that is not here, and the newest ledger where
        there is none. With ``trust`` also what is not signed.

        Raises:
            BadInput: nothing vouches for the mirror, or a manifest has fields of another type:
                nothing was written.
        """
        if not trust and not self._key:
            raise BadInput(
                "nothing says who filled this mirror, and its verdicts would count here.",
                field="--trust",
                fix=f"If it is yours: --trust. Or set {KEY_VARIABLE} here and where it is pushed from: then it is signed.",
            )
        with self._reaching():
            fetched = []
            damaged = list[Damage]()
            # All of them are read before the first file is written.
            for name, manifest in list(self._manifests(strict=True)):
                target = home.runs / name
                if (recipe and not name.startswith(f"{recipe}/")) or (
                    target / "manifest.json"
                ).exists():
                    continue
                if manifest is None:
                    damaged.append(Damage(name, "manifest.json"))
                    continue
                if not trust and not self._is_signed(f"runs/{name}/manifest.json"):
                    damaged.append(Damage(name, f"manifest.json{_SIGNATURE}"))
                    continue
                broken = self._get(target, name, manifest)
                damaged += broken
                fetched += [] if broken else [name]
            for asset in sorted({(home.runs / name).parent for name in fetched}):
                _point(asset)
            return Copied(fetched, damaged, self._get_ledger(home, damaged, trust))

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

    def _get_ledger(self, home: Home, damaged: list[Damage], trust: bool) -> str | None:
        newest = max(self._snapshots(), default=None)
        if home.ledger.exists() or newest is None:
            return None
        if not trust and not self._is_signed(f"ledger/{newest}"):
            damaged.append(Damage("ledger", f"{newest}{_SIGNATURE}"))
            return None
        data = self._read(f"ledger/{newest}") or b""
        if hashlib.sha256(data).hexdigest() not in newest:
            raise Infrastructure(
                f"{self.url}/ledger/{newest} is damaged. Remove it there, then fetch again."
            )
        with tempfile.TemporaryDirectory(prefix="sentinel-ledger-") as folder:
            copy = Path(folder) / "ledger.sqlite"
            copy.write_bytes(data)
            broken = Ledger(copy).check().broken
        if broken is not None:
            raise Infrastructure(
                f"{self.url}/ledger/{newest} is not what was recorded: {broken}. It is not brought back."
            )
        with atomic_write(home.ledger, "wb", private=True) as stream:
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

    def _manifests(self, *, strict: bool = False) -> Iterator[tuple[str, Manifest | None]]:
        """Every artifact that is there, by name; None where its manifest is damaged or names a path
        outside of it.

        Raises:
            BadInput: with ``strict``, one that is JSON has fields of another type.
        """
        for path in sorted(self._fs.glob(self._at("runs/*/*/*/manifest.json"))):
            parts = PurePosixPath(path).parts[-4:-1]
            if all(_PART.fullmatch(part) and part[0] != "." for part in parts):
                name = "/".join(parts)
                data = self._read(f"runs/{name}/manifest.json")
                if strict:
                    self._check_types(name, data)
                yield name, _manifest(data, parts)

    def _check_types(self, name: str, data: bytes | None) -> None:
        try:
            value = json.loads(data or b"")
        except (ValueError, RecursionError):
            return  # damage, not somebody's own manifest
        try:
            Manifest.from_json(value)
        except ValueError as error:
            raise BadInput(
                f"not a manifest: {error}.",
                file=f"{self.url}/runs/{name}/manifest.json",
                fix="Nothing was fetched. Remove it there.",
            ) from error

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
    except (ValueError, RecursionError):
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
