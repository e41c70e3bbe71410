"""Hashing again what was written: every artifact against its manifest, every state database by
SQLite's own check.

What this module does not do: repair. A damaged artifact is rebuilt by whoever needs it, a damaged
database is brought back from a snapshot (``mirror``).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ..errors import Infrastructure
from .artifacts import Artifact
from .files import sha256_file
from .home import Home
from .manifest import read_manifest


class Damage(NamedTuple):
    """One file that is not what was written. ``artifact`` is ``RECIPE/ASSET/RUN_ID``, or ``state``
    for a database."""

    artifact: str
    file: str


def finished(home: Home) -> list[Path]:
    """Folders of every finished artifact, sorted."""
    return sorted(
        path.parent for path in home.runs.glob("*/*/*/manifest.json") if path.parent.name[0] != "."
    )


def damage_of(home: Home, folder: Path) -> list[Damage]:
    """What is damaged in one finished artifact; its manifest where that cannot be read or does not
    fit itself."""
    name = folder.relative_to(home.runs).as_posix()
    try:
        files = Artifact(folder, read_manifest(folder)).damage()
    except Infrastructure:
        files = ["manifest.json"]
    return [Damage(name, file) for file in files]


def damage_by_part(
    home: Home, folders: Sequence[Path], done: int, seconds: float
) -> tuple[list[Damage], int]:
    """Like ``damage_of`` for all files of ``folders`` from place ``done`` on, for about
    ``seconds``; beside it the place reached.

    For whoever may not stay long. Each call hashes one file at least; one that reaches no further
    place than it was given is at the end.
    """
    damages = list[Damage]()
    deadline = time.monotonic() + seconds
    place = 0
    for folder in folders:
        name = folder.relative_to(home.runs).as_posix()
        try:
            entries = read_manifest(folder).files
        except Infrastructure:
            entries = ()
            if place >= done:
                damages.append(Damage(name, "manifest.json"))
        place += 1
        for entry in entries:
            if place >= done:
                if place > done and time.monotonic() > deadline:
                    return damages, place
                path = folder / entry.path
                if not path.is_file() or sha256_file(path) != entry.sha256:
                    damages.append(Damage(name, entry.path))
            place += 1
    return damages, max(place, done)


def database_damage(home: Home) -> list[Damage]:
    """State databases that SQLite itself finds damaged; one that is not there is none."""
    databases = (home.ledger, home.outbox, home.review, home.label_cache)
    return [Damage("state", path.name) for path in databases if path.exists() and not _sound(path)]


def _sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return [row[0] for row in connection.execute("pragma quick_check(1)")] == ["ok"]
    except sqlite3.DatabaseError:
        return False
