"""Tables in Markdown whose cells stay whole: a ``|`` in one, as in a stop token or a reason, does
not end it.

What this module does not do: HTML, or any other Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def cell(value: Any) -> str:
    """``value`` as the text of one cell: one line, its bars escaped."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head, which may be empty names."""
    lines = [f"| {' | '.join(map(cell, head))} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows)])
