"""Candidate files read on a Ray cluster: row groups of Parquet files and stretches of unpacked JSON
lines are tasks of its nodes; every other kind of file is read here.

Rows, their ids and what is quarantined are those of ``files.read_files``, in the same order. What
this module does not do: carry files to the nodes; every node sees them at the paths where they are
here, or under the same URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..cluster import map_tables
from ..records import Candidate, Quarantined
from ..records.data_spec import FieldMap
from ..store.tables import ROW_GROUP, schema
from .files import (
    DAMAGED,
    CandidateFile,
    files_in,
    has_lines,
    read_file,
    read_row_group,
    read_stretch,
    row_groups,
    stretch_lines,
)
from .pairs import to_candidates

if TYPE_CHECKING:
    import pyarrow as pa

STRETCH = 16 * 2**20
"""Bytes of JSON lines in one task."""


class FilePart(NamedTuple):
    """What one task reads."""

    file: CandidateFile
    first: int
    """The row group, or the byte where the stretch begins."""
    end: int
    """The byte where a stretch of lines ends; 0 for a row group."""
    before: int = 0
    """Rows, or lines, of the file before it."""


class ReadPart(NamedTuple):
    """Rows that could be read, as the table ``candidates``, and those that could not."""

    candidates: pa.Table
    quarantined: list[Quarantined]


def read_on_ray(
    paths: Iterable[Path | str], *, root: Path | None = None, maps: Sequence[FieldMap] = ()
) -> Iterator[ReadPart]:
    """Every row of every file; arguments and errors are those of ``read_files``.

    Raises:
        BadInput: as ``read_files``; or Ray is not installed, or no cluster is named.
        Infrastructure: a node failed to read on, or the cluster is gone.
    """
    files = list(files_in(to_candidates, paths, root=root, maps=maps))
    for is_divided, run in groupby(files, _is_divided):
        if is_divided:
            yield from _divided(list(run))
            continue
        for file in run:
            rows = read_file(file)
            while batch := list(islice(rows, ROW_GROUP)):
                yield _of_table(_to_table(batch))


def _is_divided(file: CandidateFile) -> bool:
    if file.name.lower().endswith(".parquet"):
        return isinstance(row_groups(file), list)
    return has_lines(file)


def _divided(files: list[CandidateFile]) -> Iterator[ReadPart]:
    parts: list[FilePart] = []
    for file in files:
        if file.name.lower().endswith(".parquet"):
            before = 0
            for group, rows in enumerate(row_groups(file)):
                assert isinstance(rows, int)
                parts.append(FilePart(file, group, 0, before))
                before += rows
        else:
            size = Path(file.path).stat().st_size
            stretches = [
                FilePart(file, start, min(start + STRETCH, size))
                for start in range(0, size, STRETCH)
            ]
            counted = map_tables(_count_lines, stretches)
            before = 0
            for stretch, lines in zip(stretches, counted, strict=True):
                parts.append(stretch._replace(before=before))
                before += lines["lines"][0].as_py()
    damaged: CandidateFile | None = None
    for table in map_tables(_read_part, list(enumerate(parts))):
        file = parts[table["part"][0].as_py()].file
        if file == damaged:
            # As where one reader goes through the file: nothing after the damage is read.
            continue
        part = _of_table(table)
        yield part
        if any(row.reason.startswith(DAMAGED) for row in part.quarantined):
            damaged = file


def _count_lines(stretch: FilePart) -> pa.Table:
    import pyarrow as pa

    return pa.table({"lines": [stretch_lines(stretch.file, stretch.first, stretch.end)]})


def _read_part(numbered: tuple[int, FilePart]) -> pa.Table:
    """In a Ray process: the rows of a part, with its number."""
    number, part = numbered
    if part.end:
        rows = read_stretch(part.file, part.first, part.end, part.before)
    else:
        rows = read_row_group(part.file, part.first, part.before)
    return _to_table(rows, number)


def _to_table(rows: Iterable[Candidate | Quarantined], number: int = 0) -> pa.Table:
    """Rows of both kinds in one table: those that could not be read have a ``reason``."""
    import pyarrow as pa

    fields = [("reason", pa.string()), ("excerpt", pa.string()), ("part", pa.int64())]
    arrow = pa.schema([*schema("candidates"), *map(pa.field, *zip(*fields))])
    return pa.Table.from_pylist(
        [
            (row.to_row() if isinstance(row, Candidate) else asdict(row)) | {"part": number}
            for row in rows
        ],
        schema=arrow,
    )


def _of_table(table: pa.Table) -> ReadPart:
    import pyarrow.compute as pc

    is_read = pc.is_null(table["reason"])
    refused = table.filter(pc.invert(is_read)).select(["file", "line", "reason", "excerpt"])
    return ReadPart(
        table.filter(is_read).select(schema("candidates").names),
        [Quarantined(**row) for row in refused.to_pylist()],
    )
