"""Reading what a script's sample says, strictly: tagged values as ``values.js`` writes them, and
failures.

A checked value is rebuilt from what was read, so nothing else of the answer's text goes on. What
this module does not do: make JavaScript values; the tests' engine does, from exactly these nodes.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ..guest.codec import Malformed
from ..guest.script import OWN_LINES
from .finding import Finding

MAX_DEPTH = 220
"""Each level of a value is at most two of JSON, and ``values.js`` stops at 100."""
_SPECIAL = frozenset({"NaN", "-0", "Infinity", "-Infinity"})
_BIG = re.compile(r"-?\d{1,20000}\Z", re.ASCII)
_LINE = re.compile(r"<input>(?::(\d{1,9}))?", re.ASCII)


_COMBINING = frozenset({
    "every", "some", "includes", "indexOf", "lastIndexOf", "find", "findIndex", "findLast",
    "findLastIndex", "forEach", "startsWith", "endsWith", "localeCompare", "hasOwnProperty",
    "propertyIsEnumerable", "isPrototypeOf",
})  # fmt: skip
"""Methods of the language's own arrays and texts that take what the tests expect, or a function
that does, and settle the test by their answer."""


def check(node: Any, depth: int = 0) -> Any:
    """``node`` itself, rebuilt.

    Raises:
        Malformed: anything that ``encode`` does not write.
    """
    kind = type(node)
    if node is None or kind is bool or kind is str or kind is int:
        return node
    if kind is float:
        if not math.isfinite(node):
            raise Malformed("not a finite number")
        return node
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    if kind is list:
        return [{"x": 0} if item == {"x": 0} else check(item, depth + 1) for item in node]
    if kind is not dict or len(node) != 1:
        raise Malformed("expected an object with one tag")
    ((tag, content),) = node.items()
    return {tag: _content(tag, content, depth + 1)}


def _content(tag: str, content: Any, depth: int) -> Any:
    kind = type(content)
    if tag == "u" and kind is int and content == 0:
        return 0
    if tag == "n" and kind is str and content in _SPECIAL:
        return content
    if tag == "b" and kind is str and _BIG.match(content):
        return content
    if tag == "d" and (content is None or (kind is int and abs(content) <= 8_640_000_000_000_000)):
        return content
    if tag == "h" and kind is int and content >= 0:
        return content
    if kind is list:
        return _items(tag, content, depth)
    raise Malformed(f"bad content for tag {tag[:8]!r}")


def _items(tag: str, content: list[Any], depth: int) -> Any:
    if tag == "s":
        return [check(item, depth) for item in content]
    if tag in ("o", "N"):
        return [pair for pair in _members(content, depth) if not _settles(pair, _COMBINING)]
    if tag == "m":
        return [[check(item, depth) for item in _pair(pair)] for pair in content]
    if tag == "A" and len(content) == 2 and type(content[0]) is list and type(content[1]) is list:
        members = _members(content[1], depth)
        return [check(content[0], depth), [pair for pair in members if not _settles(pair, None)]]
    raise Malformed(f"bad content for tag {tag[:8]!r}")


def _settles(pair: list[Any], names: frozenset[str] | None) -> bool:
    """Whether a member is a function of the program's (or another object of it) in place of what
    data of its kind have: of an array every one is."""
    value = pair[1]
    return type(value) is dict and "h" in value and (names is None or pair[0] in names)


def _members(content: list[Any], depth: int) -> list[Any]:
    pairs = [_pair(pair) for pair in content]
    if any(type(name) is not str for name, _ in pairs):
        raise Malformed("a key is text")
    return [[name, check(item, depth)] for name, item in pairs]


def _pair(pair: Any) -> list[Any]:
    if type(pair) is not list or len(pair) != 2:
        raise Malformed("expected a pair")
    return pair


def read_failure(answer: dict[str, Any]) -> tuple[Finding, dict[str, Any] | None]:
    """An answer without a value: why, and what to throw in the tests (None: the session is over).

    Raises:
        Malformed: not a failure as samples write it.
    """
    if "x" in answer:
        return _ended(answer), None
    if "t" in answer:
        shown = f"thrown: {json.dumps(check(answer['t']), ensure_ascii=False)[:300]}"
        return Finding("exception", shown), {"names": [], "message": shown}
    names = answer.get("e")
    message = answer.get("m")
    stack = answer.get("k")
    if type(names) is not list or any(type(name) is not str for name in names):
        raise Malformed("neither a value nor a failure")
    shown = answer["n"] if type(answer.get("n")) is str and answer["n"] else "Error"
    names = [shown, *(name for name in names[:8] if name != shown)]
    message = message if type(message) is str else ""
    lines = [int(number or 1) for number in _LINE.findall(stack)] if type(stack) is str else []
    place = next((number for number in lines if number <= OWN_LINES), None)
    line = f" (line {place})" if place else ""
    memory = shown == "InternalError" and message == "out of memory"
    finding = Finding(
        "memory" if memory else "exception",
        f"{shown}: {message}{line}" if message else f"{shown}{line}",
    )
    return finding, {"names": names, "message": message}


def _ended(answer: dict[str, Any]) -> Finding:
    why = answer["x"]
    message = answer.get("m", "")
    if type(why) is not str or type(message) is not str:
        raise Malformed("unknown kind of end")
    if why == "missing":
        names = answer.get("d", [])
        defined = [name for name in names if type(name) is str][:10] if type(names) is list else []
        defined_names = ", ".join(defined) or "nothing"
        return Finding("wrong_entry_point", f"{message!r} is not defined; defined: {defined_names}")
    if why in ("syntax_error", "output_limit"):
        return Finding(why, message)
    raise Malformed("unknown kind of end")
