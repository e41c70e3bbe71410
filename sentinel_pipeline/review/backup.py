"""Backup and restore: every table as gzipped JSON lines, from either kind of database into either.

A backup is one consistent view, taken while people work on; it is also the way from SQLite to
Postgres. Sessions are left out, token hashes are in: keep the file as you would keep the database.
What this module does not do: merge.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from ..errors import BadInput
from ..store import atomic_write
from .review_queue import Conflict, ReviewQueue
from .schema import BELONGING, DATA_TABLES, LATEST, recipes_from_records

_FORMAT = "sentinel-review-backup"
_ROWS = 500
_LONGEST = 64 * 2**20
"""Characters of a line: a card's record, its task and what is searched in it, each of at most a
line of an import."""


def backup(desk: ReviewQueue, path: Path) -> dict[str, int]:
    """Write the backup, whole or not at all; returns the rows of each table."""
    counts: dict[str, int] = {}
    with (
        atomic_write(path, "wb", private=True) as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as stream,
        desk.db.reading() as connection,
    ):
        _line(stream, {"format": _FORMAT, "schema": LATEST})
        for table in DATA_TABLES:
            rows = connection.execution_options(yield_per=_ROWS).execute(
                select(table).order_by(*table.primary_key)
            )
            for row in rows.mappings():
                _line(stream, {"table": table.name, "row": dict(row)})
                counts[table.name] = counts.get(table.name, 0) + 1
        _line(stream, {"end": counts})
    return counts


def _line(stream: gzip.GzipFile, value: dict[str, Any]) -> None:
    stream.write(json.dumps(value).encode() + b"\n")


def restore(desk: ReviewQueue, path: Path) -> dict[str, int]:
    """Fill an empty queue from a backup, in one transaction.

    Raises:
        Conflict: the queue is not empty.
        BadInput: the file is not a backup, is damaged, cut off, or of a newer version.
    """
    if path.exists() and not path.is_file():
        raise BadInput("not a file.", file=path, fix="Name a backup.")
    with desk.db.writing() as connection:
        for table in DATA_TABLES:
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                fix = "Restore into a fresh database: nothing is ever merged."
                raise Conflict("the queue is not empty.", fix=fix)
        try:
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                counts = _fill(connection, stream, path)
        except (
            *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zlib.error),
            *(RecursionError, SQLAlchemyError),
        ) as error:
            problem = (
                f"not a whole backup: {(str(error).splitlines() or [type(error).__name__])[0]}."
            )
            raise BadInput(problem, file=path, fix="Use another one.") from error
        if not desk.db.is_sqlite:
            _advance_sequences(connection)
    return counts


def _fill(connection: Connection, stream: IO[str], path: Path) -> dict[str, int]:
    tables = {table.name: table for table in DATA_TABLES}
    head = json.loads(stream.readline(1000) or "{}")
    if head.get("format") != _FORMAT:
        raise ValueError("its first line is not that of a backup")
    if head["schema"] > LATEST:
        raise ValueError(f"it has schema {head['schema']}, this version knows {LATEST}")
    counts: dict[str, int] = {}
    for name, row in _rows(stream, counts):
        connection.execute(insert(tables[name]).values(row))
    if head["schema"] < BELONGING:
        recipes_from_records(connection)
    return counts


def _rows(stream: IO[str], counts: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    while line := stream.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise ValueError(f"a line has more than {_LONGEST} characters")
        value = json.loads(line)
        if "end" in value:
            if value["end"] != counts:
                raise ValueError("rows are missing")
            return
        counts[value["table"]] = counts.get(value["table"], 0) + 1
        yield value["table"], value["row"]
    raise ValueError("it is cut off")


def _advance_sequences(connection: Connection) -> None:
    """Rows came with their numbers; Postgres has to be told where to go on."""
    for table in DATA_TABLES:
        column = next(
            (column.name for column in table.primary_key if column.autoincrement is True), None
        )
        if column:
            sequence = f"pg_get_serial_sequence('{table.name}', '{column}')"
            highest = f"coalesce((select max({column}) from {table.name}), 0) + 1"
            connection.execute(text(f"select setval({sequence}, {highest}, false)"))
