"""Passwords and keys in addresses, whatever they look like: between ``//`` and ``@``, or under a
name such as ``token=`` after ``?``.

For errors and logs, which quote the addresses that this installation uses. A row may hold ``u:pw@``
as an example, and there only what looks like a secret is masked (``mask``); in an error it is
somebody's password. What this module does not do: find secrets outside of addresses.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

from .mask import MASK, mask

_NO_SECRET = r"(?!\$|\{|<|…|PASSWORD|TOKEN|KEY\b|\[REDACTED)"
"""References and the words by which our own messages say what belongs there."""
_PASSWORD = re.compile(
    rf"(?i:\b[a-z][a-z0-9+.-]*)://(?P<user>[^\s:/?#@'\"<>]*):{_NO_SECRET}(?!\d{{1,5}}(?:[/?#'\"\s]|$))"
    r"(?P<secret>[^\s'\"<>]*)@"
)
_KEY_AS_USER = re.compile(rf"(?i:\bhttps?)://{_NO_SECRET}(?P<secret>[^\s:/?#@'\"<>]+)@")
_PARAMETER = re.compile(
    r"(?i)[?&;](?:[\w.-]*(?:passw(?:or)?d|pwd|passphrase|token|secret|api[_-]?key|access[_-]?key|signature|credential|auth)"
    rf"[\w.-]*|key|sig|pass)=(?-i:{_NO_SECRET})(?P<secret>[^\s&;#'\"<>]+)"
)

T = TypeVar("T")


def mask_error(value: T) -> T:
    """``mask``, and every password and key in an address masked too; of a text, or of lists, tuples
    and dictionaries of texts."""
    return cast(T, _addresses(mask(value)))


def _addresses(value: Any) -> Any:
    if isinstance(value, str):
        if "://" not in value:
            return value
        for pattern in (_PASSWORD, _KEY_AS_USER, _PARAMETER):
            value = pattern.sub(_hidden, value)
        return value
    if isinstance(value, dict):
        return {_addresses(key): _addresses(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_addresses(each) for each in value]
    if isinstance(value, tuple):
        items = tuple(_addresses(each) for each in value)
        return type(value)._make(items) if hasattr(value, "_make") else items
    return value


def _hidden(match: re.Match[str]) -> str:
    start = match.start("secret") - match.start()
    end = match.end("secret") - match.start()
    return match[0][:start] + MASK + match[0][end:]
