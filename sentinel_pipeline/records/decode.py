"""Plain data (TOML, JSON, rows) into frozen dataclasses: the one reader of recipes, alert rules,
jobs, verifiers and records.

``msgspec`` converts and holds every value to the type and the bounds at its field (``bounds``).
What it leaves out is here: unknown keys are refused, numbers are finite, and an error names the
key, what was expected and what to do. A class with a method ``check`` states the rules among its
own fields there; it raises ``Fault``. What this module does not do: read files, or know any class.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from ..errors import BadInput, did_you_mean
from .bounds import LARGEST

T = TypeVar("T")


class Fault(ValueError):
    """A value that cannot be: where it is (``sft.windows.gate_step``, empty for the whole), what is
    wrong, and what to do."""

    def __init__(self, message: str, key: str = "", fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.key}: " if self.key else ""
        fix = f". {self.fix.rstrip('.')}" if self.fix else ""
        return f"{place}{self.message}{fix}"

    def below(self, parent: str) -> Fault:
        """The same of a value that is itself a part of something."""
        return Fault(self.message, _join(parent, self.key), self.fix)

    def in_file(self, file: Path | None, prefix: str = "") -> BadInput:
        """The same as a person is told it."""
        key = _join(prefix, self.key)
        return BadInput(f"{self.message}.", file=file, field=key or None, fix=self.fix)


def decode(cls: type[T], data: Any, *, file: Path | None = None, prefix: str = "") -> T:
    """Build ``cls`` from what a person wrote; ``prefix`` is the key of ``data`` in ``file``.

    Raises:
        BadInput: an unknown or missing key, a value of the wrong type or out of bounds, or a rule
            of ``check`` that is broken.
    """
    try:
        return build(cls, data)
    except Fault as fault:
        raise fault.in_file(file, prefix) from None


def validate(spec: Any, *, file: Path | None = None, prefix: str = "") -> None:
    """Hold a dataclass that code made to the bounds and rules of its fields, as ``decode`` does
    those of files.

    Raises:
        BadInput: as ``decode``.
    """
    decode(type(spec), asdict(spec), file=file, prefix=prefix)


def build(cls: type[T], data: Any) -> T:
    """``decode`` for callers that name the place themselves.

    Raises:
        Fault: as ``decode`` raises ``BadInput``; the first fault in the order of ``data``.
    """
    values = list(_walk(cls, data, ""))
    try:
        result = msgspec.convert(data, cls, dec_hook=_custom)
    except msgspec.ValidationError as error:
        # Its path names no key of a dict and no file, so the value that it means is looked for.
        for value in values:
            if (fault := _fault(value)) is not None:
                raise fault from None
        raise Fault(str(error)) from None
    check_rules(result)
    return result


def build_kind(kinds: Mapping[str, type[T]], data: Any) -> T:
    """Build the class that the ``kind`` in ``data`` names.

    Raises:
        Fault: no object, an unknown kind, or as ``build``.
    """
    if not isinstance(data, dict):
        raise Fault(f"expected an object with a kind, got {type(data).__name__}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise Fault(f"unknown kind {kind!r:.60}", "kind", did_you_mean(str(kind), kinds))
    return build(kinds[kind], {key: value for key, value in data.items() if key != "kind"})


def convert(value: Any, hint: Any, key: str) -> Any:
    """One value as the type ``hint``; ``key`` is its name in errors.

    Raises:
        Fault: the wrong type, or out of bounds.
    """
    try:
        return msgspec.convert(value, hint, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise _fault(_Value(key, hint, value)) or Fault(str(error), key) from None


def check_rules(value: Any, key: str = "") -> None:
    """Ask ``check`` of ``value`` and of everything in it, parts first.

    Raises:
        Fault: the first rule that is broken, with its full key.
    """
    if is_dataclass(value):
        for part in fields(value):
            check_rules(getattr(value, part.name), _join(key, part.name))
        if hasattr(value, "check"):
            try:
                value.check()
            except Fault as fault:
                raise fault.below(key) from None
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            check_rules(item, f"{key}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            check_rules(item, _join(key, name))


class _Value(NamedTuple):
    """One value of the data with its place and the type that it must have."""

    key: str
    hint: Any
    value: Any
    """``MISSING`` where a key without a default is not there."""


@cache
def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Field -> type, bounds included; of a generic class with the types that it is given."""
    plain = get_origin(cls) or cls
    filled = dict(zip(getattr(plain, "__parameters__", ()), get_args(cls), strict=False))
    hints = get_type_hints(plain, include_extras=True)
    return {
        name: filled.get(hint, hint) if isinstance(hint, TypeVar) else hint
        for name, hint in hints.items()
        if get_origin(hint) is not ClassVar
    }


@cache
def required_of(cls: type[Any]) -> tuple[str, ...]:
    """Names of the fields without a default."""
    return tuple(
        part.name
        for part in fields(get_origin(cls) or cls)
        if part.default is MISSING and part.default_factory is MISSING
    )


@cache
def _bare(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """A type without ``None`` and annotations, and its bounds."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Annotated:
        bounds = (part for part in hint.__metadata__ if isinstance(part, msgspec.Meta))
        return get_args(hint)[0], next(bounds, None)
    return hint, None


def _walk(hint: Any, value: Any, key: str) -> Iterator[_Value]:
    """Every value below ``value``, parts before the whole and missing keys last.

    Raises:
        Fault: a key that ``hint`` does not have, a number that is not finite, or a value that no
            type has (a date).
    """
    bare, _ = _bare(hint)
    origin = get_origin(bare)
    inner = get_args(bare)
    if is_dataclass(origin or bare) and isinstance(value, dict):
        hints = hints_of(bare)
        for name, item in value.items():
            if name not in hints:
                raise Fault("unknown key", _join(key, name), did_you_mean(str(name), hints))
            yield from _walk(hints[name], item, _join(key, name))
        # After the keys that are there: a misspelt key is the better explanation of a missing one.
        for name in required_of(bare):
            if name not in value:
                yield _Value(_join(key, name), hints[name], MISSING)
        return
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _walk(inner[0] if origin is tuple else Any, item, f"{key}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if origin is dict:
                yield _Value(_join(key, str(name)), inner[0], name)
            yield from _walk(inner[1] if origin is dict else Any, item, _join(key, str(name)))
    elif isinstance(value, float) and not isfinite(value):
        raise Fault(f"is {value}, expected a finite number", key)
    # TOML and JSON allow any integer; DuckDB, Parquet and torch hold 64 bits.
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise Fault("is too large, expected a number of at most 64 bits", key)
    elif not isinstance(value, (str, int, float, Path)) and value is not None:
        raise Fault(
            f"expected text, a number or true or false, got {type(value).__name__} ({value})", key
        )
    yield _Value(key, hint, value)


def _custom(kind: type[Any], value: Any) -> Any:
    """What ``msgspec`` does not know: paths, as text in files."""
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value)
    raise msgspec.ValidationError(f"expected {kind.__name__}")


def _fault(place: _Value) -> Fault | None:
    """What is wrong with this very value; None where nothing is."""
    key, hint, value = place
    if value is MISSING:
        return Fault("is missing and has no default", key)
    try:
        msgspec.convert(value, hint, dec_hook=_custom)
    except msgspec.ValidationError as error:
        reason = str(error)
    else:
        return None
    bare, bounds = _bare(hint)
    if get_origin(bare) is Literal:
        choices = get_args(bare)
        return Fault(f"{value!r:.60} is not a choice", key, did_you_mean(str(value), choices))
    kind = get_origin(bare) or bare
    # msgspec's own reason names types by its words and Python's; the three common faults are said
    # in the recipe's.
    accepted = {float: (float, int), tuple: (list, tuple), Path: (str,)}.get(kind, kind)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        names = {str: "text", tuple: "list", dict: "table", Path: "path"}
        expected = "table" if is_dataclass(kind) else names.get(kind, kind.__name__)
        actual = "null" if value is None else f"{type(value).__name__} ({value!r:.60})"
        return Fault(f"expected {expected}, got {actual}", key)
    if bounds is not None and isinstance(value, (int, float)):
        shown = f"{value:g}" if isinstance(value, float) else f"{value!s:.30}"
        return Fault(f"is {shown}, expected {_range(bounds, value)}", key, bounds.description)
    if bounds is not None and isinstance(value, str):
        expected = f"{bounds.min_length} to {bounds.max_length} characters"
        return Fault(f"expected {expected}, got {len(value)}", key, bounds.description)
    return Fault(reason, key)


def _range(bounds: msgspec.Meta, value: float) -> str:
    """Bounds in words. An upper bound that only keeps numbers workable is told where it is the
    broken one, and else not."""
    high = bounds.le if bounds.le is not None else bounds.lt
    upper = "at most" if bounds.le is not None else "below"
    if high is not None and high >= LARGEST and value >= high:
        return f"{upper} {high:,}"
    if high is None or high >= LARGEST:
        return f"more than {bounds.gt:g}" if bounds.gt is not None else f"{bounds.ge:g} or more"
    if bounds.gt is not None:
        return f"more than {bounds.gt:g} and {upper} {high:g}"
    if bounds.ge is not None:
        return (
            f"{bounds.ge:g} to {high:g}"
            if upper == "at most"
            else f"{bounds.ge:g} to below {high:g}"
        )
    return f"{upper} {high:g}"


def _join(parent: str, key: str) -> str:
    if not parent or not key or key.startswith("["):
        return parent + key
    return f"{parent}.{key}"
