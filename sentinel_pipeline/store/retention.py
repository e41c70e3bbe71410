"""What may be removed: old artifacts that nothing names, and drafts that nobody will finish.

Kept, whatever their age: the newest ``keep`` artifacts of each asset, the current one, every one that a ledger entry or a
release names by its content hash, and all that those newest ones and releases were made from. Removal is by rename first: a
killed run leaves no half artifact behind. What this module does not do: touch Dagster's storage, the ledger or the queue.
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
    found = [*_trash(home), *_drafts(home, oldest)]
    for recipe in sorted(path.name for path in home.runs.glob("*") if path.is_dir()):
        found += _artifacts(home, recipe, keep, oldest)
    return sorted(found, key=lambda one: (one.folder.stat().st_mtime, str(one.folder)))


def remove(doomed: Iterable[Removable]) -> Iterator[Removable]:
    """Remove one folder after the other, yielding each when it is gone."""
    for one in doomed:
        trash = one.folder
        if not trash.name.startswith(_TRASH):
            trash = one.folder.with_name(f"{_TRASH}{one.folder.name}")
            os.replace(one.folder, trash)
        shutil.rmtree(trash)
        yield one


def _artifacts(home: Home, recipe: str, keep: int, oldest: float) -> Iterator[Removable]:
    store = Store.reading(home, recipe)
    every = {asset: store.history(asset) for asset in store.assets()}
    newest = [made for history in every.values() for made in history[-max(keep, 1) :]]
    newest += [made for asset in every if (made := store.find(asset))]
    releases = every.get(RELEASE, [])
    named = {verdict.subject_hash for verdict in Ledger(home.ledger).verdicts(recipe=recipe)}
    kept = with_ancestors(home, [*newest, *releases])
    for made in (one for history in every.values() for one in history):
        if (
            made.folder not in kept
            and made.hash not in named
            and made.folder.stat().st_mtime < oldest
        ):
            yield Removable(
                made.folder,
                _size(made.folder),
                f"older than the newest {keep}, and nothing names it",
            )


def with_ancestors(home: Home, made: Iterable[Artifact]) -> set[Path]:
    """Folders of artifacts and of all that they were made from, as far as those still exist."""
    kept: set[Path] = set()
    waiting = list(made)
    while waiting:
        one = waiting.pop()
        if one.folder in kept:
            continue
        kept.add(one.folder)
        for parent in one.manifest.parents:
            folder = home.runs / parent.recipe / parent.asset / parent.run_id
            if (folder / "manifest.json").is_file():
                waiting.append(Artifact(folder, read_manifest(folder)))
    return kept


def _drafts(home: Home, oldest: float) -> Iterator[Removable]:
    for folder in home.runs.glob("*/*/.draft-*"):
        if _touched(folder) < oldest:
            yield Removable(folder, _size(folder), "a draft that nobody went on with")


def _trash(home: Home) -> Iterator[Removable]:
    for folder in home.runs.glob(f"*/*/{_TRASH}*"):
        yield Removable(folder, _size(folder), "left by a removal that was interrupted")


def _touched(folder: Path) -> float:
    """When anything in the folder was written last."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _size(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
