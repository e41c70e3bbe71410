"""Parquet in and out, streaming in row groups; the tables' schemas.

DuckDB reads these files in memory and holds no lock (``catalog.py``); nothing here keeps more than
one row group.
"""

from __future__ import annotations

from bisect import bisect_left
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
"""A row group of long rows ends earlier, so that neither writer nor reader holds more text than
about this."""


def schema(name: str) -> pa.Schema:
    """The Arrow schema of the table called ``name``: one of the tables of an artifact."""
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
    }
    return pa.schema(
        [(column, kinds[_KINDS.get(column, "text")]) for column in _COLUMNS[name].split()]
    )


_KINDS = (
    dict.fromkeys(LABELS, "flag")
    | dict.fromkeys(("syntax_ok", "stopped"), "flag")
    | dict.fromkeys(("line", "tokens"), "integer")
    | dict.fromkeys(("similarity", "chosen_score", "rejected_score"), "number")
    | {"messages": "messages"}
)
"""Columns that are not text; a column's name means the same in every table."""
_CANDIDATE = (
    "id source messages completion category task_id verifier file line corrected_by planted"
)
_LABELS = " ".join(f"{label} {label}_reason" for label in LABELS) + " scorer_version"
_COLUMNS = {
    "tasks": "id suite category family messages verifier reference composition",
    "candidates": _CANDIDATE,
    "labels": f"id {_LABELS}",
    "rejected": f"{_CANDIDATE} {_LABELS}",
    "rows": "id category messages completion origin task_id",
    "left_out": "id origin source category category_reason reason stood_for_by similarity",
    "repairs": "id task_id category failed_id accepted_id reason messages completion quality",
    "pairs": "id task_id category family messages chosen rejected chosen_source kind reason chosen_score rejected_score",
    "samples": "task_id category family completion outcome reason syntax_ok stopped tokens trust item_hash",
    "conversations": "messages",
    "quarantine": "file line reason excerpt",
}


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
            self._batch = []
            self._chars = 0


@contextmanager
def table_writer(path: Path, table: str) -> Iterator[TableWriter]:
    """A writer of the table called ``table`` (see ``schema``); the file appears whole on a clean
    exit, else not at all."""
    import pyarrow.parquet as pq

    arrow = schema(table)
    with (
        atomic_write(path, "wb") as stream,
        pq.ParquetWriter(stream, arrow, compression="zstd") as parquet,
    ):
        writer = TableWriter(parquet, arrow)
        yield writer
        writer.flush()


def write_parquet(path: Path, rows: Iterable[dict[str, Any]], table: str) -> int:
    """Write ``rows`` as the table called ``table``, atomically and streaming; returns the row
    count."""
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


def rows_at(path: Path, places: set[int]) -> dict[int, dict[str, Any]]:
    """The rows at some places of a Parquet file, from 0; only the row groups that hold one are
    read, one at a time."""
    import pyarrow.parquet as pq

    picked: dict[int, dict[str, Any]] = {}
    ordered = sorted(places)
    with pq.ParquetFile(path) as source:
        start = 0
        for group in range(source.num_row_groups):
            end = start + source.metadata.row_group(group).num_rows
            here = ordered[bisect_left(ordered, start) : bisect_left(ordered, end)]
            if here:
                rows = (
                    source.read_row_group(group).take([place - start for place in here]).to_pylist()
                )
                picked.update(zip(here, rows, strict=True))
            start = end
    return picked


def parquet_rows(path: Path) -> int:
    """Row count from the file's footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
