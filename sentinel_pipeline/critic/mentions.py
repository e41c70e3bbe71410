"""Whether a text writes a tag or a token, or only speaks of it: by the quotes and backticks on its
line.

What this module does not do: know any tag, or read a sentence (``thoughts`` does both).
"""

from __future__ import annotations

import re
from typing import Literal

_WINDOW = 300
"""Characters of a line that are looked at on either side."""
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def named(before: str, after: str) -> Literal["no", "perhaps", "surely"]:
    """Whether what stands on the line before and after a tag shows that the tag is only named."""
    quote = before[-1:]
    enclosed = quote != "" and quote in "'\"`" and quote == after[:1]
    if enclosed and _APOSTROPHE.sub("", before).count(quote) % 2:
        return "surely"
    if before.count("`") % 2 and "`" in after:
        return "surely"
    for quote in ('"', "'"):
        if quote in before and quote in after:
            inside = _APOSTROPHE.sub("", before).count(quote) % 2
            if inside and quote in _APOSTROPHE.sub("", after):
                return "perhaps"
    return "no"


def around(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands on the line before ``start`` and after ``end``."""
    line = max(text.rfind("\n", max(start - _WINDOW, 0), start) + 1, start - _WINDOW, 0)
    stop = text.find("\n", end, end + _WINDOW)
    return text[line:start], text[end : stop if stop >= 0 else end + _WINDOW]


def only_named(text: str, start: int, end: int) -> bool:
    """Whether the text surely speaks of the token at ``start`` instead of writing it."""
    return named(*around(text, start, end)) == "surely"
