"""Duplicates among surveyed rows: exact, equal but for layout, comments and docstrings, and near by
MinHash.

The first of several rows stands for the others; a near-duplicate is compared with the very row that
stands for it, so no chain of small steps takes a row out. Equal code under different requests is
kept: it teaches another mapping. Sorting is DuckDB's, under the mix's memory limit; held here are
about 140 bytes a row. What this module does not do: read rows, or drop anything silently.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..records.data_spec import MixSpec
from ..store.catalog import Workbench
from . import near
from .survey import band_names

if TYPE_CHECKING:
    import numpy as np

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
    from survey s where left_out is null and {band} is not null {without}
    window w as (partition by {band} order by pos)
) where before is not null
"""
_WITHOUT = "and not exists (select 1 from repeated_{kind} r where r.pos = s.pos)"


def find_duplicates(bench: Workbench, folder: Path, rows: int, spec: MixSpec) -> None:
    """Fill the workbench's table ``duplicates`` (pos, stood_for_by, kind, similarity) from its view
    ``survey``."""
    bench.run(_FIRST.format(kind="exact", column="exact", without=""))
    bench.run(
        _FIRST.format(kind="normalised", column="form", without=_WITHOUT.format(kind="exact"))
    )
    without = _WITHOUT.format(kind="exact") + _WITHOUT.format(kind="normalised").replace(
        " r ", " n "
    ).replace("r.", "n.")
    stood_for_by, similar = _near(bench, folder, rows, spec, without)
    _keep(bench, folder, stood_for_by, similar)


def _keep(bench: Workbench, folder: Path, stood_for_by: np.ndarray, similar: np.ndarray) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = np.flatnonzero(stood_for_by >= 0)
    columns = {
        "pos": out,
        "stood_for_by": stood_for_by[out],
        "similarity": similar[out].astype(np.float64),
    }
    pq.write_table(pa.table(columns), folder / "near.parquet")
    bench.view("repeated_near", folder / "near.parquet")
    bench.run(
        "create table duplicates as select pos, stood_for_by, 'exact' as kind, 1.0::double as similarity from repeated_exact"
        " union all select pos, stood_for_by, 'normalised', 1.0 from repeated_normalised"
        " union all select pos, stood_for_by, 'near', similarity from repeated_near"
    )


def _near(
    bench: Workbench, folder: Path, rows: int, spec: MixSpec, without: str
) -> tuple[np.ndarray, np.ndarray]:
    """For each position the one that stands for it, or -1, and how similar they are."""
    import numpy as np

    stood_for_by = np.full(rows, -1, np.int64)
    similar = np.zeros(rows, np.float32)
    if rows == 0 or spec.near_duplicates >= 1:
        return stood_for_by, similar
    signatures = np.memmap(
        folder / "signatures.bin", np.uint8, "r", shape=(rows, near.PERMUTATIONS)
    )
    pairs = np.empty((0, 2), np.int64)
    for band in band_names(spec):
        pair_parts = [pairs]
        for chunk in bench.columns(_PAIRS.format(band=band, without=without)):
            for other in ("before", "leader"):
                pair = np.stack([chunk["pos"], chunk[other]], axis=1).astype(np.int64)
                pair_parts.append(pair[_alike(signatures, pair, spec.near_duplicates)])
        pairs = np.unique(np.concatenate(pair_parts), axis=0)
    for later, earlier in pairs.tolist():
        _settle(signatures, stood_for_by, similar, later, earlier, spec.near_duplicates)
    return stood_for_by, similar


def _alike(signatures: np.ndarray, pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Which pairs are similar enough, a slice at a time."""
    import numpy as np

    parts = [pairs[start : start + 65_536] for start in range(0, len(pairs), 65_536)]
    checked = [
        near.similarity(signatures[part[:, 0]], signatures[part[:, 1]]) >= threshold
        for part in parts
    ]
    return np.concatenate(checked) if checked else np.empty(0, bool)


def _settle(
    signatures: np.ndarray,
    stood_for_by: np.ndarray,
    similar: np.ndarray,
    later: int,
    earlier: int,
    threshold: float,
) -> None:
    """Pairs come in order, so ``earlier`` is settled: it stands, or another row stands for it and
    may for ``later`` as well."""
    if stood_for_by[later] >= 0:
        return
    stands = int(stood_for_by[earlier]) if stood_for_by[earlier] >= 0 else earlier
    similarity = float(near.similarity(signatures[later], signatures[stands]))
    if similarity >= threshold:
        stood_for_by[later], similar[later] = stands, similarity
