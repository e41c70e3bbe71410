"""Exact duplicates, and answers that differ in layout, comments or docstrings only, to the same request.

The first of several rows stands for the others. Equal code under different requests is kept: it teaches another mapping.
What this module does not do: find near-duplicates, or drop anything silently: every row comes out with what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

from ..records import Row
from ..records.candidate import content_id
from .normal import answer_form, prompt_of, words


class Deduplicated(NamedTuple):
    """``stands_for_it`` is the id of the earlier row that this one repeats; None for a row to keep."""

    row: Row
    stands_for_it: str | None = None
    kind: Literal["exact", "normalised"] | None = None


def deduplicate(rows: Iterable[Row]) -> Iterator[Deduplicated]:
    """Every row in order, marked where it repeats an earlier one. Keeps about 150 bytes for each distinct row."""
    exact: dict[bytes, str] = {}
    normalised: dict[bytes, str] = {}
    for row in rows:
        identity = bytes.fromhex(content_id(row.messages, row.completion))
        first = exact.get(identity)
        if first is not None:
            yield Deduplicated(row, first, "exact")
            continue
        form = _form(row)
        first = exact[identity] = normalised.setdefault(form, row.id)
        repeats = first != row.id
        yield Deduplicated(row, first, "normalised") if repeats else Deduplicated(row)


def _form(row: Row) -> bytes:
    said = [f"{turn.role}:{turn.content.strip()}" for turn in row.messages if turn.role != "user"]
    asked = " ".join(words(prompt_of(row.messages)))
    text = "\0".join([*said, asked, answer_form(row.completion)])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
