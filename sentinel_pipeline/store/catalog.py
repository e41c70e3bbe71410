"""DuckDB as the reader: in memory, over Parquet, so that no process ever locks another out.

Why in memory: one read-write holder of a DuckDB file shuts every other process out, readers too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def query(sql: str, tables: dict[str, Path], parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Run ``sql`` over Parquet files, each visible as a view of the name it is given; rows as dicts.

    ``sql`` is ours, never a user's or a model's: file access is not restricted here.
    """
    import duckdb

    with duckdb.connect(":memory:") as connection:
        for name, path in tables.items():
            connection.read_parquet(str(path)).create_view(name)
        cursor = connection.execute(sql, parameters or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
