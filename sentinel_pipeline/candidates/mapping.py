"""Rows whose fields have names that nobody could guess, read as a recipe's ``[[candidates.map]]``
names them.

What this module does not do: know row shapes (a mapped row is read like any other), or change a
value.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..records.data_spec import FieldMap
from .marks import MARKS

_STAY = MARKS | {
    "category",
    "entry_point",
    "setup",
    "system",
    "task_id",
    "tests",
    "tools",
    "verifier",
}
"""Fields that keep their own name and their meaning where a map does not name another for them."""


class NotThere(ValueError):
    """A field that a map names and a row does not have."""


def mapped(row: Any, source: str, maps: Sequence[FieldMap]) -> Any:
    """``row`` under the names that are known here, by the first map whose ``source`` fits; as it is
    where none does.

    Args:
        row: the decoded row.
        source: ``file:NAME`` or ``hub:NAME``.
        maps: of the recipe, in its order.

    Raises:
        NotThere: the row has no field of a name that the map gives for what has to be there.
    """
    chosen = next((names for names in maps if fnmatchcase(source, names.source)), None)
    if chosen is None or not isinstance(row, dict):
        return row
    result = {name: value for name, value in row.items() if name in _STAY}
    for name, path in chosen.fields.items():
        value = _at(row, path)
        if value is None and name in FieldMap.NEEDED:
            raise NotThere(f"{path}: is missing; candidates.map reads {name} from it")
        result[name] = value
    if chosen.role or chosen.content or chosen.roles:
        for name in ("messages", "prompt", "completion", "chosen", "rejected"):
            if isinstance(result.get(name), list):
                result[name] = [_turn(turn, chosen) for turn in result[name]]
    return result


def _at(row: dict[str, Any], path: str) -> Any:
    """The value of a field, or of one within it (``meta.answer``, ``answers.0``); None where there
    is none."""
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _turn(turn: Any, names: FieldMap) -> Any:
    if not isinstance(turn, dict):
        return turn
    role = names.role or "role"
    content = names.content or "content"
    speaker = turn.get(role)
    rest = {key: value for key, value in turn.items() if key not in (role, content)}
    speaker = names.roles.get(speaker, speaker) if isinstance(speaker, str) else speaker
    return rest | {"role": speaker, "content": turn.get(content)}
