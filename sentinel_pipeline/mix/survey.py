"""One pass over the accepted candidates and the repair traces: what the mix must know of each row,
in a table of its own.

The *survey* has a line for each row: what category it is of and why, its hashes and bands, its
weight, its place in the draw, and why it is out already (held back, benchmark overlap, below the
quality asked). Rows themselves are not held. On a Ray cluster its nodes read and survey the rows,
and the lines come back in the order of the rows. What this module does not do: find duplicates
(``dedup``), draw (``quotas``)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cluster import Shared, map_tables
from ..critic.reading import quality_of
from ..records import QUALITIES, Candidate, Quality, RepairTrace, messages_from
from ..records.data_spec import MixSpec
from ..store import read_parquet
from ..store.files import atomic_write
from ..store.tables import Block, parquet_rows, read_block, rows_at, table_blocks
from . import near
from .categories import HELD_BACK, category_of
from .row_reading import RowReading

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024
SIGNATURES = "signatures.bin"
"""The file of kept bytes of minima, ``near.PERMUTATIONS`` of them a row."""
_SIGNATURE = "signature"
_TOKEN = re.compile(r"\w+|[^\w\s]")


class Entry(NamedTuple):
    """A row of the pool: a candidate, or a repair trace seen as one."""

    candidate: Candidate
    origin: str
    """``candidate`` or ``repair``."""
    parents: tuple[str, ...]
    """Ids that make it overlap a benchmark when they do: its own, and those of the answers that a
    trace is made of."""
    quality: Quality | None = None
    """The evidence for a trace's end, as the trace says; None for a candidate, which shows it."""


def pool(accepted: Path, repairs: Path) -> Iterator[Entry]:
    """Candidates, then repair traces, in the order of their tables."""
    yield from map(_entry_of_candidate, read_parquet(accepted))
    yield from map(_entry_of_trace, read_parquet(repairs))


class PoolBlock(NamedTuple):
    """A block of one of the pool's tables."""

    block: Block
    origin: str
    """``candidate`` or ``repair``."""
    start: int
    """Rows of the pool before it."""

    def entries(self) -> Iterator[Entry]:
        """The rows, read where this is called."""
        read = _entry_of_candidate if self.origin == "candidate" else _entry_of_trace
        return map(read, read_block(self.block))


def pool_blocks(accepted: Path, repairs: Path) -> list[PoolBlock]:
    """The pool in blocks, in the order of ``pool``."""
    before = parquet_rows(accepted)
    candidates = [PoolBlock(each, "candidate", each.start) for each in table_blocks(accepted)]
    traces = [PoolBlock(each, "repair", before + each.start) for each in table_blocks(repairs)]
    return candidates + traces


def pool_at(accepted: Path, repairs: Path, places: Iterable[int]) -> Iterator[Candidate]:
    """The rows at some places of the pool, in its order; only row groups that hold one are read."""
    before = parquet_rows(accepted)
    ordered = sorted(places)
    candidates = rows_at(accepted, {place for place in ordered if place < before})
    traces = rows_at(repairs, {place - before for place in ordered if place >= before})
    for place in ordered:
        if place < before:
            yield _entry_of_candidate(candidates[place]).candidate
        else:
            yield _entry_of_trace(traces[place - before]).candidate


def _entry_of_candidate(row: dict[str, Any]) -> Entry:
    candidate = Candidate.from_row(row)
    return Entry(candidate, "candidate", (candidate.id,))


def _entry_of_trace(row: dict[str, Any]) -> Entry:
    trace = RepairTrace(**{**row, "messages": messages_from(row["messages"])})
    candidate = Candidate(
        id=trace.id,
        source="repair",
        messages=trace.messages,
        completion=trace.completion,
        category=trace.category,
        task_id=trace.task_id,
    )
    parents = (trace.id, trace.accepted_id, trace.failed_id)
    return Entry(candidate, "repair", parents, trace.quality)


def survey(
    entries: Iterator[Entry], folder: Path, *, banned: Collection[str], spec: MixSpec, seed: int
) -> int:
    """Write ``folder/survey.parquet`` and ``folder/signatures.bin`` (``near.PERMUTATIONS`` bytes a
    row); returns the rows seen."""
    out = frozenset(banned)

    def tables() -> Iterator[pa.Table]:
        start = 0
        while batch := list(islice(entries, _BATCH)):
            yield _survey(batch, start, out, spec, seed)
            start += len(batch)

    return _write(tables(), folder, spec)


def survey_blocks(
    blocks: Sequence[PoolBlock],
    folder: Path,
    *,
    banned: Collection[str],
    spec: MixSpec,
    seed: int,
) -> int:
    """What ``survey`` writes, the rows being read and surveyed on a Ray cluster."""
    work = partial(_survey_block, Shared(frozenset(banned)), spec, seed)
    return _write(map_tables(work, blocks), folder, spec)


def _survey_block(
    banned: Shared[frozenset[str]], spec: MixSpec, seed: int, block: PoolBlock
) -> pa.Table:
    import pyarrow as pa

    entries = block.entries()
    start = block.start
    tables: list[pa.Table] = []
    while batch := list(islice(entries, _BATCH)):
        tables.append(_survey(batch, start, banned.get(), spec, seed))
        start += len(batch)
    return pa.concat_tables(tables)


def _write(tables: Iterable[pa.Table], folder: Path, spec: MixSpec) -> int:
    import pyarrow.parquet as pq

    rows = 0
    with ExitStack() as stack:
        table_file = stack.enter_context(atomic_write(folder / "survey.parquet", "wb"))
        arrow = _schema(spec)
        writer = stack.enter_context(pq.ParquetWriter(table_file, arrow, compression="zstd"))
        signature_file = stack.enter_context(atomic_write(folder / SIGNATURES, "wb"))
        for table in tables:
            for signature in table[_SIGNATURE].chunks:
                # Of a fixed width: the values lie one after the other.
                first = signature.offset * near.PERMUTATIONS
                end = first + len(signature) * near.PERMUTATIONS
                signature_file.write(memoryview(signature.buffers()[1])[first:end])
            writer.write_table(table.drop_columns([_SIGNATURE]))
            rows += table.num_rows
    return rows


def _survey(
    batch: Sequence[Entry], start: int, banned: frozenset[str], spec: MixSpec, seed: int
) -> pa.Table:
    """The survey's lines of some rows, the first of which is row ``start`` of the pool, each with
    its signature; bands are null for rows too short to be anybody's near-duplicate."""
    import numpy as np
    import pyarrow as pa

    lines: list[dict[str, Any]] = []
    sets: list[tuple[list[str], list[str]]] = []
    for position, entry in enumerate(batch, start=start):
        row = RowReading(entry.candidate)
        lines.append(_line(position, entry, row, banned, spec, seed))
        sets.append(near.shingles(entry.candidate.messages, entry.candidate.completion, row.tokens))
    minima = near.signatures(sets)
    short = np.array([sum(map(len, pair)) < near.MIN_SHINGLES for pair in sets], bool)
    hashed = near.bands(minima, spec.near_duplicates)
    arrays = {name: pa.array(hashed[:, n], mask=short) for n, name in enumerate(band_names(spec))}
    arrow = _schema(spec)
    columns = [arrays.get(field.name) for field in arrow]
    columns = [
        column if column is not None else pa.array([line[field.name] for line in lines], field.type)
        for column, field in zip(columns, arrow, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=arrow)
    width = pa.binary(near.PERMUTATIONS)
    kept = np.ascontiguousarray(near.lowest_bytes(minima))
    signatures = pa.Array.from_buffers(width, len(batch), [None, pa.py_buffer(kept.tobytes())])
    return table.append_column(_SIGNATURE, signatures)


def _schema(spec: MixSpec) -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    fields = [
        ("pos", pa.int64()), ("id", text), ("origin", text), ("source", text), ("category", text), ("why", text),
        ("quality", text), ("left_out", text), ("weight", pa.int64()), ("draw", pa.float64()), ("exact", pa.binary(16)),
        ("form", pa.binary(16)),
    ]  # fmt: skip
    return pa.schema([*fields, *((name, pa.uint64()) for name in band_names(spec))])


def band_names(spec: MixSpec) -> list[str]:
    """Names of the survey's columns of band hashes."""
    return [
        f"band_{n}" for n in range(near.PERMUTATIONS // near.rows_in_band(spec.near_duplicates))
    ]


def _line(
    position: int, entry: Entry, row: RowReading, banned: frozenset[str], spec: MixSpec, seed: int
) -> dict[str, Any]:
    candidate = entry.candidate
    category, why = category_of(row, spec)
    quality = entry.quality or quality_of(candidate, row.language)
    left_out = None
    if not banned.isdisjoint(entry.parents):
        left_out = "benchmark"
    elif category not in spec.shares:
        left_out = "held_back" if category in HELD_BACK else "no_share"
    elif QUALITIES.index(quality) < QUALITIES.index(spec.minimum_quality):
        left_out = "quality"
    conversation = "\0".join(f"{turn.role}\1{turn.content}" for turn in candidate.messages)
    other = "\0".join(
        f"{turn.role}\1{turn.content.strip()}" for turn in candidate.messages if turn.role != "user"
    )
    return {
        "pos": position,
        "id": candidate.id,
        "origin": entry.origin,
        "source": candidate.source,
        "category": category,
        "why": why,
        "quality": quality,
        "left_out": left_out,
        "weight": 1 if spec.unit == "rows" else tokens(candidate),
        "draw": draw(seed, candidate.id, spec.weights.get(candidate.source, 1.0)),
        "exact": _digest(f"{conversation}\0\0{candidate.completion}"),
        "form": _digest("\0\0".join((other, " ".join(row.prompt_words), row.form))),
    }


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def tokens(candidate: Candidate) -> int:
    """Words and marks of a row, request and answer; at least 1. No model's tokenizer: the same for
    every model."""
    texts = (*(turn.content for turn in candidate.messages), candidate.completion)
    return max(1, sum(len(_TOKEN.findall(text)) for text in texts))


def draw(seed: int, name: str, weight: float = 1.0) -> float:
    """A row's place in the draw: rows with the least are taken first, the likelier the greater the
    weight (Efraimidis and Spirakis 2006, weighted sampling without replacement). It depends on the
    seed, the id and the weight alone."""
    digest = blake2b(f"{seed}|{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return -math.log(uniform) / weight
