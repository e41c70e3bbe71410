"""Parquet in and out, streaming in row groups; the tables' schemas.

DuckDB reads these files in memory and holds no lock (``catalog.py``); nothing here keeps more than one row group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import LABELS
from .files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP = 8192
GROUP_CHARS = 32 * 2**20
"""A row group of long rows ends earlier, so that neither writer nor reader holds more text than about this."""


def schema(name: str) -> pa.Schema:
    """The Arrow schema of the table called ``name``: one of the tables of an artefact."""
    import pyarrow as pa

    text, integer, flag = pa.string(), pa.int64(), pa.bool_()
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    candidate = [
        ("id", text), ("source", text), ("messages", messages), ("completion", text), ("category", text),
        ("task_id", text), ("verifier", text), ("file", text), ("line", integer),
        ("corrected_by", text), ("planted", text),
    ]  # fmt: skip
    labels = [pair for label in LABELS for pair in ((label, flag), (f"{label}_reason", text))] + [
        ("scorer_version", text)
    ]
    columns: dict[str, list[tuple[str, Any]]] = {
        "tasks": [
            ("id", text), ("suite", text), ("category", text), ("family", text), ("messages", messages),
            ("verifier", text), ("reference", text), ("composition", text),
        ],
        "candidates": candidate,
        "labels": [("id", text), *labels],
        "rejected": [*candidate, *labels],
        "rows": [
            ("id", text), ("category", text), ("messages", messages), ("completion", text), ("origin", text),
            ("task_id", text),
        ],
        "left_out": [
            ("id", text), ("origin", text), ("source", text), ("category", text), ("category_reason", text),
            ("reason", text), ("stood_for_by", text), ("similarity", pa.float64()),
        ],
        "repairs": [
            ("id", text), ("task_id", text), ("category", text), ("failed_id", text), ("accepted_id", text),
            ("reason", text), ("messages", messages), ("completion", text),
        ],
        "pairs": [
            ("id", text), ("task_id", text), ("category", text), ("family", text), ("messages", messages),
            ("chosen", text), ("rejected", text), ("chosen_source", text), ("kind", text), ("reason", text),
            ("chosen_score", pa.float64()), ("rejected_score", pa.float64()),
        ],
        "samples": [
            ("task_id", text), ("category", text), ("family", text), ("completion", text), ("outcome", text),
            ("reason", text), ("syntax_ok", flag), ("stopped", flag), ("tokens", integer),
        ],
        "conversations": [("messages", messages)],
        "quarantine": [("file", text), ("line", integer), ("reason", text), ("excerpt", text)],
    }  # fmt: skip
    return pa.schema(columns[name])


class TableWriter:
    """Appends rows to one Parquet table, holding at most one row group."""

    def __init__(self, writer: pq.ParquetWriter, arrow: pa.Schema) -> None:
        self._writer, self._schema, self._batch = writer, arrow, list[dict[str, Any]]()
        self._chars = 0
        self.rows = 0

    def append(self, row: dict[str, Any]) -> None:
        self._batch.append(row)
        self.rows += 1
        self._chars += sum(len(value) for value in row.values() if type(value) is str)
        self._chars += sum(len(turn["content"]) for turn in row.get("messages") or ())
        if len(self._batch) == ROW_GROUP or self._chars > GROUP_CHARS:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._batch:
            self._writer.write_table(pa.Table.from_pylist(self._batch, schema=self._schema))
            self._batch, self._chars = [], 0


@contextmanager
def table_writer(path: Path, table: str) -> Iterator[TableWriter]:
    """A writer of the table called ``table`` (see ``schema``); the file appears whole on a clean exit, else not at all."""
    import pyarrow.parquet as pq

    arrow = schema(table)
    with atomic_write(path, "wb") as stream, pq.ParquetWriter(stream, arrow, compression="zstd") as parquet:
        writer = TableWriter(parquet, arrow)
        yield writer
        writer.flush()


def write_parquet(path: Path, rows: Iterable[dict[str, Any]], table: str) -> int:
    """Write ``rows`` as the table called ``table``, atomically and streaming; returns the row count."""
    with table_writer(path, table) as writer:
        for row in rows:
            writer.append(row)
    return writer.rows


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
