"""Candidates beside their labels, by DuckDB over Parquet: accepted, rejected, counts. Order is the
candidates' own.

A labels table has one row a candidate, in the same order: they are joined by position, since two
candidates of equal content have equal ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..records import LABELS, QUALITIES, Quality
from ..secrets import mask
from .catalog import query, stream, workbench
from .tables import read_parquet, rows_at

_JOIN = "from candidates c positional join labels l where"


def accepted_rows(candidates: Path, labels: Path) -> Iterator[dict[str, Any]]:
    """Rows of the ``candidates`` table that are accepted."""
    return stream(f"select c.* {_JOIN} l.accepted", {"candidates": candidates, "labels": labels})


def rejected_rows(candidates: Path, labels: Path) -> Iterator[dict[str, Any]]:
    """Rows of the ``rejected`` table: a candidate, its seven labels and reasons.

    Secrets that a label found are masked: nothing is made of a rejected answer that would need
    them. The verifier alone stays as it is, for second attempts are scored by it.
    """
    rows = stream(
        f"select c.*, l.* exclude (id) {_JOIN} l.accepted is not true",
        {"candidates": candidates, "labels": labels},
    )
    for row in rows:
        yield mask(row) | {"verifier": row["verifier"]} if row["no_secret"] is False else row


_TOGETHER = 16384
_ANSWERS = """
with last as (select id, max(file_row_number) as at from accepted group by id),
first as (select task_id, min(file_row_number) as at from accepted where task_id is not null group by task_id),
chosen as (
  select f.file_row_number as failed_at, coalesce(last.at, first.at) as answer_at
  from rejected f left join last on last.id = f.corrected_by left join first on first.task_id = f.task_id
  where coalesce(last.at, first.at) is not null
)
from chosen order by failed_at
"""


def with_answers(
    rejected: Path, accepted: Path, scratch: Path, memory_mib: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each row of the ``rejected`` table for which the ``accepted`` one has an answer, with that
    answer, in the order of ``rejected``: its own correction, else the first answer of its task.

    Places are joined under ``memory_mib``, and what does not fit lies in ``scratch``; rows are read
    ``_TOGETHER`` at a time.
    """
    failures = enumerate(read_parquet(rejected))
    with workbench(scratch, memory_mib) as bench:
        bench.view("rejected", rejected, numbered=True)
        bench.view("accepted", accepted, numbered=True)
        for batch in bench.columns(_ANSWERS):
            places = list(
                zip(batch["failed_at"].tolist(), batch["answer_at"].tolist(), strict=True)
            )
            for start in range(0, len(places), _TOGETHER):
                some = places[start : start + _TOGETHER]
                answers = rows_at(accepted, {answer_at for _, answer_at in some})
                for failed_at, answer_at in some:
                    yield next(row for at, row in failures if at == failed_at), answers[answer_at]


def count_labels(labels: Path) -> dict[str, dict[str, int]]:
    """``{label: {"true", "false", "none"}}`` over a labels table."""
    counts = ", ".join(
        f"count(*) filter ({name}) as {name}_true, count(*) filter (not {name}) as {name}_false, "
        f"count(*) filter ({name} is null) as {name}_none"
        for name in LABELS
    )
    row = query(f"select {counts} from labels", {"labels": labels})[0]
    return {
        name: {key: row[f"{name}_{key}"] for key in ("true", "false", "none")} for name in LABELS
    }


def count_evidence(labels: Path) -> dict[Quality, int]:
    """Accepted rows of a labels table by what speaks for them, the most first."""
    sql = (
        "select split_part(accepted_reason, ':', 1) as quality, count(*) as rows from labels"
        " where accepted group by 1"
    )
    counts = {row["quality"]: row["rows"] for row in query(sql, {"labels": labels})}
    return {quality: counts.get(quality, 0) for quality in reversed(QUALITIES)}


def count_shared(labels: Path) -> tuple[int, int]:
    """Of a labels table: passed verdicts whose tests ran beside the program, and all that
    passed."""
    counts = "count(*) filter (tests_pass_reason like 'passed: shared trust%') as shared, count(*) as passed"
    row = query(f"select {counts} from labels where tests_pass", {"labels": labels})[0]
    return row["shared"], row["passed"]


def reject_reasons(labels: Path, most: int = 20) -> list[dict[str, Any]]:
    """The commonest reject codes: ``label``, ``code``, ``rows``, most first."""
    union = " union all ".join(
        f"select '{name}' as label, split_part({name}_reason, ':', 1) as code from labels where not {name}"
        for name in LABELS
        if name != "accepted"
    )
    sql = f"select label, code, count(*) as rows from ({union}) group by all order by rows desc, label, code limit {most:d}"
    return query(sql, {"labels": labels})
