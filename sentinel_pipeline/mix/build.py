"""From the tables of accepted candidates and repair traces to the rebalanced mix.

What this module does not do: write the mix, or open DuckDB; it reads its two tables in row groups, several times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from ..records import Candidate, RepairTrace, Row, messages_from
from ..records.data_spec import MixSpec
from ..store import read_parquet
from .categories import category_of
from .dedup import deduplicate
from .quotas import Rebalanced, rebalance


def build_mix(accepted: Path, repairs: Path, *, banned: Collection[str], spec: MixSpec, seed: int) -> Rebalanced:
    """The mix that ``spec`` asks for, without duplicates and without rows that overlap a benchmark.

    Args:
        accepted: Parquet table of candidates.
        repairs: Parquet table of repair traces.
        banned: ids of candidates that overlap a benchmark; a repair trace that ends in one is out as well.
        spec: shares, size, and the largest share of repair traces within a category.
        seed: of the sampling.

    Raises:
        BadInput: shares that do not sum to 1.
    """
    pool = _Pool(accepted, repairs, frozenset(banned))
    mix = rebalance(pool, spec.shares, size=spec.size, seed=seed, repair_share=spec.repair_share)
    stands_for = dict(sorted(pool.stands_for.items()))
    report = mix.report.leaving_out(
        duplicates=dict(sorted(pool.duplicates.items())), stands_for=stands_for, banned=pool.left_out
    )
    return Rebalanced(mix.rows, report)


class _Pool:
    """Rows of both tables, banned and duplicate ones out. The first pass finds duplicates; later ones remember them."""

    def __init__(self, accepted: Path, repairs: Path, banned: frozenset[str]) -> None:
        self._accepted, self._repairs, self._banned = accepted, repairs, banned
        self._kept: bytearray | None = None
        self.duplicates: Counter[str] = Counter()
        self.stands_for: Counter[str] = Counter()
        self.left_out = 0

    def __iter__(self) -> Iterator[Row]:
        return self._first_pass() if self._kept is None else self._again(self._kept)

    def _again(self, kept: bytearray) -> Iterator[Row]:
        return (row for row, keep in zip(self._rows(), kept, strict=True) if keep)

    def _first_pass(self) -> Iterator[Row]:
        kept = bytearray()
        self.left_out = 0
        for found in deduplicate(self._rows(counting=True)):
            kept.append(found.kind is None)
            if found.kind is None:
                yield found.row
            else:
                self.duplicates[found.kind] += 1
                self.stands_for[str(found.stands_for_it)] += 1
        self._kept = kept

    def _rows(self, *, counting: bool = False) -> Iterator[Row]:
        for data in read_parquet(self._accepted):
            candidate = Candidate.from_row(data)
            if candidate.id not in self._banned:
                yield _row(candidate)
            elif counting:
                self.left_out += 1
        for data in read_parquet(self._repairs):
            trace = RepairTrace(**{**data, "messages": messages_from(data["messages"])})
            if trace.accepted_id not in self._banned and trace.failed_id not in self._banned:
                yield _repair_row(trace)
            elif counting:
                self.left_out += 1


def _row(candidate: Candidate) -> Row:
    return Row(
        id=candidate.id,
        category=category_of(candidate).category,
        messages=candidate.messages,
        completion=candidate.completion,
        origin="candidate",
        task_id=candidate.task_id,
    )


def _repair_row(trace: RepairTrace) -> Row:
    asked = Candidate(
        id=trace.id, source="repair", messages=trace.messages, completion=trace.completion, category=trace.category
    )
    return Row(
        id=trace.id,
        category=category_of(asked).category,
        messages=trace.messages,
        completion=trace.completion,
        origin="repair",
        task_id=trace.task_id,
    )
