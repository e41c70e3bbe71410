"""Artifacts: immutable folders with a manifest, written whole or not at all.

``data/runs/RECIPE/ASSET/RUN_ID/`` holds an artifact's files and ``manifest.json``. While it is
being made it is a *draft*, ``.draft-LOOP_ID``: a draft left by a killed process is found again by
the run that resumes the loop, so that long work goes on from where it was; a finished artifact is
never touched again. What this module does not do: decide what is fresh. A run asks for the artifact
of its own run, else of its loop, else the current one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import BadInput, Infrastructure
from .files import atomic_write, sha256_file, sync_folder, write_json, write_jsonl
from .home import Home
from .manifest import (
    FileEntry,
    Manifest,
    Parent,
    content_hash,
    describe_files,
    read_manifest,
    versions,
)
from .tables import TableWriter, table_writer, write_parquet


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished artifact: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def hash(self) -> str:
        return self.manifest.content_hash

    def path(self, name: str) -> Path:
        """A file or folder of the artifact, held against the manifest: what is damaged does not
        count as evidence.

        Raises:
            Infrastructure: it is gone, or its bytes are not those that were written: the store was
                damaged from outside.
        """
        path = self.folder / name
        if not path.exists():
            raise Infrastructure(
                f"{path} is missing from a finished artifact: rebuild {self.manifest.asset}."
            )
        for entry in self.manifest.files:
            if entry.path != name and not entry.path.startswith(f"{name}/"):
                continue
            if not as_written(self.folder / entry.path, entry.sha256):
                raise Infrastructure(
                    f"{self.folder / entry.path} is damaged: its bytes are not those of its manifest. "
                    f"Rebuild {self.manifest.asset}."
                )
        return path

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def as_parent(self) -> Parent:
        m = self.manifest
        return Parent(asset=m.asset, recipe=m.recipe, run_id=m.run_id, content_hash=m.content_hash)

    def damage(self, largest: int | None = None) -> list[str]:
        """Names of files whose bytes are not those of the manifest; empty when the artifact is
        whole.

        Files of more than ``largest`` bytes are compared by size alone, for those who may not stay
        long.
        """
        changed = [] if content_hash(self.manifest.files) == self.hash else ["manifest.json"]
        return changed + [
            entry.path for entry in self.manifest.files if not self._is_whole(entry, largest)
        ]

    def _is_whole(self, entry: FileEntry, largest: int | None) -> bool:
        path = self.folder / entry.path
        if not path.is_file() or path.stat().st_size != entry.bytes:
            return False
        return (largest is not None and entry.bytes > largest) or sha256_file(path) == entry.sha256


@dataclass(slots=True)
class Draft:
    """An artifact being made. ``metrics`` become numbers of the manifest and plots of the UI."""

    folder: Path
    resumed: bool
    metrics: dict[str, Any] = field(default_factory=dict)

    def table(self, name: str, rows: Iterable[dict[str, Any]], table: str) -> int:
        return write_parquet(self.folder / name, rows, table)

    def writer(self, name: str, table: str) -> AbstractContextManager[TableWriter]:
        """For stages that split one stream over several tables."""
        return table_writer(self.folder / name, table)

    def jsonl(self, name: str, rows: Iterable[dict[str, Any]]) -> int:
        return write_jsonl(self.folder / name, rows)

    def json(self, name: str, value: Any) -> None:
        write_json(self.folder / name, value)

    def text(self, name: str, value: str) -> None:
        with atomic_write(self.folder / name) as stream:
            stream.write(value)


@dataclass(frozen=True, slots=True)
class Store:
    """The artifacts of one recipe, seen from one run."""

    home: Home
    recipe: str
    run_id: str
    loop_id: str

    def __post_init__(self) -> None:
        if Path(self.recipe).name != self.recipe or self.recipe in ("", ".", ".."):
            raise BadInput(f"{self.recipe[:80]!r} is not a recipe's name.", field="recipe")

    @classmethod
    def reading(cls, home: Home, recipe: str) -> Store:
        """A store for reading what is current, seen from no run; what it would write belongs to
        nobody."""
        return cls(home, recipe, run_id="-", loop_id="-")

    def _assets(self) -> Path:
        return self.home.runs / self.recipe

    @contextmanager
    def writing(
        self,
        asset: str,
        *,
        parents: Iterable[Artifact] = (),
        recipe_hash: str,
        seed: int,
        keep: bool = False,
    ) -> Iterator[Draft]:
        """Make one artifact; on a clean exit it is sealed and becomes current, else its draft stays
        only if ``keep``.

        ``keep`` is for long work with its own checkpoints: the next attempt of the same loop finds
        ``Draft.resumed``.

        Raises:
            Infrastructure: the disk is full or the folder cannot be written.
        """
        final = self._assets() / asset / self.run_id
        draft = self._assets() / asset / f".draft-{self.loop_id}"
        if final.exists():
            raise Infrastructure(f"{final} exists: artifacts are immutable. Start a new run.")
        resumed = keep and draft.exists()
        if draft.exists() and not keep:
            shutil.rmtree(draft)
        draft.mkdir(parents=True, exist_ok=True)
        out = Draft(draft, resumed)
        try:
            yield out
            manifest = self._manifest(asset, out, parents, recipe_hash, seed)
            write_json(draft / "manifest.json", manifest.to_json())
            self._seal(draft, final)
        except BaseException as error:
            if not keep:
                shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError):
                raise Infrastructure(
                    f"{asset} could not be written under {final.parent}: {error}."
                ) from error
            raise

    def _manifest(
        self, asset: str, out: Draft, parents: Iterable[Artifact], recipe_hash: str, seed: int
    ) -> Manifest:
        files = describe_files(out.folder)
        return Manifest(
            asset=asset,
            recipe=self.recipe,
            run_id=self.run_id,
            loop_id=self.loop_id,
            created_at=dt.datetime.now(dt.UTC).isoformat(timespec="microseconds"),
            content_hash=content_hash(files),
            recipe_hash=recipe_hash,
            seed=seed,
            files=files,
            parents=tuple(parent.as_parent() for parent in parents),
            metrics=out.metrics,
            versions=versions(),
        )

    def _seal(self, draft: Path, final: Path) -> None:
        for path in draft.rglob("*"):
            if path.is_file() and not path.is_symlink():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        # Bytes before the rename, the rename before the pointer: a crash leaves a whole artifact or
        # none, and `current` never names one that is not there.
        os.replace(draft, final)
        sync_folder(final.parent)
        with atomic_write(final.parent / "current") as stream:
            stream.write(final.name)

    def find(self, asset: str) -> Artifact | None:
        """This run's artifact of ``asset``, else its loop's newest, else the current one, else
        None."""
        folder = self._assets() / asset
        local = folder / self.run_id
        if (local / "manifest.json").is_file():
            return Artifact(local, read_manifest(local))
        loop = [
            artifact
            for artifact in self.history(asset)
            if artifact.manifest.loop_id == self.loop_id
        ]
        if loop:
            return loop[-1]
        pointer = folder / "current"
        if not pointer.is_file():
            return None
        current = folder / pointer.read_text(encoding="utf-8").strip()
        return Artifact(current, read_manifest(current))

    def get(self, asset: str) -> Artifact:
        """Like ``find``.

        Raises:
            BadInput: there is none yet; says which asset to materialize.
        """
        artifact = self.find(asset)
        if artifact is None:
            problem = f"{self.recipe} has no {asset} yet."
            raise BadInput(problem, fix=f"Materialize {asset} first: sentinel run {self.recipe}.")
        return artifact

    def origin(self, artifact: Artifact, asset: str) -> Artifact:
        """The very artifact of ``asset`` that ``artifact`` was made from, whatever is current now.

        Raises:
            Infrastructure: it is gone, or ``artifact`` has no such parent.
        """
        for parent in artifact.manifest.parents:
            folder = self.home.runs / parent.recipe / parent.asset / parent.run_id
            if parent.asset == asset and (folder / "manifest.json").is_file():
                return Artifact(folder, read_manifest(folder))
        raise Infrastructure(
            f"the {asset} that {artifact.folder} was made from is missing: rebuild both."
        )

    def assets(self) -> list[str]:
        """Names of the assets that have an artifact or a draft."""
        return sorted(path.name for path in self._assets().glob("*") if path.is_dir())

    def history(self, asset: str) -> list[Artifact]:
        """Every finished artifact of ``asset``, oldest first; one whose manifest is damaged is left
        to ``sentinel verify``."""
        folders = (self._assets() / asset).glob("*/manifest.json")
        artifacts = list[Artifact]()
        for path in folders:
            if path.parent.name[0] != ".":
                with suppress(Infrastructure):
                    artifacts.append(Artifact(path.parent, read_manifest(path.parent)))
        return sorted(
            artifacts, key=lambda artifact: (artifact.manifest.created_at, artifact.manifest.run_id)
        )


def as_written(path: Path, sha256: str) -> bool:
    """Whether a file has these bytes; hashed again only when the file system says that it was
    touched."""
    try:
        status = path.stat()
    except OSError:
        return False
    return (
        _hash(path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns) == sha256
    )


@lru_cache(maxsize=1 << 14)
def _hash(path: Path, *_: int) -> str:
    return sha256_file(path)
