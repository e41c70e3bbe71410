"""What may be removed: old artifacts that nothing names, and drafts that nobody will finish.

Kept, whatever their age: the newest ``keep`` artifacts of each asset, the current one, every one
that a ledger entry or a release names by its content hash, and all that those newest ones and
releases were made from. Removal is by rename first: a killed run leaves no half artifact behind.
What this module does not do: touch Dagster's storage, the ledger or the queue.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .artifacts import Artifact, Store
from .home import Home
from .ledger import Ledger
from .manifest import read_manifest

RELEASE = "release_bundle"
_TRASH = ".trash-"


class Removable(NamedTuple):
    """A folder that retention allows to remove."""

    folder: Path
    bytes: int
    why: str


def removable(home: Home, *, keep: int, days: float) -> list[Removable]:
    """Folders older than ``days`` that may go, oldest first; ``keep`` is at least 1."""
    oldest = time.time() - days * 86_400
    candidates = [
        Removable(folder, _size(folder), "left by a removal that was interrupted")
        for folder in home.runs.glob(f"*/*/{_TRASH}*")
    ]
    for folder in home.runs.glob("*/*/.draft-*"):
        written = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        if written < oldest:
            reason = "an abandoned draft"
            candidates.append(Removable(folder, _size(folder), reason))
    for recipe in sorted(path.name for path in home.runs.glob("*") if path.is_dir()):
        candidates += _artifacts(home, recipe, keep, oldest)
    return sorted(
        candidates, key=lambda candidate: (candidate.folder.stat().st_mtime, str(candidate.folder))
    )


def remove(doomed: Iterable[Removable]) -> Iterator[Removable]:
    """Remove one folder after the other, yielding each when it is gone."""
    for item in doomed:
        trash = item.folder
        if not trash.name.startswith(_TRASH):
            trash = item.folder.with_name(f"{_TRASH}{item.folder.name}")
            os.replace(item.folder, trash)
        shutil.rmtree(trash)
        yield item


def _artifacts(home: Home, recipe: str, keep: int, oldest: float) -> Iterator[Removable]:
    store = Store.reading(home, recipe)
    every = {asset: store.history(asset) for asset in store.assets()}
    newest = [artifact for history in every.values() for artifact in history[-max(keep, 1) :]]
    newest += [artifact for asset in every if (artifact := store.find(asset))]
    releases = every.get(RELEASE, [])
    named = {verdict.subject_hash for verdict in Ledger(home.ledger).verdicts(recipe=recipe)}
    needed = with_ancestors(home, [*newest, *releases])
    for artifact in (entry for history in every.values() for entry in history):
        if (
            artifact.folder not in needed
            and artifact.hash not in named
            and artifact.folder.stat().st_mtime < oldest
        ):
            reason = f"older than the newest {keep}, and nothing names it"
            yield Removable(artifact.folder, _size(artifact.folder), reason)


def with_ancestors(home: Home, artifacts: Iterable[Artifact]) -> set[Path]:
    """Folders of artifacts and of all that they were made from, as far as those still exist."""
    folders: set[Path] = set()
    waiting = list(artifacts)
    while waiting:
        artifact = waiting.pop()
        if artifact.folder in folders:
            continue
        folders.add(artifact.folder)
        for parent in artifact.manifest.parents:
            folder = home.runs / parent.recipe / parent.asset / parent.run_id
            if (folder / "manifest.json").is_file():
                waiting.append(Artifact(folder, read_manifest(folder)))
    return folders


def lineage(home: Home, artifact: Artifact) -> list[Artifact]:
    """The artifact and all that it was made from, as far as that still exists; oldest first."""
    folders = with_ancestors(home, [artifact])
    artifacts = [Artifact(folder, read_manifest(folder)) for folder in folders]
    return sorted(artifacts, key=lambda ancestor: ancestor.manifest.created_at)


def _size(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
