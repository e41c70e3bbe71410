"""Labels of a table of candidates on a Ray cluster: what can be judged without running a program is
judged where a block of the table is read, the rest by the cluster's graders.

The labels are those of ``labels.label``, in the same order. The label cache is asked for rows that
run a program, and keeps them: running is what is worth keeping. What this module does not do: start
a cluster, or carry the table to it; every node reads it at the path where it is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..cluster import map_tables
from ..errors import Infrastructure
from ..records import LABELS, Candidate
from ..records.data_spec import CriticSpec
from ..store.label_cache import LabelCache
from ..store.tables import Block, read_block, rows_at, schema, table_blocks
from .labels import label, label_of_reading, prepare
from .score import grader_for
from .version import label_version

if TYPE_CHECKING:
    import pyarrow as pa


def label_table(
    candidates: Path, *, spec: CriticSpec, cache: LabelCache | None = None
) -> Iterator[pa.Table]:
    """The ``labels`` table of the table ``candidates``, a part at a time.

    Raises:
        BadInput: Ray is not installed, or no cluster is named.
        GateRefused: there are programs to run and a node isolates less than is demanded.
        Infrastructure: the cluster is gone, or a node has another version of the scorers.
    """
    import pyarrow as pa

    blocks = table_blocks(candidates)
    work = partial(_label_block, spec.stop_token, label_version())
    with grader_for(spec, None) as grader:
        for block, table in zip(blocks, map_tables(work, blocks), strict=True):
            open_rows = [n for n, runs in enumerate(table["runs"].to_pylist()) if runs]
            labels = table.drop_columns(["runs"])
            if open_rows:
                rows = rows_at(candidates, {block.start + n for n in open_rows})
                to_run = (Candidate.from_row(rows[block.start + n]) for n in open_rows)
                done = labels.to_pylist()
                for n, result in zip(
                    open_rows, label(to_run, spec=spec, cache=cache, grader=grader), strict=True
                ):
                    done[n] = result.to_row()
                labels = pa.Table.from_pylist(done, schema=labels.schema)
            yield labels


def _label_block(stop: str | None, version: str, block: Block) -> pa.Table:
    """In a Ray process: labels of a block's rows, and for each whether a program must run first."""
    import pyarrow as pa

    if label_version() != version:
        raise Infrastructure(
            f"a node has scorers {label_version()}, this machine {version}: "
            "every node needs the same version of this package"
        )
    rows = []
    for row in read_block(block):
        static, plan = prepare(Candidate.from_row(row), stop)
        if plan.program is None:
            rows.append(label_of_reading(static, plan.score).to_row() | {"runs": False})
        else:
            unknown = dict.fromkeys(name for each in LABELS for name in (each, f"{each}_reason"))
            rows.append({"id": static.id, **unknown, "scorer_version": version, "runs": True})
    return pa.Table.from_pylist(rows, schema=schema("labels").append(pa.field("runs", pa.bool_())))
