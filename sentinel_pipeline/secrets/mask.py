"""The one function through which text goes to where people and logs see it.

What this module does not do: choose the places. Artifacts that later work computes on hold their
rows as they are (docs/security.md lists them); everything else that quotes a row calls ``mask``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .find import find_credentials

MASK = "[REDACTED]"
_ROUNDS = 8

T = TypeVar("T")


def mask(value: T) -> T:
    """``value`` with ``MASK`` in the place of every secret: a text, or lists and dictionaries of
    texts, of which a new one is made. What stands under a name in a dictionary is judged with that
    name. Masking what is masked changes nothing."""
    return _masked(value)  # type: ignore[no-any-return]


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_masked(key): _named(key, each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_masked(each) for each in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def _named(name: Any, value: Any) -> Any:
    masked = _masked(value)
    if isinstance(masked, str) and isinstance(name, str) and len(name) < 64 and "\n" not in masked:
        setting = f'{name}: "{masked}"'
        first = len(setting) - len(masked) - 1
        if any(start <= first < end for _, start, end in find_credentials(setting)):
            return MASK
    return masked


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
