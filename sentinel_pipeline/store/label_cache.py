"""Labels that were worked out once, by what was labelled: a rerun labels only what changed, a
killed run goes on.

One SQLite file in WAL mode. A key is a hash of everything that decides the labels: the row's
content, the scorer's version and the limits; so a changed scorer asks again by itself. A batch is
durable before the next one begins. What this module does not do: decide what a key holds
(``critic.labels`` does), or keep labels that infrastructure left open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ..records import LABELS, CriticLabels, Label
from .files import private_file

_SCHEMA = """
create table if not exists labels (
    key blob primary key,
    scorer_version text not null,
    labels text not null
) without rowid;
"""
StateError = sqlite3.Error
"""What ends the reading or keeping of labels: for callers that go on without."""
_ASKED = 500
"""Keys in one query."""


class LabelCache:
    """The labels kept in one file, made on first use; several processes may read and write at once.

    Raises:
        sqlite3.OperationalError: the file cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        private_file(path)
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(_SCHEMA)
        self.known = self.unknown = 0
        """Keys that ``find`` found, and did not find, since this object was made."""

    def __enter__(self) -> LabelCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, CriticLabels]:
        """The labels of those keys that are kept; their ``id`` is empty, since equal content may
        stand in many rows."""
        cached: dict[bytes, CriticLabels] = {}
        for start in range(0, len(keys), _ASKED):
            part = keys[start : start + _ASKED]
            marks = ",".join("?" * len(part))
            sql = f"select key, scorer_version, labels from labels where key in ({marks})"
            for key, version, text in self._connection.execute(sql, part):
                labels = {
                    name: Label(*pair) for name, pair in zip(LABELS, json.loads(text), strict=True)
                }
                cached[key] = CriticLabels(id="", **labels, scorer_version=version)
        hits = sum(key in cached for key in keys)
        self.known, self.unknown = self.known + hits, self.unknown + len(keys) - hits
        return cached

    def keep(self, labelled: Mapping[bytes, CriticLabels]) -> None:
        """Keep labels under their keys, in one transaction."""
        rows = [
            (
                key,
                labels.scorer_version,
                json.dumps([getattr(labels, name) for name in LABELS], separators=(",", ":")),
            )
            for key, labels in labelled.items()
        ]
        self._connection.execute("begin immediate")
        self._connection.executemany("insert or replace into labels values (?, ?, ?)", rows)
        self._connection.execute("commit")

    def forget_others(self, versions: Iterable[str]) -> int:
        """Delete the labels of every scorer version but these; returns how many rows went."""
        current = tuple(versions)
        marks = ",".join("?" * len(current))
        return self._connection.execute(
            f"delete from labels where scorer_version not in ({marks})", current
        ).rowcount
