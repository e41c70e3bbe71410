"""One pass over the accepted candidates and the repair traces: what the mix must know of each row,
in a table of its own.

The *survey* has a line for each row: what category it is of and why, its hashes and bands, its
weight, its place in the draw, and why it is out already (held back, benchmark overlap, below the
quality asked). Rows themselves are not held. What this module does not do: find duplicates
(``dedup``), draw (``quotas``)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ..critic.reading import quality_of
from ..records import QUALITIES, Candidate, Quality, RepairTrace, messages_from
from ..records.data_spec import MixSpec
from ..store import read_parquet
from ..store.files import atomic_write
from . import near
from .categories import HELD_BACK, category_of
from .row_reading import RowReading

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024
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
    for data in read_parquet(accepted):
        candidate = Candidate.from_row(data)
        yield Entry(candidate, "candidate", (candidate.id,))
    for data in read_parquet(repairs):
        trace = RepairTrace(**{**data, "messages": messages_from(data["messages"])})
        prompt = Candidate(
            id=trace.id,
            source="repair",
            messages=trace.messages,
            completion=trace.completion,
            category=trace.category,
            task_id=trace.task_id,
        )
        parents = (trace.id, trace.accepted_id, trace.failed_id)
        yield Entry(prompt, "repair", parents, trace.quality)


def survey(
    entries: Iterator[Entry], folder: Path, *, banned: Collection[str], spec: MixSpec, seed: int
) -> int:
    """Write ``folder/survey.parquet`` and ``folder/signatures.bin`` (``near.PERMUTATIONS`` bytes a
    row); returns the rows seen."""
    import pyarrow.parquet as pq

    out = frozenset(banned)
    rows = 0
    with ExitStack() as stack:
        table = stack.enter_context(atomic_write(folder / "survey.parquet", "wb"))
        writer = stack.enter_context(pq.ParquetWriter(table, _schema(spec), compression="zstd"))
        signature_file = stack.enter_context(atomic_write(folder / "signatures.bin", "wb"))
        batch: list[dict[str, Any]] = []
        sets: list[tuple[list[str], list[str]]] = []
        for rows, entry in enumerate(entries, start=1):
            row = RowReading(entry.candidate)
            batch.append(_line(rows - 1, entry, row, out, spec, seed))
            candidate = entry.candidate
            sets.append(near.shingles(candidate.messages, candidate.completion, row.tokens))
            if len(batch) == _BATCH:
                _flush(writer, signature_file, batch, sets, spec)
        _flush(writer, signature_file, batch, sets, spec)
    return rows


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


def _flush(
    writer: Any,
    signature_file: IO[bytes],
    batch: list[dict[str, Any]],
    sets: list[tuple[list[str], list[str]]],
    spec: MixSpec,
) -> None:
    """Bands are null for rows too short to be anybody's near-duplicate."""
    import pyarrow as pa

    if not batch:
        return
    minima = near.signatures(sets)
    signature_file.write(near.lowest_bytes(minima).tobytes())
    short = [sum(map(len, pair)) < near.MIN_SHINGLES for pair in sets]
    hashed = near.bands(minima, spec.near_duplicates)
    arrays = {
        name: pa.array(hashed[:, n], mask=_mask(short)) for n, name in enumerate(band_names(spec))
    }
    arrow = _schema(spec)
    columns = [arrays.get(field.name) for field in arrow]
    columns = [
        column if column is not None else pa.array([row[field.name] for row in batch], field.type)
        for column, field in zip(columns, arrow, strict=True)
    ]
    writer.write_table(pa.Table.from_arrays(columns, schema=arrow))
    batch.clear()
    sets.clear()


def _mask(flags: list[bool]) -> Any:
    import numpy as np

    return np.array(flags, bool)
