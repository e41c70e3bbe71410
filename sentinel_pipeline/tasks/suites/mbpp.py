"""MBPP rows as they are distributed: a sentence, a solution, asserts, and no word of what the
function is called.

The name is inferred from the asserts. The prompt tells it, and how many arguments it takes, and
shows no assert. Challenge tests are left out, as the benchmark's own protocol does. Both the full
and the sanitized fields are read.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import NamedTuple

from ...records import Message, PythonTests, Task
from .rows import SuiteRow

FILE = "mbpp/mbpp.jsonl"
HUB = "google-research-datasets/mbpp"
FIELDS = {"code", "test_list"}


class EntryPoint(NamedTuple):
    """The function that asserts are about, and the number of arguments that they call it with; None
    when it varies."""

    name: str
    arguments: int | None


def infer_entry_point(tests: str, program: str = "") -> EntryPoint | None:
    """The function that ``tests`` call, by reading them: of the called plain names that are not
    builtins and that the tests do not make themselves, the first that ``program`` defines, else the
    first.

    Nothing is executed. None when the tests call no such name, or either text does not parse.
    """
    try:
        test_tree = ast.parse(tests)
        defined = _defined(ast.parse(program))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    definitions = _defined(test_tree)
    calls = [
        call
        for call in _calls(test_tree)
        if call[0] not in definitions and not hasattr(builtins, call[0])
    ]
    calls += [
        call for call in _calls(test_tree) if call[0] in defined and hasattr(builtins, call[0])
    ]
    names = list(dict.fromkeys(name for name, _ in calls))
    if not names:
        return None
    name = next((name_used for name_used in names if name_used in defined), names[0])
    counts = {count for called, count in calls if called == name}
    return EntryPoint(name, counts.pop() if len(counts) == 1 else None)


def _defined(tree: ast.Module) -> set[str]:
    """Names of the functions, classes, imports and variables at a module's top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return names


def _calls(tree: ast.Module) -> Iterator[tuple[str, int | None]]:
    """Every plain name that an assert calls, in order of the text, with its number of positional
    arguments."""
    for statement in tree.body:
        if not isinstance(statement, ast.Assert):
            continue
        calls = [node for node in ast.walk(statement.test) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
            if isinstance(call.func, ast.Name):
                starred = call.keywords or any(
                    isinstance(argument, ast.Starred) for argument in call.args
                )
                yield call.func.id, None if starred else len(call.args)


def verifier(row: SuiteRow) -> PythonTests:
    """The asserts of one row with the entry point that they tell.

    Raises:
        BadInput: a field is missing or of a wrong type, the asserts are not Python, or they call no
            function.
    """
    tests = row.python("test_list", "\n".join(row.texts("test_list")))
    entry = infer_entry_point(tests, solution(row))
    if entry is None:
        raise row.bad("test_list", "the asserts call no function, so what to test is not known.")
    imports = row.texts("test_imports") if row.fields.get("test_imports") else []
    setup = row.text("test_setup_code", "", empty=True).replace("\r\n", "\n")
    return PythonTests(
        tests=tests,
        entry_point=entry.name,
        setup="\n".join([*imports, *([setup] if setup else [])]),
    )


def solution(row: SuiteRow) -> str:
    """The solution with Unix line ends: the file's are Windows' own, and mean nothing."""
    return row.text("code").replace("\r\n", "\n")


def prompt(row: SuiteRow, checked: PythonTests) -> str:
    """The sentence, then the name and the number of arguments."""
    sentence = row.text("text") if "text" in row.fields else row.text("prompt")
    entry = infer_entry_point(checked.tests, f"def {checked.entry_point}(): ...")
    takes = ""
    if entry is not None and entry.arguments is not None:
        takes = f" It takes {entry.arguments} argument{'s' if entry.arguments != 1 else ''}."
    return f"{sentence.strip()}\nName the function {checked.entry_point}.{takes}"


def task(row: SuiteRow) -> Task:
    """One task, ``MBPP/N``."""
    number = row.fields.get("task_id")
    if isinstance(number, bool) or not isinstance(number, (int, str)):
        raise row.bad("task_id", f"expected a number, got {type(number).__name__}.")
    checked = verifier(row)
    return Task(
        id=f"MBPP/{number}",
        suite="mbpp",
        category="executable_code",
        family="mbpp",
        messages=(Message("user", prompt(row, checked)),),
        verifier=checked,
        reference=solution(row),
    )
