"""BFCL rows as they are distributed (simple, multiple and parallel calls): functions, a question,
and beside it an answer file.

The answers stand next to the questions: ``possible_answer/NAME.json`` as in BFCL's repository, or
``NAME.answer.json``. An answer is asked for as JSON. Multi-turn categories and those that execute
calls are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ...critic.calls import check_calls, gold_calls
from ...errors import BadInput
from ...records import FunctionCalls, Message, Task, messages_from
from ..calls_request import ASK
from .rows import SuiteRow, read_rows

FILE = "bfcl/BFCL_v4_simple_python.json"


def tasks(path: Path) -> Iterator[Task]:
    """The tasks of one question file.

    Raises:
        BadInput: no answer file, a question without its answer, or a row of another shape: file,
            line and field.
    """
    answers = {row.text("id"): row for row in read_rows(_answers_of(path))}
    # `simple_python` of `BFCL_v4_simple_python.json`.
    family = path.stem.split("_", 2)[-1] if path.stem.startswith("BFCL_") else path.stem
    for row in read_rows(path):
        answer = answers.get(row.text("id"))
        if answer is None:
            raise row.bad("id", f"{row.text('id')!r} has no answer in {_answers_of(path).name}.")
        yield _task(row, _verifier(row, answer), family)


def _answers_of(path: Path) -> Path:
    candidates = (
        path.with_name(f"{path.stem}.answer.json"),
        path.parent / "possible_answer" / path.name,
    )
    answer_file = next((each for each in candidates if each.is_file()), None)
    if answer_file is None:
        names = " or ".join(str(each.relative_to(path.parent)) for each in candidates)
        problem = "has no answers beside it."
        raise BadInput(problem, file=path, fix=f"Put them at {names}, next to the questions.")
    return answer_file


def _verifier(row: SuiteRow, answer: SuiteRow) -> FunctionCalls:
    functions = row.fields.get("function")
    truth = answer.fields.get("ground_truth")
    checked = FunctionCalls(
        functions=json.dumps(functions, ensure_ascii=False),
        expected=json.dumps(truth, ensure_ascii=False),
    )
    try:
        check_calls(checked)
    except ValueError as error:
        wrong, field = (
            (answer, "ground_truth") if str(error).startswith("expected") else (row, "function")
        )
        raise wrong.bad(field, f"{error}.") from error
    return checked


def _task(row: SuiteRow, checked: FunctionCalls, family: str) -> Task:
    return Task(
        id=row.text("id"),
        suite="bfcl",
        category="tool_use",
        family=family,
        messages=_messages(row, checked),
        verifier=checked,
        reference=gold_calls(checked),
    )


def _messages(row: SuiteRow, checked: FunctionCalls) -> tuple[Message, ...]:
    """The first and only exchange, with the functions as its system turn (before one that the row
    brings)."""
    question = row.fields.get("question")
    if not isinstance(question, list) or len(question) != 1:
        raise row.bad("question", "expected a list of one exchange; several are another category.")
    try:
        turns = messages_from(question[0])
    except ValueError as error:
        raise row.bad("question", f"{error}.") from error
    if turns[-1].role != "user":
        raise row.bad("question", "the exchange must end with a user turn.")
    system = ASK.format(functions=checked.functions)
    systems = [turn.content for turn in turns if turn.role == "system"]
    return (
        Message("system", "\n\n".join([system, *systems])),
        *(turn for turn in turns if turn.role != "system"),
    )
