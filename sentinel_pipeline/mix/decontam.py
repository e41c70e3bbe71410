"""Which rows overlap a benchmark item, and how well that is found: recall and precision on planted
contaminations, every time.

What many rows of the corpus share is a template's wording and not an item's own: a sample of rows
is read for it first. For the measurement the items are split at random: one half is looked for,
planted in the form of the corpus's own rows (``plants``); the other half, and training tasks that
are known to be others, are clean rows as like the items as rows can be. What this module does not
do: take rows out (the mix does), or promise that a measured recall holds for rewordings of another
kind.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cluster import Shared, map_tables
from ..gates.statistics import wilson
from ..plots import Bar, rate_bars
from ..rates import with_interval
from ..records import Candidate, Interval, Row, Task
from ..store.tables import Block, read_block
from .plants import plant
from .suite_index import Hit, SuiteIndex
from .survey import PoolBlock

if TYPE_CHECKING:
    import pyarrow as pa

MAX_RELATIVES = 4000
"""Training tasks that the index is calibrated with."""
MAX_MEASURED = 200
"""Items planted, and as many of the other half and of the training tasks as clean rows."""
MAX_LEARNT = 5000
"""Rows of the corpus that its wording is learnt from."""
BAR = 0.95


class Rate(NamedTuple):
    """``hits`` of ``n``."""

    hits: int
    n: int

    @property
    def interval(self) -> Interval | None:
        return wilson(self.hits, self.n) if self.n else None

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval[:2] if self.interval else (None, None)
        return {
            "rate": self.hits / self.n if self.n else None,
            "hits": self.hits,
            "n": self.n,
            "interval": [low, high],
        }

    def __str__(self) -> str:
        if self.interval is None:
            return "not measured (n = 0)"
        return f"{with_interval(self.hits / self.n, self.interval)} of {self.n}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How well planted contaminations are found, and clean rows let through."""

    recall: Rate
    """Of the plants, those found."""
    precision: Rate
    """Of what was found, the plants: at as many clean rows as ``clean.n``."""
    clean: Rate
    """Of the clean rows, those wrongly found."""
    kinds: dict[str, Rate]
    """Recall by kind of plant."""

    @property
    def good(self) -> bool:
        """Both reach the bar; nothing measured is not good."""
        return all(rate.n and rate.hits / rate.n >= BAR for rate in (self.recall, self.precision))

    def to_json(self) -> dict[str, Any]:
        kinds = {kind: rate.to_json() for kind, rate in self.kinds.items()}
        rates = {name: getattr(self, name).to_json() for name in ("recall", "precision", "clean")}
        return {**rates, "kinds": kinds, "bar": BAR, "good": self.good}

    def summary(self) -> dict[str, float | None]:
        """Recall and precision; None where nothing was measured."""
        return {name: getattr(self, name).to_json()["rate"] for name in ("recall", "precision")}

    def to_plot(self) -> str:
        """Recall by kind of plant, and precision, with intervals; Markdown with one image."""
        rates = {"precision": self.precision, "recall": self.recall, **self.kinds}
        bars = [
            Bar(kind.replace("_", " "), rate.hits / rate.n, rate.interval.low, rate.interval.high)
            for kind, rate in rates.items()
            if rate.interval is not None
        ]
        return (
            rate_bars(bars, "Planted contaminations found", {"bar": BAR})
            if bars
            else "Nothing could be planted."
        )

    def to_markdown(self) -> str:
        lines = [
            "| measured on plants | rate [95 % interval] of n |",
            "|---|---|",
            f"| recall | {self.recall} |",
            f"| precision | {self.precision} |",
            f"| clean rows wrongly found | {self.clean} |",
        ]
        return "\n".join(
            [
                *lines,
                *(
                    f"| recall, {kind.replace('_', ' ')} | {rate} |"
                    for kind, rate in self.kinds.items()
                ),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminationReport:
    """``rows`` were compared with ``tasks`` items; at most one hit a row, the strongest."""

    rows: int
    tasks: int
    suites: dict[str, int]
    """Suite -> items."""
    hits: tuple[Hit, ...]
    measured: Measured | None = None

    def to_json(self) -> dict[str, Any]:
        by_kind = dict(sorted(Counter(hit.kind for hit in self.hits).items()))
        by_suite = dict(sorted(Counter(hit.suite for hit in self.hits).items()))
        return asdict(self) | {
            "hits": [hit._asdict() for hit in self.hits],
            "by_kind": by_kind,
            "by_suite": by_suite,
            "items_hit": len({(hit.suite, hit.task_id) for hit in self.hits}),
            "measured": self.measured.to_json() if self.measured else None,
        }

    def to_markdown(self) -> str:
        names = ", ".join(f"{name} ({count})" for name, count in self.suites.items())
        lines = [
            f"{len(self.hits)} of {self.rows} rows overlap one of {self.tasks} benchmark items: {names}.",
            "",
        ]
        if self.hits:
            lines += ["| row | item | suite | kind | score |", "|---|---|---|---|---|"]
            cells = [(h.id, h.task_id, h.suite, h.kind, f"{h.score:.2f}") for h in self.hits[:50]]
            lines += ["| " + " | ".join(map(_cell, each)) + " |" for each in cells]
            lines += (
                [f"… and {len(self.hits) - 50} more in report.json."] if len(self.hits) > 50 else []
            )
            lines.append("")
        return "\n".join(lines) + (f"\n{self.measured.to_markdown()}" if self.measured else "")


def _cell(text: str) -> str:
    """A name from a file, harmless in a table."""
    return "".join(mark if mark.isalnum() or mark in " -_/.:+" else "?" for mark in text)[:80]


def decontaminate(
    rows: Iterable[Row | Candidate],
    tasks: Iterable[Task],
    *,
    relatives: Iterable[Task] = (),
    corpus: Iterable[Row | Candidate] | None = None,
    seed: int | None = None,
) -> DecontaminationReport:
    """Compare ``rows`` (streamed) with every item of ``tasks`` (held).

    Args:
        rows: what may be contaminated.
        tasks: items of all suites that judge.
        relatives: training tasks known to be others: what they share with the items is wording. At
            most ``MAX_RELATIVES`` are used.
        corpus: rows from which the wording of templates is learnt, at most ``MAX_LEARNT``; None:
            the first of ``rows``. Who compares parts of a corpus one after the other gives the same
            rows each time, so that no row is judged twice differently.
        seed: of the measurement on plants; None: no measurement.
    """
    stream = iter(rows)
    head = list(islice(stream, MAX_LEARNT)) if corpus is None else []
    comparison = _Comparison(tasks, relatives, head if corpus is None else corpus)
    hits: list[Hit] = []
    count = 0
    for count, row in enumerate(chain(head, stream), start=1):  # noqa: B007
        hit = comparison.index.find(row)
        if hit is not None:
            hits.append(hit)
    return comparison.report(count, hits, seed)


def decontaminate_blocks(
    blocks: Sequence[PoolBlock | RowBlock],
    tasks: Iterable[Task],
    *,
    relatives: Iterable[Task] = (),
    corpus: Iterable[Row | Candidate],
    seed: int | None = None,
) -> DecontaminationReport:
    """What ``decontaminate`` reports of the rows of ``blocks``, which the nodes of a Ray cluster
    read and compare; the items' index goes to each of them once."""
    comparison = _Comparison(tasks, relatives, corpus)
    work = partial(_find_in_block, Shared(comparison.index))
    hits = [Hit(**row) for table in map_tables(work, blocks) for row in table.to_pylist()]
    return comparison.report(sum(each.block.rows for each in blocks), hits, seed)


class RowBlock(NamedTuple):
    """A block of a table of a mix's rows."""

    block: Block

    def rows(self) -> Iterator[Row]:
        """The rows, read where this is called."""
        return map(Row.from_row, read_block(self.block))


def _find_in_block(index: Shared[SuiteIndex], block: PoolBlock | RowBlock) -> pa.Table:
    """In a Ray process: what the rows of a block overlap."""
    import pyarrow as pa

    rows: Iterable[Row | Candidate]
    if isinstance(block, RowBlock):
        rows = block.rows()
    else:
        rows = (entry.candidate for entry in block.entries())
    hits = [hit._asdict() for row in rows if (hit := index.get().find(row)) is not None]
    text = pa.string()
    fields = [("id", text), ("task_id", text), ("suite", text), ("kind", text)]
    return pa.Table.from_pylist(hits, schema=pa.schema([*fields, ("score", pa.float64())]))


class _Comparison:
    """The items with their relatives, and an index of them that has learnt a corpus's wording."""

    def __init__(
        self,
        tasks: Iterable[Task],
        relatives: Iterable[Task],
        corpus: Iterable[Row | Candidate],
    ) -> None:
        self.items = list(tasks)
        self.others = _some(list(relatives), MAX_RELATIVES, 0)
        self.sample = list(islice(corpus, MAX_LEARNT))
        self.index = SuiteIndex(self.items, self.others)
        self.index.learn(self.sample)

    def report(self, rows: int, hits: Iterable[Hit], seed: int | None) -> DecontaminationReport:
        measured = None
        if seed is not None:
            measured = measure(self.items, self.others, seed, self.sample)
        return DecontaminationReport(
            rows=rows,
            tasks=len(self.items),
            suites=dict(Counter(task.suite for task in self.items)),
            hits=tuple(hits),
            measured=measured,
        )


def measure(
    tasks: Sequence[Task],
    relatives: Sequence[Task],
    seed: int,
    corpus: Sequence[Row | Candidate] = (),
) -> Measured:
    """Recall on plants of one half of ``tasks``, in the form of ``corpus``'s rows; precision
    against the other half and half of ``relatives`` as clean rows."""
    mixed = _some(tasks, len(tasks), seed)
    looked_for = mixed[: (len(mixed) + 1) // 2]
    others = mixed[(len(mixed) + 1) // 2 :]
    index = SuiteIndex(looked_for, relatives[::2])
    index.learn(corpus)
    kinds: dict[str, list[bool]] = {}
    for planted in plant(looked_for[:MAX_MEASURED], seed, corpus):
        kinds.setdefault(planted.kind, []).append(index.find(planted.row) is not None)
    clean = [*others[:MAX_MEASURED], *relatives[1::2][:MAX_MEASURED]]
    wrong = sum(index.find(_as_row(task)) is not None for task in clean)
    found = sum(sum(each) for each in kinds.values())
    return Measured(
        recall=Rate(found, sum(len(each) for each in kinds.values())),
        precision=Rate(found, found + wrong),
        clean=Rate(wrong, len(clean)),
        kinds={kind: Rate(sum(each), len(each)) for kind, each in kinds.items()},
    )


def _as_row(task: Task) -> Candidate:
    return Candidate(
        id=task.id, source="clean", messages=task.messages, completion=task.reference or "None."
    )


def _some(tasks: Sequence[Task], most: int, seed: int) -> list[Task]:
    """At most so many tasks, shuffled by seed."""
    return random.Random(seed).sample(list(tasks), min(most, len(tasks)))
