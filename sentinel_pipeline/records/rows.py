"""Records as rows of tables: what every record that is kept in a table shares.

A column's name means the same in every table: ``messages`` holds turns, ``verifier`` JSON text, any other a plain value. What this
module does not do: know the tables' schemas, or read files (``store.tables``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Self, get_args

from .decode import Fault, convert, hints_of, required_of
from .messages import messages_from
from .verifiers import verifier_from_json, verifier_to_json

_READERS: dict[str, Callable[[Any], Any]] = {
    "messages": messages_from,
    "verifier": verifier_from_json,
}


class TableRow:
    """Base of records that are rows of a table; a subclass is a dataclass whose fields are the columns."""

    __slots__ = ()

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table; ``from_row`` reads it back."""
        row = {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]
        if "messages" in row:
            row["messages"] = [turn.to_dict() for turn in row["messages"]]
        if "verifier" in row:
            row["verifier"] = verifier_to_json(row["verifier"])
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Read a row; columns that are not this record's (labels beside a candidate) are left alone.

        Raises:
            ValueError: names the column that is missing, or whose value has the wrong type.
        """
        values: dict[str, Any] = {}
        for name, hint in hints_of(cls).items():
            if name not in row:
                if name in required_of(cls):
                    raise Fault("is missing and has no default", name)
            elif name in _READERS:
                values[name] = _READERS[name](row[name])
                if values[name] is None and type(None) not in get_args(hint):
                    raise Fault("is missing and has no default", name)
            else:
                values[name] = convert(row[name], hint, name)
        return cls(**values)
