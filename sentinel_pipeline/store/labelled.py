"""Candidates beside their labels, by DuckDB over Parquet: accepted, rejected, counts. Order is the candidates' own.

A labels table has one row a candidate, in the same order: they are joined by position, since two candidates of equal
content have equal ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..records import LABELS
from .catalog import query, stream

_JOIN = "from candidates c positional join labels l where"


def accepted_rows(candidates: Path, labels: Path) -> Iterator[dict[str, Any]]:
    """Rows of the ``candidates`` table that are accepted."""
    return stream(f"select c.* {_JOIN} l.accepted", {"candidates": candidates, "labels": labels})


def rejected_rows(candidates: Path, labels: Path) -> Iterator[dict[str, Any]]:
    """Rows of the ``rejected`` table: a candidate, its seven labels and reasons."""
    return stream(
        f"select c.*, l.* exclude (id) {_JOIN} l.accepted is not true", {"candidates": candidates, "labels": labels}
    )


def count_labels(labels: Path) -> dict[str, dict[str, int]]:
    """``{label: {"true", "false", "none"}}`` over a labels table."""
    counts = ", ".join(
        f"count(*) filter ({name}) as {name}_true, count(*) filter (not {name}) as {name}_false, "
        f"count(*) filter ({name} is null) as {name}_none"
        for name in LABELS
    )
    row = query(f"select {counts} from labels", {"labels": labels})[0]
    return {name: {key: row[f"{name}_{key}"] for key in ("true", "false", "none")} for name in LABELS}


def reject_reasons(labels: Path, most: int = 20) -> list[dict[str, Any]]:
    """The commonest reject codes: ``label``, ``code``, ``rows``, most first."""
    union = " union all ".join(
        f"select '{name}' as label, split_part({name}_reason, ':', 1) as code from labels where not {name}"
        for name in LABELS
        if name != "accepted"
    )
    sql = f"select label, code, count(*) as rows from ({union}) group by all order by rows desc, label, code limit {most:d}"
    return query(sql, {"labels": labels})
