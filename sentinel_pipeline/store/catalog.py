"""DuckDB as the reader: in memory, over Parquet, so that no process ever locks another out.

Why in memory: one read-write holder of a DuckDB file shuts every other process out, readers too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_BATCH = 4096


def stream(sql: str, tables: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Like ``query``, a batch of rows in memory at a time; the order is that of the query on one thread."""
    with _open(tables) as connection:
        connection.execute("set threads = 1")
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or []]
        while batch := cursor.fetchmany(_BATCH):
            yield from (dict(zip(names, row, strict=True)) for row in batch)


def query(sql: str, tables: dict[str, Path], parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Run ``sql`` over Parquet files, each visible as a view of the name it is given; rows as dicts.

    ``sql`` is ours, never a user's or a model's: file access is not restricted here.
    """
    with _open(tables) as connection:
        cursor = connection.execute(sql, parameters or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def sql_problem(text: str) -> str | None:
    """The first line of what DuckDB's parser says against ``text``, None where it parses. Nothing is bound or run."""
    import duckdb

    try:
        _parser().extract_statements(text)
    except duckdb.Error as error:
        return str(error).partition("\n")[0].removeprefix("Parser Error: ")
    return None


@cache
def _parser() -> Any:
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


@contextmanager
def _open(tables: dict[str, Path]) -> Iterator[Any]:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        connection.execute("set enable_progress_bar = false")  # it would stand on standard output, among a verb's JSON
        for name, path in tables.items():
            connection.read_parquet(str(path)).create_view(name)
        yield connection
