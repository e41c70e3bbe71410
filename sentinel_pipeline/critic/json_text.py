"""Reading one quoted text that is almost a JSON string: other quotes, raw control characters,
escapes that are none.

Departures are noted in ``names``. An apostrophe inside single quotes ends the text only where a
text can end. What this module does not do: read anything that is not in quotes.
"""

from __future__ import annotations

import re

QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
_CHUNK = {close: re.compile(rf"[^{close}\\\x00-\x1f]*") for close in QUOTES.values()}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"'}
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_TWO_HEX = re.compile(r"[0-9a-fA-F]{2}")
_AFTER_QUOTE = re.compile(r"\s*(?:[,:}\])]|//|/\*|#|\Z)")


class NotJson(ValueError):
    """Why there is no value, and where: ``CODE: detail``."""


class Cut(NotJson):
    """The text ended inside a value."""


def read_string(text: str, at: int, names: dict[str, None]) -> tuple[str, int]:
    """The text whose opening quote is at ``at``, and where it ends.

    Raises:
        Cut: no quote closes it.
    """
    opened = text[at]
    close = QUOTES[opened]
    at = at + 1
    parts = []
    chunk = _CHUNK[close]
    if opened != '"':
        names["single_quotes" if opened == "'" else "curly_quotes"] = None
    while True:
        piece = chunk.match(text, at)
        assert piece is not None
        parts.append(piece[0])
        at = piece.end()
        char = text[at : at + 1]
        if not char:
            raise _cut()
        if char == "\\":
            added, at = _escape(text, at + 1, names)
        elif char == close:
            if close == '"' or _AFTER_QUOTE.match(text, at + 1):
                return "".join(parts), at + 1
            added = char
            at = at + 1
            names["inner_quote"] = None
        else:
            added = char
            at = at + 1
            names["control_character"] = None
        parts.append(added)


def _escape(text: str, at: int, names: dict[str, None]) -> tuple[str, int]:
    """What an escape means, after its backslash; one that JSON does not know is kept as it
    stands."""
    char = text[at : at + 1]
    if not char:
        raise _cut()
    if char in _ESCAPES:
        return _ESCAPES[char], at + 1
    if char == "u":
        return _unicode(text, at + 1, names)
    names["odd_escape"] = None
    if char == "x" and (code := _TWO_HEX.match(text, at + 1)):
        return chr(int(code[0], 16)), code.end()
    return (char, at + 1) if char in "'\n" else (f"\\{char}", at + 1)


def _unicode(text: str, at: int, names: dict[str, None]) -> tuple[str, int]:
    first = _HEX.match(text, at)
    if first is None:
        if len(text) - at < 4:
            raise _cut()
        names["odd_escape"] = None
        return "\\u", at
    code = int(first[0], 16)
    at = first.end()
    second = _HEX.match(text, at + 2) if text.startswith("\\u", at) else None
    if 0xD800 <= code < 0xDC00 and second and 0xDC00 <= (low := int(second[0], 16)) < 0xE000:
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), second.end()
    return chr(code), at


def _cut() -> Cut:
    return Cut("truncated: the text ends inside a string")
