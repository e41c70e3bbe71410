"""What may be removed: old artifacts that nothing names, drafts that nobody will finish, and the
recipes that were frozen for runs of which nothing is left.

Kept, whatever their age: the newest ``keep`` artifacts of each asset, the current one, every one
that a ledger entry or a release names by its content hash, those that a person archived, all that
those newest ones, releases and archived ones were made from, and the frozen recipe of every run
that has an artifact or a draft. What a person marked as superseded does not count among the newest,
and no verdict keeps it. Removal is by rename first: a killed run leaves no half artifact behind.
What this module does not do: touch Dagster's storage, the ledger or the queue.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import SentinelError
from ..records.mark import Mark
from .artifacts import Artifact, Store
from .home import Home
from .ledger import Ledger
from .manifest import read_manifest

RELEASE = "release_bundle"
LEAST_DAYS = 1.0
"""A frozen recipe stays at least so long, whatever is asked: its run may not have begun its first
artifact."""
_TRASH = ".trash-"
_DRAFT = ".draft-"


class Removable(NamedTuple):
    """A folder, or a file of a run's frozen recipe, that retention allows to remove."""

    folder: Path
    bytes: int
    why: str


def removable(home: Home, *, keep: int, days: float) -> list[Removable]:
    """What is older than ``days`` and may go: folders, oldest first, then the frozen recipes of
    runs that those were the last of; ``keep`` is at least 1."""
    oldest = time.time() - days * 86_400
    candidates = [
        Removable(folder, _size(folder), "left by a removal that was interrupted")
        for folder in home.runs.glob(f"*/*/{_TRASH}*")
    ]
    for folder in home.runs.glob(f"*/*/{_DRAFT}*"):
        written = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        if written < oldest:
            reason = "an abandoned draft"
            candidates.append(Removable(folder, _size(folder), reason))
    marks = Ledger(home.ledger).marks()
    folders = [home.runs / name for name, mark in marks.items() if mark.state == "archived"]
    there = [folder for folder in folders if (folder / "manifest.json").is_file()]
    archived = with_ancestors(home, (Artifact(folder, read_manifest(folder)) for folder in there))
    for recipe in sorted(path.name for path in home.runs.glob("*") if path.is_dir()):
        candidates += _artifacts(home, recipe, keep, oldest, marks, archived)
    candidates.sort(key=lambda candidate: (candidate.folder.stat().st_mtime, str(candidate.folder)))
    going = {candidate.folder for candidate in candidates}
    # Last, so that no artifact outlives its recipe where the removal is killed.
    return [*candidates, *_frozen(home, going, time.time() - max(days, LEAST_DAYS) * 86_400)]


def remove(doomed: Iterable[Removable]) -> Iterator[Removable]:
    """Remove one after the other, yielding each when it is gone."""
    for item in doomed:
        trash = item.folder
        if trash.is_file():
            trash.unlink()
            yield item
            continue
        if not trash.name.startswith(_TRASH):
            trash = item.folder.with_name(f"{_TRASH}{item.folder.name}")
            os.replace(item.folder, trash)
        shutil.rmtree(trash)
        yield item


def _frozen(home: Home, going: set[Path], oldest: float) -> Iterator[Removable]:
    """Names of loops of which no artifact and no draft stays, then copies of recipes that no loop
    names any more. A manifest that cannot be read may be of any loop of its recipe."""
    loops: set[str] = set()
    damaged: set[str] = set()
    for folder in home.runs.glob("*/*/*"):
        if folder in going or not folder.is_dir() or folder.is_symlink():
            continue
        if folder.name.startswith(_DRAFT):
            loops.add(folder.name.removeprefix(_DRAFT))
            continue
        try:
            manifest = read_manifest(folder)
        except (SentinelError, OSError):
            damaged.add(folder.parent.parent.name)
            continue
        loops |= {manifest.loop_id, manifest.run_id}
    needed: set[str] = set()
    for pointer in sorted((home.state / "launched").glob("*")):
        sha256, _, recipe = pointer.read_text(encoding="utf-8").strip().partition(" ")
        used = pointer.name in loops or recipe in damaged
        if used or pointer.stat().st_mtime >= oldest:
            needed.add(sha256)
        else:
            reason = f"nothing is left of the run that was launched with this {recipe}"
            yield Removable(pointer, pointer.stat().st_size, reason)
    for copy in sorted((home.state / "recipes").glob("*")):
        if copy.name not in needed and copy.stat().st_mtime < oldest:
            yield Removable(copy, _size(copy), "no run was launched with this recipe any more")


def _artifacts(
    home: Home,
    recipe: str,
    keep: int,
    oldest: float,
    marks: Mapping[str, Mark],
    archived: set[Path],
) -> Iterator[Removable]:
    store = Store.reading(home, recipe)
    every = {asset: store.history(asset) for asset in store.assets()}
    superseded = {
        home.runs / name: mark for name, mark in marks.items() if mark.state == "superseded"
    }
    newest = [
        artifact
        for history in every.values()
        for artifact in [each for each in history if each.folder not in superseded][-max(keep, 1) :]
    ]
    newest += [artifact for asset in every if (artifact := store.find(asset))]
    releases = every.get(RELEASE, [])
    named = {verdict.subject_hash for verdict in Ledger(home.ledger).verdicts(recipe=recipe)}
    needed = with_ancestors(home, [*newest, *releases]) | archived
    for artifact in (entry for history in every.values() for entry in history):
        if artifact.folder in needed or artifact.folder.stat().st_mtime >= oldest:
            continue
        if artifact.folder in superseded:
            words = superseded[artifact.folder].words
            yield Removable(artifact.folder, _size(artifact.folder), words)
        elif artifact.hash not in named:
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
