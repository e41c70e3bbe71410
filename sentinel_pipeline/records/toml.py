"""TOML into frozen dataclasses, with errors that teach. Knows nothing of any recipe."""

from __future__ import annotations

import tomllib
import types
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import BadInput, did_you_mean

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        BadInput: missing, unreadable, not UTF-8, or not TOML (with the line that the parser names).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput("no such file.", file=path, fix="Check the name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read: {error}.", file=path) from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"is not TOML: {error}.", file=path, fix="Mend the line named.") from error


def read_section(cls: type[T], data: dict[str, Any], *, file: Path, prefix: str = "") -> T:
    """Build dataclass ``cls`` from a table; nested dataclasses, tuples, dicts, optionals and literals are followed.

    Raises:
        BadInput: an unknown or missing key, or a value of the wrong type, by its full dotted key.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise BadInput(
                "unknown key.", file=file, field=prefix + key, fix=did_you_mean(key, known)
            )
    hints = get_type_hints(cls)
    missing = [
        name
        for name, f in known.items()
        if name not in data and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise BadInput("is missing and has no default.", file=file, field=prefix + missing[0])
    return cls(
        **{key: _value(hints[key], value, file, prefix + key) for key, value in data.items()}
    )


def _value(hint: Any, value: Any, file: Path, key: str) -> Any:
    if hint is Any:
        return value
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _value(next(arg for arg in args if arg is not type(None)), value, file, key)
    if is_dataclass(hint):
        return read_section(hint, _expect(dict, value, file, key), file=file, prefix=f"{key}.")  # type: ignore[arg-type]
    if origin is Literal:
        return _literal(args, value, file, key)
    if origin is tuple:
        items = _expect(list, value, file, key)
        return tuple(
            _value(args[0], item, file, f"{key}[{index}]") for index, item in enumerate(items)
        )
    if origin is dict:
        table = _expect(dict, value, file, key)
        return {name: _value(args[1], item, file, f"{key}.{name}") for name, item in table.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(hint, value, file, key)


def _literal(choices: tuple[Any, ...], value: Any, file: Path, key: str) -> Any:
    if value not in choices:
        raise BadInput(
            f"{value!r} is not a choice.",
            file=file,
            field=key,
            fix=did_you_mean(str(value), choices),
        )
    return value


def _expect(kind: type, value: Any, file: Path, key: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadInput(
            f"expected {kind.__name__}, got {type(value).__name__} ({value!r}).",
            file=file,
            field=key,
        )
    return value
