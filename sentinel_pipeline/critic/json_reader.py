"""Reading a JSON value out of a completion: strict first, then the first value among prose,
repaired where that is asked for.

Every leniency is named. A value that was meant as JSON and cannot be read is an error: nothing
inside of it is taken instead. What this module does not do: repair (``json_repair`` does), or look
for fences (``extract`` does).
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple

from .json_repair import Mender
from .json_text import NotJson

_STARTS = 8
"""How many places of prose are tried as the beginning of a value: bounds the time on hostile
text."""
_OPENING = re.compile(r"[{\[]")
_WHOLE = re.compile(r"\s*(?:\{|\[\s*[\[{\"])")
"""A text that begins so is meant as one value: what is whole inside a broken one is not the
answer."""

_FORM = re.compile(r"""\{[^{}"']{0,40}["'][^{}<>]{0,80}<[^\W\d][\w |,/-]{0,60}>[^{}]{0,2000}\}""")
"""A flat object with a placeholder in the place of a value: ``{"name": <text>}``."""

JsonReading = Literal["strict", "mend", "repair"]
"""``strict`` takes JSON only, ``mend`` what is almost JSON, ``repair`` also closes what was cut
off."""


MENDED = frozenset(
    {
        "decimal_comma", "thousands_separator", "currency", "percent", "loose_number", "comment", "trailing_comma",
        "single_quotes", "curly_quotes", "inner_quote", "unquoted_key", "python_literal", "not_a_number", "undefined",
        "control_character", "odd_escape", "duplicate_key", "truncated",
    }
)  # fmt: skip
"""Leniencies by which a value was read that is not JSON; the others are about what stands around
it."""


class Extracted(NamedTuple):
    """``value`` is text (a decoded JSON value for ``json``), None when ``error`` says why there is
    none."""

    value: Any
    kind: str
    leniencies: tuple[str, ...] = ()
    """Any of ``fenced``, ``tagged``, ``indented_block``, ``unopened_fence``, ``unclosed_fence``,
    ``several_blocks``, ``prose_around_fence``, ``prose_around``, ``several_values``,
    ``foreign_tag``, ``prompt_sign``, ``inline_code``, ``marker``, ``stop_token``, ``tool_call``,
    and those of ``MENDED``."""
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


_scan: Any = _DECODER.scan_once  # type: ignore[attr-defined]  # not in its stub
_STRICT_START = re.compile(r'\s*(?=\{\s*["}]|[\["\-\dtfn])')
"""Where strict JSON may begin: what begins otherwise need not be tried."""


def read_strictly(text: str) -> Extracted | None:
    """``read_json`` where it reads a value or the value is too deep, else None, in a fraction of
    the time: nobody asks why."""
    start = _STRICT_START.match(text)
    if start is None:
        return None
    try:
        value, end = _scan(text, start.end())
    except RecursionError:
        return Extracted(None, "json", (), "too_deep")
    except (ValueError, StopIteration):
        return None
    return Extracted(value, "json") if end == len(text) or not text[end:].strip() else None


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
    """Whether the first character may begin a JSON value: where it may not, no strict reading needs
    to be tried."""
    return text.lstrip()[:1] in _FIRST


_FIRST = frozenset('{["-0123456789tfn')
NO_JSON = Extracted(None, "json", (), "not_json: no value at the beginning")


def mend_json(text: str, reading: JsonReading) -> Extracted:
    """The whole text, which is not strict JSON, as one value that is almost JSON, else the first
    such among prose."""
    bare = text.strip()
    if bare[:1] == "\ufeff":
        bare = bare[1:]
    repaired = _at(bare, 0, "mend")
    if (
        not isinstance(repaired, _Failed)
        and repaired[1] == len(bare)
        and not isinstance(repaired[0], str)
    ):
        return Extracted(repaired[0], "json", repaired[2])
    result = json_in_prose(bare, NO_JSON, reading, repaired if reading == "mend" else None)
    # Why it is not strict JSON is only asked where nothing better is known.
    return read_json(text) if result.error == NO_JSON.error and begins_as_json(text) else result


def json_in_prose(
    text: str,
    whole: Extracted,
    reading: JsonReading = "strict",
    at_once: _Found | _Failed | None = None,
) -> Extracted:
    """The first object or array among prose; a second one that reads is named, not chosen. Where
    much is forgiven an object comes before an array: ``[1]`` may be a footnote. ``at_once`` is what
    was found at the very beginning, where that was looked at."""
    first: tuple[int, _Found] | None = None
    error = whole.error
    position = 0
    several = False
    for _ in range(_STARTS):
        start = _OPENING.search(text, position)
        if start is None:
            break
        match = (
            at_once
            if at_once is not None and start.start() == 0
            else _at(text, start.start(), reading)
        )
        if isinstance(match, _Failed):
            if reading == "strict" and position == 0 and _WHOLE.match(text):
                return whole
            position = start.end()
            if first is None and match.meant and (form := _FORM.match(text, start.start())):
                position = form.end()  # the form of an answer, not the answer
            elif first is None and match.meant:
                return whole if reading == "strict" else whole._replace(error=match.error)
            error = match.error if first is None and reading != "strict" else error
        else:
            if first is not None:
                several = True
            if first is None or (
                reading != "strict" and type(first[1][0]) is list and type(match[0]) is dict
            ):
                first = start.start(), match
            position = match[1]
    if first is None:
        return whole._replace(error=error)
    began, (value, end, names) = first
    if text[:began].strip() or text[end:].strip():
        names = ("prose_around", *names)
    return Extracted(value, "json", names + (("several_values",) if several else ()))


_Found = tuple[Any, int, tuple[str, ...]]
"""A value, where it ends, and how it was repaired."""


class _Failed(NamedTuple):
    error: str
    meant: bool


def _at(text: str, start: int, reading: JsonReading) -> _Found | _Failed:
    """The value that begins at ``start`` and where it ends; reading it in the other way says at
    least whether one was meant."""
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
    return (
        _Failed("not_json", mender.meant)
        if reading == "strict"
        else (value, end, tuple(mender.names))
    )
