"""From the tables of accepted candidates and repair traces to the rebalanced mix.

One pass reads and surveys every row; DuckDB finds duplicates and draws quotas over the survey,
spilling to the folder it is given; the chosen rows are then copied from the tables, a row group at
a time. With ``engine = "ray"`` a cluster's nodes read, survey and compare; the mix is the same.
What this module does not do: write the mix itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..records import Row
from ..records.data_spec import MixSpec
from ..records.decode import validate
from ..store.catalog import Workbench, workbench
from .dedup import find_duplicates
from .quotas import draw_quotas
from .report import MixReport
from .survey import pool, pool_blocks, survey, survey_blocks


class LeftOut(NamedTuple):
    """A row that is not in the mix, and why; ``stood_for_by`` is the id of the row that a duplicate
    repeats."""

    id: str
    origin: str
    source: str
    category: str
    category_reason: str
    reason: str
    stood_for_by: str | None
    similarity: float | None


class Mix(NamedTuple):
    """``rows`` (in the order of the tables) and ``left_out`` may be iterated again and again while
    ``build_mix`` is open."""

    rows: Iterable[Row]
    left_out: Iterable[LeftOut]
    report: MixReport


@contextmanager
def build_mix(
    accepted: Path,
    repairs: Path,
    *,
    banned: Collection[str],
    spec: MixSpec,
    seed: int,
    scratch: Path | None = None,
) -> Iterator[Mix]:
    """The mix that ``spec`` asks for, without duplicates and without rows that overlap a benchmark.

    Args:
        accepted: Parquet table of candidates.
        repairs: Parquet table of repair traces.
        banned: ids of rows that overlap a benchmark; a repair trace that is made of one is out as
            well.
        spec: shares, unit, size, caps, weights, thresholds.
        seed: of the sampling.
        scratch: an existing folder for what does not fit into memory; a folder of its own is made
            in it and removed. On a Ray cluster every node has to see it, and the tables, at the
            same paths.

    Raises:
        BadInput: a ``spec`` that cannot be meant, such as shares that do not sum to 1.
    """
    validate(spec, prefix="mix")
    with tempfile.TemporaryDirectory(prefix=".mix-", dir=scratch) as name:
        folder = Path(name)
        if spec.engine == "ray":
            blocks = pool_blocks(accepted, repairs)
            rows = survey_blocks(blocks, folder, banned=banned, spec=spec, seed=seed)
        else:
            rows = survey(pool(accepted, repairs), folder, banned=banned, spec=spec, seed=seed)
        with workbench(folder / "spill", spec.memory_mib) as bench:
            bench.view("survey", folder / "survey.parquet")
            find_duplicates(bench, folder, rows, spec)
            total, quotas = draw_quotas(bench, spec)
            bench.run(_OUTCOMES)
            report = MixReport(
                seed=seed,
                unit=spec.unit,
                minimum_quality=spec.minimum_quality,
                size=spec.size,
                total=total,
                seen=rows,
                quotas=quotas,
                **_counts(bench),
            )
            yield Mix(
                _Chosen(accepted, repairs, _positions(bench, rows), bench), _Others(bench), report
            )


_OUTCOMES = """
create view outcomes as
select s.pos, s.id, s.origin, s.source, s.category, s.why, s.weight, d.stood_for_by, d.similarity,
    case when c.pos is not null then null
        else coalesce(s.left_out, d.kind, case when o.pos is not null then 'source_cap' when e.pos is null then 'same_id'
            else 'not_drawn' end)
    end as reason
from survey s left join duplicates d using (pos) left join chosen c using (pos) left join over_cap o using (pos)
    left join eligible e using (pos)
"""


def _counts(bench: Workbench) -> dict[str, Any]:
    """The parts of the report that are counted over all rows."""
    return {
        "before": dict(
            bench.rows("select category, sum(weight)::double from survey group by 1 order by 1")
        ),
        "left_out": dict(
            bench.rows(
                "select reason, count(*) from outcomes where reason is not null group by 1 order by 1"
            )
        ),
        "held_back": dict(
            bench.rows(
                "select category, count(*) from survey where left_out in ('held_back', 'no_share') group by 1 order by 1"
            )
        ),
        "qualities": dict(
            bench.rows(
                "select quality, count(*) from chosen join survey using (pos) group by 1 order by 1"
            )
        ),
        "sources": dict(bench.rows("select source, count(*) from chosen group by 1 order by 1")),
    }


def _positions(bench: Workbench, rows: int) -> bytearray:
    """One byte a row: whether it is in the mix."""
    import numpy as np

    chosen = np.zeros(rows, np.uint8)
    for chunk in bench.columns("select pos from chosen"):
        chosen[chunk["pos"]] = 1
    return bytearray(chosen)


class _Others:
    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def __iter__(self) -> Iterator[LeftOut]:
        sql = """select o.id, o.origin, o.source, o.category, o.why, o.reason, k.id as stood, o.similarity
            from outcomes o left join survey k on k.pos = o.stood_for_by where o.reason is not null order by o.pos"""
        for chunk in self._bench.columns(sql):
            for values in zip(*(chunk[name].tolist() for name in chunk), strict=True):
                row = LeftOut._make(values)
                yield row._replace(similarity=None) if row.stood_for_by is None else row


class _Chosen:
    """The chosen rows, copied from the tables they are in; other rows are never made into Python
    objects."""

    def __init__(self, accepted: Path, repairs: Path, chosen: bytearray, bench: Workbench) -> None:
        self._tables = (("candidate", accepted), ("repair", repairs))
        self._chosen = chosen
        self._bench = bench

    def __iter__(self) -> Iterator[Row]:
        categories = self._categories()
        start = 0
        for origin, path in self._tables:
            for group, taken in _groups(path, self._chosen, start):
                start += len(taken)
                for data in group:
                    yield Row.from_row(data | {"origin": origin, "category": next(categories)})

    def _categories(self) -> Iterator[str]:
        for chunk in self._bench.columns("select category from chosen order by pos"):
            yield from chunk["category"].tolist()


def _groups(
    path: Path, chosen: bytearray, start: int
) -> Iterator[tuple[list[dict[str, Any]], bytearray]]:
    """Each row group's chosen rows, and the flags of all its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            taken = chosen[start : start + count]
            start += count
            table = file.read_row_group(number, columns=["id", "messages", "completion", "task_id"])
            yield table.filter(pa.array(list(map(bool, taken)), pa.bool_())).to_pylist(), taken
