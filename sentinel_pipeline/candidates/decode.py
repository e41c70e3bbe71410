"""From one line's bytes to one decoded row, or the reason why not. Knows no shapes and opens no
files."""

from __future__ import annotations

import json
from typing import Any

from ..records import Quarantined
from ..secrets import mask
from .shapes import RowRefused

MAX_LINE_BYTES = 8 * 2**20
"""Longer lines are quarantined unread: no honest row of this loop comes near it, and memory stays
bounded."""
EXCERPT_CHARS = 200
MASKED_CHARS = 4000


def decode_line(data: bytes, *, ended: bool) -> Any:
    """The JSON value of one line.

    Args:
        data: the line without its line end.
        ended: False when the file ended before a line end: then an error is a truncation.

    Raises:
        RowRefused: ``nul``, ``encoding``, ``too_deep``, ``duplicate_key``, ``truncated`` or
            ``json``.
    """
    if b"\x00" in data:
        raise RowRefused("nul", f"{data.count(0)} NUL byte(s) in the line")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowRefused(
            "encoding", f"byte {error.start + 1} (0x{data[error.start]:02x}) is not UTF-8"
        ) from error
    return decode_text(text, ended=ended)


def decode_text(text: str, *, ended: bool = True) -> Any:
    """The JSON value of one text; raises as ``decode_line`` does."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise RowRefused("too_deep", "nested too deeply to be read") from error
    except json.JSONDecodeError as error:
        if not ended:
            raise RowRefused(
                "truncated", f"the file ends within the line, at column {len(text) + 1}"
            ) from error
        raise RowRefused("json", f"{error.msg} at column {error.colno}") from error
    except ValueError as error:
        if isinstance(error, RowRefused):
            raise
        raise RowRefused("json", str(error)) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two values was meant is not ours to guess, and readers differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowRefused("duplicate_key", f"duplicate key {twice[:40]!r} in one object")
    return found


def quarantined(file: str, line: int, reason: str, excerpt: bytes | str) -> Quarantined:
    """A ``Quarantined`` whose excerpt is bounded and can be written anywhere, and whose reason,
    which may quote the row, is one printable line. More is masked than is shown: a secret across
    the end of the excerpt is one as well."""
    if isinstance(excerpt, bytes):
        excerpt = excerpt[: 4 * MASKED_CHARS].decode("utf-8", "replace")
    shown = mask(excerpt[:MASKED_CHARS])[:EXCERPT_CHARS].encode("utf-8", "replace").decode()
    line_of_text = "".join(char if char.isprintable() else "?" for char in mask(reason))
    return Quarantined(file=file, line=line, reason=line_of_text, excerpt=shown)
