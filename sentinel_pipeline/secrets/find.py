"""Every string of a text that looks like a secret: private keys, keys by their providers' forms,
passwords and keys by where they stand.

Findings name a kind and a place and never quote the value. What this module does not do: ask a
provider whether a key lives, or find a password that looks like an ordinary word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .catalogue import scan
from .settings import settings


class Credential(NamedTuple):
    """``kind`` is stable; ``start`` and ``end`` are character offsets of what must not be shown."""

    kind: str
    start: int
    end: int


_PRIVATE = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/=]{24}")
_SHORT_BODY = re.compile(
    r"(?:\\n|\s)*[A-Za-z0-9+/=]{3,}(?:(?:\\n|\s)+[A-Za-z0-9+/=]+)*(?:\\n|\s)*-----END"
)
"""A whole block of nothing but base64, however short; dots, brackets and underscores stand for a
key."""


def find_credentials(text: str) -> Iterator[Credential]:
    """Every secret in order of kind, then place. Linear in the length of ``text``."""
    if len(text) < _SHORTEST:
        return
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    keys, places = scan(text)
    for kind, start, end in keys:
        yield Credential(kind, start, end)
    if places:
        for kind, start, end in settings(text, places):
            yield Credential(kind, start, end)


_SHORTEST = 8
"""Characters of the shortest text that can hold a secret with its name."""


def _private_keys(text: str) -> Iterator[Credential]:
    """Blocks with something in them; one that does not end goes on to the end of the text."""
    at = 0
    while (match := _PRIVATE.search(text, at)) is not None:
        last = _PRIVATE_END.search(text, match.end())
        end = last.end() if last else len(text)
        rule = text.find("-----", match.end())
        if _BODY.search(text, match.end(), rule if rule >= 0 else end) or (
            last is not None and _SHORT_BODY.match(text, match.end(), last.end())
        ):
            yield Credential("private_key", match.start(), end)
        at = end
