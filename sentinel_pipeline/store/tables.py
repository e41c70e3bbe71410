"""Parquet in and out, streaming in row groups; the tables' schemas.

DuckDB reads these files in memory and holds no lock (``catalog.py``); nothing here keeps more than
one row group.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..records import LABELS
from .files import atomic_write

if TYPE_CHECKING:
    import numpy as np
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
        self._writer = writer
        self._schema = arrow
        self._batch: list[dict[str, Any]] = []
        self._parts: list[pa.Table] = []
        """What waits for the end of its row group; rows that came one by one come after it."""
        self._chars = 0
        self.rows = 0

    def append(self, row: dict[str, Any]) -> None:
        self._batch.append(row)
        self.rows += 1
        self._chars += sum(len(value) for value in row.values() if type(value) is str)
        self._chars += sum(len(turn["content"]) for turn in row.get("messages") or ())
        waiting = sum(part.num_rows for part in self._parts) + len(self._batch)
        if waiting == ROW_GROUP or self._chars > GROUP_CHARS:
            self.flush()

    def extend(self, table: pa.Table) -> None:
        """Append the rows of an Arrow table of the same columns. The file is the one that
        ``append`` makes of the same rows, byte for byte: row groups end where they would."""
        import numpy as np
        import pyarrow as pa

        if self._batch:
            # Rows that came one by one wait for their row group to end.
            self._parts.append(pa.Table.from_pylist(self._batch, schema=self._schema))
            self._batch = []
        table = table.select(self._schema.names).cast(self._schema)
        upto = np.cumsum(_chars(table))
        start = 0
        while start < table.num_rows:
            before = upto[start - 1] if start else 0
            room = ROW_GROUP - sum(part.num_rows for part in self._parts)
            # The first row that takes the group over its characters is still in it.
            full = int(np.searchsorted(upto, GROUP_CHARS - self._chars + before, side="right")) + 1
            end = min(start + room, full, table.num_rows)
            self._parts.append(table.slice(start, end - start))
            self._chars += int(upto[end - 1] - before)
            self.rows += end - start
            start = end
            if sum(part.num_rows for part in self._parts) == ROW_GROUP or self._chars > GROUP_CHARS:
                self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._batch:
            self._parts.append(pa.Table.from_pylist(self._batch, schema=self._schema))
            self._batch = []
        if self._parts:
            # In one chunk each: pages end by chunks too.
            self._writer.write_table(pa.concat_tables(self._parts).combine_chunks())
            self._parts = []
        self._chars = 0


def _chars(table: pa.Table) -> np.ndarray:
    """Characters of each row, as ``TableWriter.append`` counts them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    total = np.zeros(table.num_rows, np.int64)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            total += pc.fill_null(pc.utf8_length(column), 0).to_numpy()
        elif name == "messages":
            turns = column.combine_chunks()
            turns = turns.chunk(0) if isinstance(turns, pa.ChunkedArray) else turns
            lengths = pc.utf8_length(pc.struct_field(pc.list_flatten(turns), "content")).to_numpy()
            rows = pc.list_parent_indices(turns).to_numpy()
            total += np.bincount(rows, lengths, table.num_rows).astype(np.int64)
    return total


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


class Block(NamedTuple):
    """A row group of a Parquet table: what one task of a cluster reads."""

    path: str
    group: int
    start: int
    """Rows of the table before it."""
    rows: int


def table_blocks(path: Path) -> list[Block]:
    """The row groups of a table that hold rows, in order, from its footer."""
    import pyarrow.parquet as pq

    blocks: list[Block] = []
    start = 0
    footer = pq.read_metadata(path)
    for group in range(footer.num_row_groups):
        count = footer.row_group(group).num_rows
        if count:
            blocks.append(Block(str(path), group, start, count))
        start += count
    return blocks


def read_block(block: Block) -> list[dict[str, Any]]:
    """The rows of a block."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(block.path) as file:
        rows: list[dict[str, Any]] = file.read_row_group(block.group).to_pylist()
    return rows


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
