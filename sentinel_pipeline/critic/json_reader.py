"""Reading a JSON value out of a completion: strict first, then the first value among prose, each leniency named.

What this module does not do: mend broken JSON, or read numbers as people write them.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_STARTS = 8
"""How many places of prose are tried as the beginning of a value: bounds the time on hostile text."""
_OPENING = re.compile(r"[{\[]")
_WHOLE = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
"""A text that begins so is meant as one value: what is whole inside a broken one is not the answer."""


class Extracted(NamedTuple):
    """``value`` is text (a decoded JSON value for ``json``), None when ``error`` says why there is none."""

    value: Any
    kind: str
    leniencies: tuple[str, ...] = ()
    """Any of ``fenced``, ``unopened_fence``, ``unclosed_fence``, ``several_blocks``, ``prose_around_fence``, ``prose_around``,
    ``several_values``, ``foreign_tag``, ``prompt_sign``, ``inline_code``, ``marker``, ``stop_token``."""
    error: str | None = None


class _Strict(ValueError):
    """A value that Python's reader takes and JSON does not, or that is ambiguous."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Strict("duplicate_key")
    return value


def _constant(name: str) -> Any:
    raise _Strict(f"not_json: {name}")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def read_json(text: str) -> Extracted:
    """The whole text as one strict JSON value: no duplicate keys, no NaN, bounded depth."""
    try:
        return Extracted(_DECODER.decode(text.strip()), "json")
    except _Strict as error:
        return Extracted(None, "json", (), str(error))
    except RecursionError:
        return Extracted(None, "json", (), "too_deep")
    except ValueError as error:
        return Extracted(None, "json", (), f"not_json: {error}"[:120])


def json_in_prose(text: str, whole: Extracted) -> Extracted:
    """The first object or array among prose; a second one that reads is named, not chosen."""
    values, position = [], 0
    for _ in range(_STARTS):
        start = _OPENING.search(text, position)
        if start is None:
            break
        try:
            value, position = _DECODER.raw_decode(text, start.start())
            values.append(value)
        except (ValueError, RecursionError):
            if position == 0 and _WHOLE.match(text):
                break
            position = start.end()
    if not values:
        return whole
    return Extracted(values[0], "json", ("prose_around",) + (("several_values",) if len(values) > 1 else ()))
