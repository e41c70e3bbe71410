"""Duplicates among surveyed rows: exact, equal but for layout, comments and docstrings, and near by
MinHash.

The first of several rows stands for the others; a near-duplicate is compared with the very row that
stands for it, so no chain of small steps takes a row out. Equal code under different requests is
kept: it teaches another mapping. Sorting is DuckDB's, under the mix's memory limit; signatures (128
bytes a row) and who stands for whom (8) are files that are mapped, not held. On a Ray cluster each
band is a task. What this module does not do: read rows, or drop anything silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from ..cluster import map_tables
from ..records.data_spec import MixSpec
from ..store.catalog import Workbench, workbench
from . import near
from .survey import SIGNATURES, band_names

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_FIRST = """
create or replace table repeated_{kind} as
select pos, stood_for_by from (
    select pos, first_value(pos) over (partition by {column} order by pos) as stood_for_by from survey s
    where left_out is null {without}
) where pos <> stood_for_by
"""
_PAIRS = """
select pos, before, leader from (
    select pos, lag(pos) over w as before, first_value(pos) over w as leader
    from survey s where left_out is null and {band} is not null
        and not exists (select 1 from repeated r where r.pos = s.pos)
    window w as (partition by {band} order by pos)
) where before is not null
"""
_REPEATED = "repeated.parquet"
_SLICE = 65_536
"""Pairs, or duplicates, in memory at once."""


def find_duplicates(bench: Workbench, folder: Path, rows: int, spec: MixSpec) -> None:
    """Fill the workbench's table ``duplicates`` (pos, stood_for_by, kind, similarity) from its view
    ``survey`` and the survey's files in ``folder``."""
    bench.run(_FIRST.format(kind="exact", column="exact", without=""))
    without = "and not exists (select 1 from repeated_exact r where r.pos = s.pos)"
    bench.run(_FIRST.format(kind="normalised", column="form", without=without))
    bench.run(
        "create or replace table repeated as"
        " select pos from repeated_exact union all select pos from repeated_normalised"
    )
    path = folder / "near.parquet"
    _write_near(path, _near(bench, folder, rows, spec))
    bench.view("repeated_near", path)
    bench.run(
        "create table duplicates as select pos, stood_for_by, 'exact' as kind, 1.0::double as similarity from repeated_exact"
        " union all select pos, stood_for_by, 'normalised', 1.0 from repeated_normalised"
        " union all select pos, stood_for_by, 'near', similarity from repeated_near"
    )


class _Near(NamedTuple):
    pos: int
    stood_for_by: int
    similarity: float


def _write_near(path: Path, duplicates: Iterator[_Near]) -> None:
    """The table of near-duplicates, a slice in memory at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (np.int64, np.int64, np.float64)
    schema = pa.schema(
        [("pos", pa.int64()), ("stood_for_by", pa.int64()), ("similarity", pa.float64())]
    )
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(duplicates, _SLICE)):
            columns = [np.array(column, kind) for column, kind in zip(zip(*batch), kinds)]
            writer.write_table(pa.Table.from_arrays(list(map(pa.array, columns)), schema=schema))


def _near(bench: Workbench, folder: Path, rows: int, spec: MixSpec) -> Iterator[_Near]:
    """Each row that another one stands for, in the order of positions."""
    import numpy as np

    if rows == 0 or spec.near_duplicates >= 1:
        return
    alike = folder / "alike.parquet"
    _write_alike(bench, folder, alike, rows, spec)
    bench.view("alike", alike)
    signatures = _signatures(folder, rows)
    # By position, 1 more than the row that stands for it; a file, of which only what is touched
    # takes room, in memory or on disk.
    with (folder / "standing.bin").open("wb") as file:
        file.truncate(8 * rows)
    standing = np.memmap(folder / "standing.bin", np.int64, "r+", shape=(rows,))
    for chunk in bench.columns("select distinct later, earlier from alike order by later, earlier"):
        for later, earlier in zip(chunk["later"].tolist(), chunk["earlier"].tolist(), strict=True):
            # Pairs come in order, so the earlier row is settled: it stands, or another row stands
            # for it and may for this one as well.
            if standing[later]:
                continue
            stands = int(standing[earlier]) - 1 if standing[earlier] else earlier
            likeness = float(near.similarity(signatures[later], signatures[stands]))
            if likeness >= spec.near_duplicates:
                standing[later] = stands + 1
                yield _Near(later, stands, float(np.float32(likeness)))


def _write_alike(bench: Workbench, folder: Path, path: Path, rows: int, spec: MixSpec) -> None:
    """The pairs of rows that share a band and are similar enough; a pair may be in the table once
    for each band."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("later", pa.int64()), ("earlier", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        if spec.engine == "ray":
            bench.run(f"copy repeated to '{folder / _REPEATED}' (format parquet)")
            work = partial(_pairs_on_a_node, folder, rows, spec)
            for table in map_tables(work, band_names(spec)):
                writer.write_table(table)
            return
        for band in band_names(spec):
            for table in _pairs(bench, folder, rows, spec, band):
                writer.write_table(table)


def _pairs_on_a_node(folder: Path, rows: int, spec: MixSpec, band: str) -> pa.Table:
    """In a Ray process: one band's pairs, sorted under the mix's memory limit in a folder of the
    node's own."""
    import pyarrow as pa

    with (
        TemporaryDirectory(prefix="sentinel-band-") as scratch,
        workbench(Path(scratch), spec.memory_mib) as bench,
    ):
        bench.view("survey", folder / "survey.parquet")
        bench.view("repeated", folder / _REPEATED)
        tables = list(_pairs(bench, folder, rows, spec, band))
    empty = pa.schema([("later", pa.int64()), ("earlier", pa.int64())]).empty_table()
    return pa.concat_tables([empty, *tables])


def _pairs(
    bench: Workbench, folder: Path, rows: int, spec: MixSpec, band: str
) -> Iterator[pa.Table]:
    import numpy as np
    import pyarrow as pa

    signatures = _signatures(folder, rows)
    for chunk in bench.columns(_PAIRS.format(band=band)):
        later = chunk["pos"].astype(np.int64)
        # The row before it in the band, and the first of the band where that is another one.
        for earlier, is_new in (
            (chunk["before"].astype(np.int64), np.ones(len(later), bool)),
            (chunk["leader"].astype(np.int64), chunk["leader"] != chunk["before"]),
        ):
            for start in range(0, len(later), _SLICE):
                here = np.flatnonzero(is_new[start : start + _SLICE]) + start
                likeness = near.similarity(signatures[later[here]], signatures[earlier[here]])
                here = here[likeness >= spec.near_duplicates]
                if len(here):
                    yield pa.table({"later": later[here], "earlier": earlier[here]})


def _signatures(folder: Path, rows: int) -> np.ndarray:
    import numpy as np

    return np.memmap(folder / SIGNATURES, np.uint8, "r", shape=(rows, near.PERMUTATIONS))
