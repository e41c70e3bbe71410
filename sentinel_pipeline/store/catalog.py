"""DuckDB as the reader: in memory, over Parquet, so that no process ever locks another out.

Why in memory: one read-write holder of a DuckDB file shuts every other process out, readers too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_BATCH = 4096


def stream(
    sql: str, tables: dict[str, Path], parameters: list[Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Like ``query``, a batch of rows in memory at a time; the order is that of the query on one
    thread."""
    with _open(tables) as connection:
        connection.execute("set threads = 1")
        cursor = connection.execute(sql, parameters or [])
        names = [column[0] for column in cursor.description or []]
        while batch := cursor.fetchmany(_BATCH):
            yield from (dict(zip(names, row, strict=True)) for row in batch)


def query(
    sql: str, tables: dict[str, Path], parameters: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Run ``sql`` over Parquet files, each visible as a view of the name it is given; rows as
    dicts.

    ``sql`` is ours, never a user's or a model's: file access is not restricted here.
    """
    cursor = _shared(os.getpid()).cursor()
    try:
        for name, path in tables.items():
            place = str(path).replace("'", "''")
            # Temporary: seen by this cursor alone, whatever other threads call their tables.
            cursor.execute(f"create temp view {name} as select * from read_parquet('{place}')")
        cursor.execute(sql, parameters or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        cursor.close()


class Workbench:
    """Tables too large for memory, sorted and joined: DuckDB under a memory limit that spills to a
    folder of the run's own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def view(self, name: str, path: Path, *, numbered: bool = False) -> None:
        """Make a Parquet file visible as ``name``; ``numbered``: with a column ``file_row_number``,
        from 0."""
        self._connection.read_parquet(str(path), file_row_number=numbered).create_view(name)

    def run(self, sql: str, parameters: list[Any] | None = None) -> None:
        """A statement without a result; ``sql`` is ours, values that are not go into
        ``parameters``."""
        self._connection.execute(sql, parameters or [])

    def rows(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """A small result, whole; several threads may ask at once."""
        cursor = self._connection.cursor()
        rows: list[tuple[Any, ...]] = cursor.execute(sql, parameters or []).fetchall()
        return rows

    def columns(self, sql: str) -> Iterator[dict[str, Any]]:
        """A large result in chunks: column name -> numpy array."""
        for batch in self._connection.cursor().sql(sql).to_arrow_reader(1 << 18):
            yield {
                name: batch.column(name).to_numpy(zero_copy_only=False)
                for name in batch.schema.names
            }


def in_memory(memory_mib: int) -> Workbench:
    """A workbench that its owner keeps, for a summary that is asked again and again; it never
    spills."""
    import duckdb

    config: dict[str, Any] = {"memory_limit": f"{memory_mib}MiB", "threads": 1}
    return Workbench(duckdb.connect(":memory:", config=config))


@contextmanager
def workbench(folder: Path, memory_mib: int) -> Iterator[Workbench]:
    """A workbench that spills into ``folder``; results do not depend on the number of threads where
    the SQL orders them."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "memory_limit": f"{memory_mib}MiB",
        "temp_directory": str(folder),
        "threads": 2,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("set preserve_insertion_order = false")
        yield Workbench(connection)


def sql_problem(text: str) -> str | None:
    """The first line of what DuckDB's parser says against ``text``, None where it parses. Nothing
    is bound or run."""
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


@cache
def _shared(process: int) -> Any:
    """One database in memory for the small queries of this process: to make one takes longer than
    most of them. A forked process makes its own."""
    import duckdb

    connection = duckdb.connect(":memory:")
    # It would stand on standard output, among a verb's JSON.
    connection.execute("set enable_progress_bar = false")
    return connection


@contextmanager
def _open(tables: dict[str, Path]) -> Iterator[Any]:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        connection.execute(
            "set enable_progress_bar = false"
        )  # it would stand on standard output, among a verb's JSON
        for name, path in tables.items():
            connection.read_parquet(str(path)).create_view(name)
        yield connection
