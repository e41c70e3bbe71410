"""The one function through which text goes to where people and logs see it.

What this module does not do: choose the places. Artifacts that later work computes on hold their
rows as they are (docs/security.md lists them); everything else that quotes a row or an error calls
``mask``.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

from .find import find_credentials

MASK = "[REDACTED]"
_ROUNDS = 8
_SHORT = 2000
"""Characters of a message, at most, that is looked at without the detector first."""
_NAMED = re.compile(
    r"(?i)://|\s-|pass|pwd|senha|identified|securestring|login|machine|auth|psk|sqlplus|oracle|net\s+use|:\d{2,5}:\S+:"
)
"""Words without which nothing but random text can be a secret."""
_SIGNS = re.compile(r"[^A-Za-z0-9]+")
_WORD = re.compile(
    r"[A-Z]?[a-z]{0,16}\d{0,4}|[A-Z]{2,12}\d{0,2}|(?:[A-Z]?[a-z]{2,12}){1,4}|\d{1,9}"
)

T = TypeVar("T")


def mask(value: T) -> T:
    """``value`` with ``MASK`` in the place of every secret: a text, or lists, tuples and
    dictionaries of texts, of which a new one is made. What stands under a name in a dictionary is
    judged with that name. Masking what is masked changes nothing."""
    return cast(T, _masked(value))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return value if is_harmless(value) else _text(value)
    if isinstance(value, dict):
        return {_masked(key): _named(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, tuple):
        items = tuple(_masked(each) for each in value)
        return type(value)._make(items) if hasattr(value, "_make") else items
    return value


def _named(name: Any, value: Any) -> Any:
    masked = _masked(value)
    if isinstance(masked, str) and isinstance(name, str) and len(name) < 64:
        setting = f'{name}: "{masked}"'
        first = len(setting) - len(masked) - 1
        if not is_harmless(setting) and any(
            start <= first < end for _, start, end in find_credentials(setting)
        ):
            return MASK
    return masked


def is_harmless(text: str) -> bool:
    """A message of words, small numbers and paths, in which no secret can be: told without the
    detector, which a process would first have to load."""
    if len(text) > _SHORT or _NAMED.search(text):
        return False
    return all(
        len(word) < 8 or all(_WORD.fullmatch(part) for part in _SIGNS.split(word))
        for word in text.split()
    )


def _text(text: str) -> str:
    """What stands around a secret may become one when it goes: it is looked at again until nothing
    is found; text that never comes to rest is not shown at all."""
    for _ in range(_ROUNDS):
        spans = sorted((start, end) for _, start, end in find_credentials(text))
        if not spans:
            return text
        parts = []
        last = 0
        for start, end in spans:
            if start >= last:
                parts += [text[last:start], MASK]
            last = max(last, end)
        text = "".join([*parts, text[last:]])
    return MASK
