"""Records as rows of tables: what every record that is kept in a table shares.

A column's name means the same in every table: ``messages`` holds turns, ``verifier`` JSON text, any
other a plain value. What this module does not do: know the tables' schemas, or read files
(``store.tables``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Self, get_args

from .messages import messages_from
from .verifiers import verifier_from_json, verifier_to_json

if TYPE_CHECKING:
    from msgspec import Struct

    from .decode import Fault

_READERS: dict[str, Callable[[Any], Any]] = {
    "messages": messages_from,
    "verifier": verifier_from_json,
}


class TableRow:
    """Base of records that are rows of a table; a subclass is a dataclass whose fields are the
    columns."""

    __slots__ = ()

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table; ``from_row`` reads it back."""
        row = {part.name: getattr(self, part.name) for part in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass
        if "messages" in row:
            row["messages"] = [turn.to_dict() for turn in row["messages"]]
        if "verifier" in row:
            row["verifier"] = verifier_to_json(row["verifier"])
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Read a row; columns that are not this record's (labels beside a candidate) are left
        alone.

        Raises:
            ValueError: names the column that is missing, or whose value has the wrong type.
        """
        import msgspec

        from .decode import Fault

        record: Any = cls
        columns: type[Struct] = _columns(record)
        try:
            plain = msgspec.convert(row, columns)
        except msgspec.ValidationError as error:
            raise _fault(columns, row) or Fault(str(error)) from None
        values = {name: getattr(plain, name) for name in columns.__struct_fields__}
        for name, read in _READERS.items():
            if name in values:
                try:
                    values[name] = read(values[name])
                except Fault as fault:
                    raise fault.below(name) from None
        return cls(**values)


@cache
def _columns(cls: Any) -> type[Struct]:
    """The table's row as ``msgspec`` reads it: the record's fields, with turns and verifier as the
    table holds them."""
    from msgspec import defstruct

    from .decode import hints_of

    columns: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    hints = hints_of(cls)
    for part in fields(cls):
        hint = hints[part.name]
        if part.name == "messages":
            hint = list[Any]
        if part.name == "verifier":
            hint = str | None if type(None) in get_args(hint) else str
        if part.default is MISSING:
            columns.append((part.name, hint))
        else:
            columns.append((part.name, hint, part.default))
    return defstruct(f"{cls.__name__}Columns", columns, kw_only=True)


def _fault(columns: Any, row: dict[str, Any]) -> Fault | None:
    """The first column that is missing or has the wrong type, by its name."""
    from msgspec import structs

    from .decode import Fault, convert, hints_of

    for name, hint in hints_of(columns).items():
        if name in row:
            try:
                convert(row[name], hint, name)
            except Fault as fault:
                return fault
    for part in structs.fields(columns):
        if part.required and part.name not in row:
            return Fault("is missing and has no default", part.name)
    return None
