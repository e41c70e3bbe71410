"""The arguments of MBPP+ tasks as their functions expect them: JSON has no tuples, sets or complex
numbers.

Which task takes what is told by EvalPlus's own loader (``evalplus/data/mbpp.py``, Apache-2.0), by
task number. What this module does not do: guess; arguments of any other task stay as JSON gives
them.
"""

from __future__ import annotations

from typing import Any

_DEEP = "t" * 64
_EVERY: dict[str, set[int]] = {
    "t": {
        2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726,
        740, 744, 809,
    },
    "lt": {63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780},
    "tt": {259, 401, 445},
    _DEEP: {580, 615, 791},
}  # fmt: skip
"""Tasks whose every argument has a shape: its containers from the outside in, ``t`` a tuple and
``l`` a list."""
_FIRST: dict[str, set[int]] = {
    "t": {250, 307, 405, 446, 617, 720, 763, 808},
    "lt": {75, 413, 444, 753},
    "tt": {278},
}
_SECOND: dict[str, set[int]] = {"t": {106, 750}}


def arguments(task: str, values: list[Any]) -> list[Any]:
    """One call's arguments of the MBPP+ task ``Mbpp/N``.

    Raises:
        ValueError: they are not of the task's kind.
    """
    number = task.rpartition("/")[2]
    if not task.casefold().startswith("mbpp/") or not number.isdecimal():
        return values
    try:
        return _converted(int(number), values)
    except (TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"arguments {values!r:.80} do not fit {task}: {error}") from error


def _converted(number: int, values: list[Any]) -> list[Any]:
    if number == 115:
        return [[set(item) if item else {} for item in values[0]]]
    if number == 124:
        return [float(values[0]), complex(values[1])]
    if number == 252:
        return [complex(values[0])]
    if number == 722:
        return [{key: tuple(value) for key, value in values[0].items()}, *values[1:]]
    every, first, second = (_shape(number, table) for table in (_EVERY, _FIRST, _SECOND))
    shapes = [first or every, second or every]
    return [
        _shaped(value, shapes[place] if place < 2 else every) for place, value in enumerate(values)
    ]


def _shape(number: int, table: dict[str, set[int]]) -> str:
    return next((shape for shape, numbers in table.items() if number in numbers), "")


def _shaped(value: Any, shape: str) -> Any:
    if not shape or not isinstance(value, list):
        return value
    inner = [_shaped(item, shape[1:]) for item in value]
    return tuple(inner) if shape[0] == "t" else inner
