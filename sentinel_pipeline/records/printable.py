"""Text as a terminal may show it: what would steer it is written out; and which names recipes may
have, since they become folders, addresses and lines.

Escape sequences, carriage returns, marks that turn the direction of writing: a name or an answer
that holds one is shown with ``\\x1b``, never obeyed. What this module does not do: know Rich's
markup (``cli.console`` reads none in data), or HTML.
"""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
"""Controls of both sets but for line feed and tab, direction marks and isolates, separators of
lines, surrogates, annotations."""

_RECIPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
RECIPE_NAMES = "Use letters, digits, dots, dashes, underscores and plus signs, 64 at most."


def is_recipe_name(name: str) -> bool:
    """Whether a recipe may be called so: no path, nothing hidden, nothing that has to be
    escaped."""
    return _RECIPE.fullmatch(name) is not None


def visible(text: str) -> str:
    """``text`` with everything that steers a terminal as its escape."""
    return _STEERING.sub(lambda match: _escape(match[0]), text)


def visible_json(text: str) -> str:
    """JSON that means the same, without what steers a terminal: JSON escapes only what it must."""
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
