"""An answer as an engine gives it and a file keeps it, and what an engine is. Nothing is generated
here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..records.decoding import Decoding
from .prompts import Prompt


class Answer(NamedTuple):
    """One line of an answers file."""

    id: str
    completion: str
    stopped: bool
    """The model ended by itself, with its end token."""
    tokens: int
    """Generated tokens, the end token not counted."""
    seconds: float
    """The item's share of its batch's wall time."""


Engine = Callable[[Sequence[Prompt], Decoding], Iterator[list[Answer]]]
"""Answers in batches, in any order; an item that infrastructure failed is left out, and never
answered by an empty text."""
