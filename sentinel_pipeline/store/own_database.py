"""A user's database as a ground for tasks: rows drawn at random by seed, and small copies of its
tables as SQL.

SQLite and DuckDB files are opened read-only, Parquet and CSV files are one table with the file's
name. A row is drawn by a hash of the seed and of its content, so the draw does not follow the order
of the table, and rows that are added later change little of it. What this module does not do: make
tasks (``task_sources.grounded``).
"""

from __future__ import annotations

import datetime as dt
import heapq
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadInput, did_you_mean

_SQLITE = b"SQLite format 3\x00"
_BATCH = 32
_MEMORY = "1GiB"
"""Of DuckDB, for a user's file."""
_ROW_BYTES = 8 * 2**20
"""Of one row: nothing honest that a task is made from comes near it."""
_COPIED = 200
"""Rows of each table in a copy."""


class Table(NamedTuple):
    """A table or view, and its columns with their types as DuckDB writes them."""

    name: str
    columns: dict[str, str]


class OwnDatabase:
    """An open database of the user's."""

    def __init__(self, path: Path, connection: Any, tables: dict[str, Table]) -> None:
        self.path = path
        self.tables = tables
        self._connection = connection

    def table(self, name: str, field: str) -> Table:
        """Raises BadInput: there is no such table; ``field`` is the recipe's key."""
        if name not in self.tables:
            problem = f"there is no table {name!r}. {did_you_mean(name, self.tables)}"
            raise BadInput(problem, file=self.path, field=field)
        return self.tables[name]

    def draw(
        self, table: str, where: str | None, count: int, seed: int, field: str
    ) -> list[dict[str, Any]]:
        """``count`` different rows of ``table``, or all; in the order of the draw.

        Raises:
            BadInput: there is no such table, or ``where`` is not a condition on it.
        """
        return [row for _, row in self._drawn(table, where, count, seed, field)]

    def _drawn(
        self, table: str, where: str | None, count: int, seed: int, field: str
    ) -> list[tuple[str, dict[str, Any]]]:
        names = list(self.table(table, field).columns)
        sql = f"select * from {_quoted(table)}" + (f" where {where}" if where else "")
        best: list[tuple[int, str, tuple[Any, ...]]] = []
        keys: set[str] = set()
        for values in self._rows(sql, field):
            content = json.dumps(values, default=str, ensure_ascii=False)
            if content in keys:
                continue
            digest = blake2b(f"{seed}|{content}".encode("utf-8", "surrogatepass"), digest_size=8)
            entry = (-int.from_bytes(digest.digest(), "big"), content, values)
            if len(best) < count:
                heapq.heappush(best, entry)
                keys.add(content)
            elif entry[0] > best[0][0]:
                keys.discard(heapq.heapreplace(best, entry)[1])
                keys.add(content)
        ordered = sorted(best, key=lambda entry: entry[:2], reverse=True)
        return [(content, dict(zip(names, values, strict=True))) for _, content, values in ordered]

    def _rows(self, sql: str, field: str) -> Iterator[tuple[Any, ...]]:
        import duckdb

        try:
            cursor = self._connection.execute(sql)
            while batch := cursor.fetchmany(_BATCH):
                for row in map(tuple, batch):
                    size = sum(len(value) for value in row if isinstance(value, (str, bytes)))
                    if size > _ROW_BYTES:
                        problem = f"a row has {size} characters, the most is {_ROW_BYTES}."
                        raise BadInput(problem, file=self.path, field=field)
                    yield row
        except (sqlite3.Error, duckdb.Error) as error:
            words = str(error).partition("\n")[0]
            raise BadInput(
                f"{sql!r} cannot be run: {words}.", file=self.path, field=field
            ) from error

    def copy_sql(self, seed: int, field: str, rows: int = _COPIED) -> str:
        """SQL for DuckDB that makes every table, views as tables too, with ``rows`` rows of each
        drawn by ``seed``."""
        statements = []
        for table in self.tables.values():
            drawn = self._drawn(table.name, None, rows, seed, field)
            columns = {
                name: _fitting(kind, [row[name] for _, row in drawn])
                for name, kind in table.columns.items()
            }
            declared = ", ".join(f"{_quoted(name)} {kind}" for name, kind in columns.items())
            statements.append(f"CREATE TABLE {_quoted(table.name)} ({declared});")
            if drawn:
                values = ",\n".join(
                    f"({', '.join(_literal(value) for value in row.values())})" for _, row in drawn
                )
                statements.append(f"INSERT INTO {_quoted(table.name)} VALUES\n{values};")
        return "\n".join(statements)


@contextmanager
def open_database(path: Path, field: str) -> Iterator[OwnDatabase]:
    """Open ``path`` for reading; ``field`` is the recipe's key.

    Raises:
        BadInput: there is no such file, or it is of another kind.
    """
    import duckdb

    if not path.is_file():
        fix = "Check the path; it is relative to the project's root."
        raise BadInput("there is no such file.", file=path, field=field, fix=fix)
    with path.open("rb") as stream:
        start = stream.read(len(_SQLITE))
    try:
        if start == _SQLITE:
            uri = f"{path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                yield OwnDatabase(path, connection, _sqlite_tables(connection))
            return
        if path.suffix in (".parquet", ".csv"):
            with duckdb.connect(
                ":memory:", config={"threads": 1, "memory_limit": _MEMORY}
            ) as memory:
                read = memory.read_parquet if path.suffix == ".parquet" else memory.read_csv
                read(str(path)).create_view(path.stem)
                yield OwnDatabase(path, memory, _duckdb_tables(memory))
            return
        with duckdb.connect(
            str(path), read_only=True, config={"memory_limit": _MEMORY}
        ) as database:
            yield OwnDatabase(path, database, _duckdb_tables(database))
    except (sqlite3.DatabaseError, duckdb.Error) as error:
        words = str(error).partition("\n")[0]
        fix = "Expected a SQLite or DuckDB file, Parquet or CSV."
        raise BadInput(f"cannot be read: {words}.", file=path, field=field, fix=fix) from error


def _sqlite_tables(connection: sqlite3.Connection) -> dict[str, Table]:
    query = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%' order by name"
    tables = {}
    for (name,) in connection.execute(query).fetchall():
        columns = connection.execute(f"select * from pragma_table_info({_literal(name)})")
        kinds = {row[1]: _duckdb_type(row[2]) for row in columns.fetchall()}
        tables[name] = Table(name, kinds)
    return tables


def _duckdb_tables(connection: Any) -> dict[str, Table]:
    query = "select table_name, column_name, data_type from information_schema.columns order by table_name, ordinal_position"
    tables: dict[str, Table] = {}
    for name, column, kind in connection.execute(query).fetchall():
        tables.setdefault(name, Table(name, {})).columns[column] = kind
    return tables


def _duckdb_type(declared: str) -> str:
    """SQLite's type of a column, by its own rules of affinity; dates and truths are told apart."""
    text = declared.upper()
    for pattern, kind in (
        (r"BOOL", "BOOLEAN"),
        (r"^DATE$", "DATE"),
        (r"DATETIME|TIMESTAMP", "TIMESTAMP"),
        (r"INT", "BIGINT"),
        (r"REAL|FLOA|DOUB|DEC|NUM", "DOUBLE"),
    ):
        if re.search(pattern, text):
            return kind
    return "VARCHAR"


def _fitting(kind: str, values: list[Any]) -> str:
    """SQLite holds any value in any column: a type that one of the values is not of is text."""
    checks = {
        "DATE": dt.date.fromisoformat,
        "TIMESTAMP": dt.datetime.fromisoformat,
        "BIGINT": int,
        "DOUBLE": float,
        "BOOLEAN": lambda value: [0, 1].index(int(value)),
    }
    check: Any = checks.get(kind)
    for value in values:
        if value is None or check is None or isinstance(value, (dt.date, Decimal)):
            continue
        try:
            check(value)
        except (ValueError, TypeError):
            return "VARCHAR"
    return kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
