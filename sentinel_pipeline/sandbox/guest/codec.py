"""Plain values as tagged JSON: exact built-in types and a few of the standard library, nothing
else.

``pack`` reduces subclasses to their base by the base's own methods, so a value that is unpacked is
exactly of the type it says; anything else goes through ``opaque`` (a handle). ``unpack`` trusts
nothing: tags, depth and sizes are checked, and no class outside the closed set can come to exist.
It is not pickle, and it keeps no sharing between parts of a value.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from json.decoder import JSONDecoder
from json.encoder import JSONEncoder
from typing import Any

MAX_DEPTH = 100
MAX_DRAINED = 10_000
"""Items that are taken from a generator or iterator; one that has more is marked as unfinished."""
_PLAIN_INT = 1 << 63
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        int, float, str, bool, bytes, list, tuple, dict, set, frozenset, complex, bytearray,
        object, type,
    )
}  # fmt: skip
_TYPE_NAMES = {kind: name for name, kind in _TYPES.items()}
_FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (abs, all, any, chr, divmod, len, max, min, ord, pow, repr, round, sorted, sum)
}
_FUNCTION_NAMES = {id(function): name for name, function in _FUNCTIONS.items()}

Opaque = Callable[[Any], Any]


class Malformed(ValueError):
    """Not a packed value: an unknown tag, a wrong shape, or too deep."""


def to_text(packed: Any) -> bytes:
    """The one JSON text of a packed value: ASCII, no spaces, lone surrogates as escapes."""
    return _encode(packed).encode("ascii")


def from_text(text: bytes) -> Any:
    """Parse JSON strictly; raises Malformed."""
    try:
        shown = str(text, "ascii")
        value, end = _scan(shown, 0)
    except (ValueError, RecursionError, StopIteration) as error:
        raise Malformed(f"not JSON: {type(error).__name__}") from None
    if end != len(shown):
        raise Malformed("not JSON: more than one value")
    return value


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not a value")


def _make_encode() -> Callable[[Any], str]:
    """An encoder that is built once: ``json.dumps`` with options builds one per call, which costs
    more than the encoding."""
    plain = JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    escape = json.encoder.encode_basestring_ascii
    ready = make(None, plain.default, escape, None, ":", ",", False, False, False)
    return lambda packed: escape(packed) if type(packed) is str else "".join(ready(packed, 0))


_encode = _make_encode()
_scan: Callable[[str, int], tuple[Any, int]] = JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]  # not in its stub


def pack(value: Any, opaque: Opaque, depth: int = 0) -> Any:
    """``value`` as plain JSON types; what has no plain form goes through ``opaque``.

    Raises:
        Malformed: deeper than ``MAX_DEPTH`` (a list that holds itself is).
    """
    kind = type(value)
    if kind is bool or kind is str or value is None:
        return value
    if kind is int:
        return value if -_PLAIN_INT < value < _PLAIN_INT else {"i": hex(value)}
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    if kind is list:
        return [pack(item, opaque, depth + 1) for item in value]
    packer = _PACKERS.get(kind)
    return packer(value, opaque, depth + 1) if packer else _pack_other(value, kind, opaque, depth)


def _pack_float(value: float, _opaque: Opaque, _depth: int) -> Any:
    return value if value - value == 0 else {"f": repr(value)}


def _pack_items(tag: str) -> Callable[[Any, Opaque, int], Any]:
    return lambda value, opaque, depth: {tag: [pack(item, opaque, depth) for item in value]}


def _pack_set(tag: str) -> Callable[[Any, Opaque, int], Any]:
    return lambda value, opaque, depth: {
        tag: sorted((pack(item, opaque, depth) for item in value), key=to_text)
    }


def _pack_pairs(tag: str) -> Callable[[Any, Opaque, int], Any]:
    return lambda value, opaque, depth: {tag: _pairs(value, opaque, depth)}


def _pairs(value: Any, opaque: Opaque, depth: int) -> list[Any]:
    return [
        [pack(key, opaque, depth), pack(item, opaque, depth)] for key, item in dict.items(value)
    ]


def _pack_text(tag: str, convert: Callable[[Any], Any]) -> Callable[[Any, Opaque, int], Any]:
    return lambda value, _opaque, _depth: {tag: convert(value)}


def _drain(value: Any, opaque: Opaque, depth: int) -> Any:
    items: list[Any] = []
    end: Any = "more"
    iterator = iter(value)
    while len(items) < MAX_DRAINED:
        try:
            item = next(iterator)
        except StopIteration as stop:
            end = "stop" if stop.value is None else "raised"  # a value that the items do not say
            break
        except Exception:
            # What comes before is still right. Where it matters, the harness asks again item by
            # item.
            end = "raised"
            break
        items.append(pack(item, opaque, depth))
    whole = end == "stop" and type(value) not in _COMPUTING
    return {"g" if whole else "G": [items, end]}


def keep_computing() -> None:
    """From now on generators and their like are not plain values: what is asked item by item must
    not run ahead."""
    for kind in _COMPUTING:
        _PACKERS.pop(kind, None)


_COMPUTING: tuple[type, ...] = (map, filter, zip, enumerate, type(_ for _ in ()))
"""Iterators that run code of the program for each item."""
_EMPTY: tuple[Any, ...] = ([], (), "", b"", {}, set(), range(0))
_LAZY: tuple[type, ...] = (
    *_COMPUTING,
    reversed,
    *(type(iter(empty)) for empty in _EMPTY),
    type(reversed([])),
)
_PACKERS: dict[type, Callable[[Any, Opaque, int], Any]] = {
    float: _pack_float,
    tuple: _pack_items("t"),
    set: _pack_set("s"),
    frozenset: _pack_set("z"),
    dict: _pack_pairs("d"),
    deque: _pack_items("q"),
    OrderedDict: _pack_pairs("o"),
    Counter: _pack_pairs("n"),
    defaultdict: _pack_pairs("d"),
    bytes: _pack_text("b", bytes.hex),
    bytearray: _pack_text("y", lambda value: bytes(value).hex()),
    complex: _pack_text("c", lambda value: [repr(value.real), repr(value.imag)]),
    range: _pack_text("r", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
    slice: lambda value, opaque, depth: {
        "sl": [pack(part, opaque, depth) for part in (value.start, value.stop, value.step)]
    },
    type({}.keys()): _pack_items("dk"),
    type({}.values()): _pack_items("dv"),
    type({}.items()): _pack_items("di"),
    type(...): _pack_text("e", lambda _value: None),
    type(NotImplemented): _pack_text("N", lambda _value: None),
} | dict.fromkeys(_LAZY, _drain)

_LATE_PACKERS: dict[tuple[str, str], Callable[[Any, Opaque, int], Any]] = {
    ("decimal", "Decimal"): _pack_text("D", str),
    ("fractions", "Fraction"): _pack_text(
        "F", lambda value: [hex(value.numerator), hex(value.denominator)]
    ),
    ("datetime", "date"): _pack_text("da", lambda value: value.isoformat()),
    ("datetime", "time"): _pack_text("ti", lambda value: value.isoformat()),
    ("datetime", "datetime"): _pack_text("dt", lambda value: value.isoformat()),
    ("datetime", "timedelta"): _pack_text(
        "td", lambda value: [value.days, value.seconds, value.microseconds]
    ),
}
"""Types of modules that a sample imports only if its program does: every module that is there makes
each fork dearer."""

_REDUCE: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (str, lambda value: str.__getitem__(value, slice(None))),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (tuple, lambda value: tuple(tuple.__iter__(value))),
    (list, lambda value: list(list.__iter__(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
)


def _pack_other(value: Any, kind: type, opaque: Opaque, depth: int) -> Any:
    if kind is type and value in _TYPE_NAMES:
        return {"T": _TYPE_NAMES[value]}
    late = _LATE_PACKERS.get((kind.__module__, kind.__name__))
    if late and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind:
        return late(value, opaque, depth)
    if id(value) in _FUNCTION_NAMES:
        return {"B": _FUNCTION_NAMES[id(value)]}
    for base, reduce in _REDUCE:
        if base in kind.__mro__:
            plain = pack(reduce(value), opaque, depth)
            subclass = getattr(opaque, "subclass", None)
            return subclass(value, plain) if subclass else plain
    return opaque(value)


def unpack(node: Any, handle: Callable[[Any], Any], depth: int = 0) -> Any:
    """The value of a packed node; ``handle`` turns the content of an opaque tag into what stands
    for it here.

    Raises:
        Malformed: anything that ``pack`` does not write.
    """
    kind = type(node)
    if kind is str or kind is int or kind is float or kind is bool or node is None:
        return node
    if depth > MAX_DEPTH + 1:
        raise Malformed("nested too deeply")
    if kind is list:
        return [unpack(item, handle, depth + 1) for item in node]
    if kind is not dict or len(node) != 1:
        raise Malformed("expected an object with one tag")
    ((tag, content),) = node.items()
    if tag == "h":
        return handle(content)
    if tag == "G":
        return _undrain_computing(content, handle, depth + 1)
    try:
        return UNPACKERS[tag](content, handle, depth + 1)
    except Malformed:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise Malformed(f"bad content for tag {tag[:8]!r}: {type(error).__name__}") from None


def _items(content: Any, handle: Callable[[Any], Any], depth: int) -> list[Any]:
    if type(content) is not list:
        raise Malformed("expected a list")
    return [unpack(item, handle, depth) for item in content]


def _dict_of(content: Any, handle: Callable[[Any], Any], depth: int) -> dict[Any, Any]:
    if type(content) is not list:
        raise Malformed("expected a list of pairs")
    return {unpack(key, handle, depth): unpack(item, handle, depth) for key, item in content}


def _big(content: Any, _handle: Any = None, _depth: int = 0) -> int:
    if type(content) is not str:
        raise Malformed("expected hexadecimal text")
    return int(content, 16)


def _undrain(content: Any, handle: Callable[[Any], Any], depth: int) -> Any:
    items, end = content
    if end != "stop":
        raise Malformed("expected stop")
    return iter(_items(items, handle, depth))


def _undrain_computing(content: Any, handle: Callable[[Any], Any], depth: int) -> Any:
    if type(content) is not list or len(content) != 2:
        raise Malformed("expected items and an end")
    items, end = content
    if end not in ("stop", "more", "raised"):
        raise Malformed("expected stop, more or raised")
    values = _items(items, handle, depth)
    computing = getattr(handle, "computing", None)
    if computing is not None:
        return computing(values, end)
    return iter(values) if end == "stop" else _unfinished(values, end)


def _unfinished(values: list[Any], end: str) -> Any:
    """The items of an iterator that was not taken to its end, where nobody can be asked for the
    rest."""
    yield from values
    if end == "more":
        raise RuntimeError(f"only the first {MAX_DRAINED} items of an endless iterator are taken")
    raise RuntimeError("the iterator raised an exception here")


def _text(content: Any) -> str:
    if type(content) is not str:
        raise Malformed("expected text")
    return content


def _floats(content: Any) -> complex:
    real, imaginary = content
    return complex(float(_text(real)), float(_text(imaginary)))


def _late(name: str) -> Any:
    return importlib.import_module(name)


def _as(build: Callable[[list[Any]], Any]) -> Callable[[Any, Any, int], Any]:
    return lambda content, handle, depth: build(_items(content, handle, depth))


def _from_dict(build: Callable[[dict[Any, Any]], Any]) -> Callable[[Any, Any, int], Any]:
    return lambda content, handle, depth: build(_dict_of(content, handle, depth))


UNPACKERS: dict[str, Callable[[Any, Any, int], Any]] = {
    "i": _big,
    "f": lambda content, _handle, _depth: {
        "nan": float("nan"),
        "inf": float("inf"),
        "-inf": float("-inf"),
    }[content],
    "t": _as(tuple),
    "s": _as(set),
    "z": _as(frozenset),
    "q": _as(deque),
    "d": _dict_of,
    "o": _from_dict(OrderedDict),
    "n": _from_dict(Counter),
    "b": lambda content, _handle, _depth: bytes.fromhex(_text(content)),
    "y": lambda content, _handle, _depth: bytearray.fromhex(_text(content)),
    "c": lambda content, _handle, _depth: _floats(content),
    "r": lambda content, _handle, _depth: range(*(_big(part) for part in content)),
    "D": lambda content, _handle, _depth: _late("decimal").Decimal(_text(content)),
    "F": lambda content, _handle, _depth: _late("fractions").Fraction(
        *(_big(part) for part in content)
    ),
    "da": lambda content, _handle, _depth: _late("datetime").date.fromisoformat(_text(content)),
    "ti": lambda content, _handle, _depth: _late("datetime").time.fromisoformat(_text(content)),
    "dt": lambda content, _handle, _depth: _late("datetime").datetime.fromisoformat(_text(content)),
    "td": lambda content, _handle, _depth: _late("datetime").timedelta(
        *(int(part) for part in content)
    ),
    "sl": _as(lambda items: slice(*items)),
    "dk": _as(lambda items: dict.fromkeys(items).keys()),
    "dv": _as(lambda items: dict(enumerate(items)).values()),
    "di": _as(lambda items: dict(items).items()),
    "e": lambda _content, _handle, _depth: ...,
    "N": lambda _content, _handle, _depth: NotImplemented,
    "T": lambda content, _handle, _depth: _TYPES[content],
    "B": lambda content, _handle, _depth: _FUNCTIONS[content],
    "g": _undrain,
}
