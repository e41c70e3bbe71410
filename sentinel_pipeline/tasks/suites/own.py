"""A user's own suite, one JSON object a line; ``docs/suites.md`` shows every kind.

Fields: ``prompt`` (text) or ``messages``; then ``verifier`` (an object with its ``kind``, see
``records.verifiers``) or ``tests`` with an optional ``entry_point`` and ``setup``; optional
``task_id``, ``category``, ``family`` and ``reference``. Turns of one conversation are rows with the
ids ``NAME#1``, ``NAME#2`` …, and an assistant turn ``{answer:NAME#1}`` is the model's own answer.
"""

from __future__ import annotations

import json
from typing import Any

from ...critic.scorers import scorer_of
from ...errors import did_you_mean
from ...records import (
    CATEGORIES,
    Message,
    PythonTests,
    Task,
    Verifier,
    messages_from,
    verifier_from_json,
)
from ...records.conversation import task_of
from .mbpp import infer_entry_point
from .rows import SuiteRow


def verifier(row: SuiteRow) -> Verifier | None:
    """The row's verifier, from ``verifier`` or ``tests``; None when it has neither.

    Raises:
        BadInput: a verifier of unknown kind or with a wrong field, or tests that are not Python.
    """
    table = row.fields.get("verifier")
    if table is not None:
        return _given(row, table)
    if row.fields.get("tests") is None:
        return None
    value = row.fields["tests"]
    tests = "\n".join(row.texts("tests")) if isinstance(value, list) else row.text("tests")
    row.python("tests", tests)
    entry = row.text("entry_point") if row.fields.get("entry_point") is not None else None
    if entry is None and "def check(" not in tests:
        inferred = infer_entry_point(tests)
        entry = inferred.name if inferred else None
    return PythonTests(tests=tests, entry_point=entry, setup=row.text("setup", "", empty=True))


def _given(row: SuiteRow, table: Any) -> Verifier:
    try:
        data = json.loads(table) if isinstance(table, str) else table
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, got {type(data).__name__}")
        checked = verifier_from_json(
            json.dumps({key: value for key, value in data.items() if value is not None})
        )
        if checked is not None and (check := scorer_of(checked).check) is not None:
            check(checked)
    except (ValueError, TypeError, RecursionError) as error:
        raise row.bad("verifier", f"{error}.") from error
    assert checked is not None, "an object was given"
    return checked


def _id(row: SuiteRow, suite: str) -> str:
    """Raises BadInput: no text or number, or of the form that further samples have."""
    value = row.fields.get("task_id", f"{suite}/{row.line}")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise row.bad("task_id", f"expected text or a number, got {value!r:.40}.")
    if task_of(str(value)) != str(value) or any(char.isspace() for char in str(value)):
        raise row.bad(
            "task_id",
            f"{value!r:.60} holds white space or ends like a sample's number.",
            "Change the id.",
        )
    return str(value)


def messages(row: SuiteRow) -> tuple[Message, ...]:
    """The prompt's turns, ending with the user's.

    Raises:
        BadInput: neither ``prompt`` nor ``messages``, malformed turns, or a last turn that is not
            the user's.
    """
    if row.fields.get("messages") is None:
        return (Message("user", row.text("prompt")),)
    try:
        turns = messages_from(row.fields["messages"])
    except ValueError as error:
        raise row.bad("messages", f"{error}.") from error
    if turns[-1].role != "user":
        raise row.bad("messages", f"the prompt must end with a user turn, not {turns[-1].role}.")
    return turns


def task(row: SuiteRow, suite: str) -> Task:
    """One task of a user's suite; without ``task_id`` the line names it.

    Raises:
        BadInput: a field is wrong, or nothing says how an answer is checked.
    """
    checked = verifier(row)
    if checked is None:
        raise row.bad(
            "verifier",
            "is missing: nothing says how an answer is checked.",
            "Add verifier, or tests.",
        )
    category = row.text("category", checked.category)
    if category not in CATEGORIES:
        raise row.bad("category", f"{category!r} is unknown. {did_you_mean(category, CATEGORIES)}")
    return Task(
        id=_id(row, suite),
        suite=suite,
        category=category,
        family=row.text("family", suite),
        messages=messages(row),
        verifier=checked,
        reference=row.text("reference", "", empty=True),
    )
