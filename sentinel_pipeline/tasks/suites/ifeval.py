"""IFEval rows as they are distributed: a prompt, the ids of its verifiable instructions, and their
arguments.

``key``, ``prompt``, ``instruction_id_list``, ``kwargs`` (nulls stand for absent ones). A prompt
passes when every instruction is followed: the benchmark's strict prompt-level accuracy. The file
has no references.
"""

from __future__ import annotations

import json

from ...critic.constraints import check_constraints
from ...records import Constraints, Message, Task
from .rows import SuiteRow

FILE = "ifeval/input_data.jsonl"
HUB = "google/IFEval"
FIELDS = {"prompt", "instruction_id_list", "kwargs"}


def verifier(row: SuiteRow) -> Constraints:
    """The row's instructions.

    Raises:
        BadInput: an unknown instruction, or arguments that it does not take.
    """
    arguments = row.fields.get("kwargs")
    if not isinstance(arguments, list) or not all(
        isinstance(argument, dict) for argument in arguments
    ):
        raise row.bad("kwargs", "expected a list of objects, one for each instruction.")
    ids = row.texts("instruction_id_list")
    # Without nulls; whole numbers that a table stored as floats are whole again.
    checks = [
        {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in argument.items()
            if value is not None
        }
        for argument in arguments
    ]
    checked = Constraints(instructions=tuple(ids), arguments=json.dumps(checks, ensure_ascii=False))
    try:
        check_constraints(checked)
    except ValueError as error:
        raise row.bad("instruction_id_list", f"{error}.") from error
    return checked


def task(row: SuiteRow) -> Task:
    """One prompt; its family is the group of its first instruction."""
    checked = verifier(row)
    key = row.fields.get("key")
    if isinstance(key, bool) or not isinstance(key, (int, str)):
        raise row.bad("key", f"expected a number or text, got {type(key).__name__}.")
    return Task(
        id=f"IFEval/{key}",
        suite="ifeval",
        category="general_chat",
        family=checked.instructions[0].partition(":")[0],
        messages=(Message("user", row.text("prompt")),),
        verifier=checked,
        reference="",
    )
