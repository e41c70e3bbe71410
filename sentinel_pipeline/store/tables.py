"""Parquet in and out, streaming in row groups; the tables' schemas.

DuckDB reads these files in memory and holds no lock (``catalog.py``); nothing here keeps more than one row group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import LABELS
from .files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 8192


def schema(name: str) -> pa.Schema:
    """The Arrow schema of the table called ``name``: tasks, candidates, labels, rows, samples, quarantine or repairs."""
    import pyarrow as pa

    text, integer, flag = pa.string(), pa.int64(), pa.bool_()
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    columns: dict[str, list[tuple[str, Any]]] = {
        "tasks": [
            ("id", text), ("suite", text), ("category", text), ("family", text), ("messages", messages),
            ("verifier", text), ("reference", text), ("composition", text),
        ],
        "candidates": [
            ("id", text), ("source", text), ("messages", messages), ("completion", text), ("category", text),
            ("task_id", text), ("verifier", text), ("file", text), ("line", integer), ("planted", text),
        ],
        "labels": [
            ("id", text),
            *[pair for label in LABELS for pair in ((label, flag), (f"{label}_reason", text))],
            ("scorer_version", text),
        ],
        "rows": [
            ("id", text), ("category", text), ("messages", messages), ("completion", text), ("origin", text),
            ("task_id", text),
        ],
        "repairs": [
            ("id", text), ("task_id", text), ("category", text), ("failed_id", text), ("accepted_id", text),
            ("reason", text), ("messages", messages), ("completion", text),
        ],
        "samples": [
            ("task_id", text), ("category", text), ("family", text), ("completion", text), ("outcome", text),
            ("reason", text), ("syntax_ok", flag), ("stopped", flag), ("tokens", integer),
        ],
        "quarantine": [("file", text), ("line", integer), ("reason", text), ("excerpt", text)],
    }  # fmt: skip
    return pa.schema(columns[name])


def write_parquet(path: Path, rows: Iterable[dict[str, Any]], table: str) -> int:
    """Write ``rows`` as the table called ``table`` (see ``schema``), atomically and streaming; returns the row count."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow, count = schema(table), 0
    with atomic_write(path, "wb") as stream, pq.ParquetWriter(stream, arrow, compression="zstd") as writer:
        for batch in _batched(rows):
            writer.write_table(pa.Table.from_pylist(batch, schema=arrow))
            count += len(batch)
    return count


def read_parquet(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file as dicts, one row group in memory at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=columns).to_pylist()


def parquet_rows(path: Path) -> int:
    """Row count from the file's footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _batched(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROW_GROUP:
            yield batch
            batch = []
    if batch:
        yield batch
