"""Reading a JSON value out of a completion: strict first, then the first value among prose, mended where that is asked for.

Every leniency is named. A value that was meant as JSON and cannot be read is an error: nothing inside of it is taken instead.
What this module does not do: mend (``json_mend`` does), or look for fences (``extract`` does).
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple

from .json_mend import Mender, NotJson

_STARTS = 8
"""How many places of prose are tried as the beginning of a value: bounds the time on hostile text."""
_OPENING = re.compile(r"[{\[]")
_WHOLE = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
"""A text that begins so is meant as one value: what is whole inside a broken one is not the answer."""

JsonReading = Literal["strict", "mend", "repair"]
"""``strict`` takes JSON only, ``mend`` what is almost JSON, ``repair`` also closes what was cut off."""


MENDED = frozenset(
    {
        "decimal_comma", "thousands_separator", "currency", "percent", "loose_number", "comment", "trailing_comma",
        "single_quotes", "curly_quotes", "inner_quote", "unquoted_key", "python_literal", "not_a_number", "undefined",
        "control_character", "odd_escape", "duplicate_key", "truncated",
    }
)  # fmt: skip
"""Leniencies by which a value was read that is not JSON; the others are about what stands around it."""


class Extracted(NamedTuple):
    """``value`` is text (a decoded JSON value for ``json``), None when ``error`` says why there is none."""

    value: Any
    kind: str
    leniencies: tuple[str, ...] = ()
    """Any of ``fenced``, ``unopened_fence``, ``unclosed_fence``, ``several_blocks``, ``prose_around_fence``, ``prose_around``,
    ``several_values``, ``foreign_tag``, ``prompt_sign``, ``inline_code``, ``marker``, ``stop_token``, and those of ``MENDED``."""
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


def begins_as_json(text: str) -> bool:
    """Whether the first character may begin a JSON value: where it may not, no strict reading needs to be tried."""
    return text.lstrip()[:1] in _FIRST


_FIRST = frozenset('{["-0123456789tfn')
NO_JSON = Extracted(None, "json", (), "not_json: no value at the beginning")


def mend_json(text: str, whole: Extracted, reading: JsonReading) -> Extracted:
    """The whole text (whose strict reading is ``whole``) as one value that is almost JSON, else the first such among prose."""
    if whole.error is None or whole.error == "too_deep":
        return whole
    bare = text.strip().removeprefix("\ufeff")
    mender = Mender(bare)
    try:
        value, end = mender.value(0)
        if end == len(bare) and not isinstance(value, str):
            return Extracted(value, "json", tuple(mender.names))
    except NotJson:
        pass
    return json_in_prose(bare, whole, reading)


def json_in_prose(text: str, whole: Extracted, reading: JsonReading = "strict") -> Extracted:
    """The first object or array among prose; a second one that reads is named, not chosen. Where much is forgiven an object comes
    before an array: ``[1]`` may be a footnote."""
    first: tuple[Any, int, int, tuple[str, ...]] | None = None
    error, position, several = whole.error, 0, False
    for _ in range(_STARTS):
        start = _OPENING.search(text, position)
        if start is None:
            break
        found = _at(text, start.start(), reading)
        if isinstance(found, _Failed):
            if reading == "strict" and position == 0 and _WHOLE.match(text):
                return whole
            position = start.end()
            if first is None and found.meant:
                return whole if reading == "strict" else whole._replace(error=found.error)
            error = found.error if first is None and reading != "strict" else error
        else:
            if first is not None:
                several = True
            if first is None or (reading != "strict" and type(first[0]) is list and type(found[0]) is dict):
                first = found[0], start.start(), found[1], found[2]
            position = found[1]
    if first is None:
        return whole._replace(error=error)
    value, began, end, names = first
    if text[:began].strip() or text[end:].strip():
        names = ("prose_around", *names)
    return Extracted(value, "json", names + (("several_values",) if several else ()))


class _Failed(NamedTuple):
    error: str
    meant: bool


def _at(text: str, start: int, reading: JsonReading) -> tuple[Any, int, tuple[str, ...]] | _Failed:
    """The value that begins at ``start`` and where it ends; reading it in the other way says at least whether one was meant."""
    if reading == "strict":
        try:
            value, end = _DECODER.raw_decode(text, start)
            return value, end, ()
        except (ValueError, RecursionError):
            pass
    mender = Mender(text, repair=reading == "repair")
    try:
        value, end = mender.value(start)
    except NotJson as error:
        return _Failed(str(error), mender.meant)
    return _Failed("not_json", mender.meant) if reading == "strict" else (value, end, tuple(mender.names))
