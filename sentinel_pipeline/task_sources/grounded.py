"""Tasks grounded in a user's database: each row that is drawn becomes a task, by the source's
template; a question with ``sql`` becomes a task whose query runs on copies of the tables.

What this module does not do: open databases (``store.own_database``), or read files of rows
(``rows``).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.task_source import TaskSource
from ..store.own_database import open_database

DRAWN = 1000
"""Rows that are drawn where the source says no ``limit``."""


def drawn_rows(spec: TaskSource, index: int, root: Path, seed: int) -> Iterator[dict[str, Any]]:
    """A row of the shape that ``rows`` reads for each row that is drawn from the table.

    Raises:
        BadInput: no database, no such table or column, or a condition that cannot be run.
    """
    key = f"tasks.source[{index}]"
    assert spec.database is not None and spec.table is not None and spec.prompt is not None
    with open_database(root / spec.database, f"{key}.database") as database:
        columns = database.table(spec.table, f"{key}.table").columns
        for name in (*spec.expected, *spec.must_mention):
            if name not in columns:
                raise BadInput(
                    f"{spec.table} has no column {name!r}.",
                    file=database.path,
                    field=f"{key}.{'expected' if name in spec.expected else 'must_mention'}",
                    fix=f"Its columns: {', '.join(columns)}.",
                )
        rows = database.draw(spec.table, spec.where, spec.limit or DRAWN, seed, f"{key}.where")
    for values in ({name: _plain(value) for name, value in row.items()} for row in rows):
        try:
            prompt = spec.prompt.format_map(values)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise BadInput(
                f"the prompt cannot be filled: {type(error).__name__}: {error}.",
                field=f"{key}.prompt",
                fix=f"Write columns in braces: {', '.join(columns)}; a brace is {{{{.",
            ) from error
        yield _task(spec, values, prompt)


def _task(spec: TaskSource, values: dict[str, Any], prompt: str) -> dict[str, Any]:
    verifier: dict[str, Any]
    if spec.expected:
        gold = json.dumps({name: values[name] for name in spec.expected}, ensure_ascii=False)
        verifier = {
            "kind": "fields_answer",
            "expected": gold,
            "schema": json.dumps(_schema(spec, values)),
        }
        return {"prompt": prompt, "verifier": verifier, "reference": gold}
    verifier = {
        "kind": "grounded_text",
        "record": json.dumps(values, ensure_ascii=False),
        "must_mention": [
            str(values[name]) for name in spec.must_mention if values[name] is not None
        ],
        "min_words": spec.words[0],
        "max_words": spec.words[1],
        "shown": prompt,
        "language": spec.language,
    }
    return {"prompt": prompt, "verifier": verifier}


def _schema(spec: TaskSource, values: dict[str, Any]) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "number", float: "number", type(None): "null"}
    return {
        "type": "object",
        "properties": {
            name: {"type": kinds.get(type(values[name]), "string")} for name in spec.expected
        },
        "required": list(spec.expected),
    }


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (dt.date, dt.datetime, dt.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return value


def copies(spec: TaskSource, index: int, root: Path, seed: int) -> tuple[str, str]:
    """Two copies of the source's database as SQL, of other rows each: a query must be right on
    both.

    Raises:
        BadInput: no such database.
    """
    key = f"tasks.source[{index}].database"
    assert spec.database is not None
    with open_database(root / spec.database, key) as database:
        return database.copy_sql(seed, key), database.copy_sql(seed + 1, key, rows=100)
