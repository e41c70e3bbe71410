"""Wrong answers that are certainly wrong, made from right ones without running anything.

That a mutant fails follows from the verifier's expected values, read as data: no code is executed here.
"""

from __future__ import annotations

import ast
import json
import re
from random import Random
from typing import Any

from sentinel_pipeline.records import (
    FieldsAnswer,
    JsonAnswer,
    PatchApplies,
    PythonTests,
    ShellEffect,
    Task,
)

FILE_NAME = re.compile(r"\b[\w/]+\.\w+\b")


def wrong(task: Task, rng: Random) -> str:
    """A well-formed answer to ``task`` that its verifier must refuse."""
    verifier = task.verifier
    if isinstance(verifier, PythonTests):
        return _wrong_code(task.reference, verifier, rng)
    if isinstance(verifier, (JsonAnswer, FieldsAnswer)):
        return json.dumps(_wrong_value(json.loads(verifier.expected), rng), ensure_ascii=False)
    if isinstance(verifier, PatchApplies):
        return _wrong_diff(task.reference, rng)
    if isinstance(verifier, ShellEffect):
        return _wrong_command(task.reference, rng)
    return rng.choice(("It is none of those.", "That was never said.", "You did not tell me."))


def _wrong_code(code: str, verifier: PythonTests, rng: Random) -> str:
    """The entry point returns another value: an off-by-one, a lost or an added element, or nothing at all.

    Certain as long as the entry point does not call itself, where two changes could cancel out.
    """
    expression = _value_mutation(_expected_values(verifier.tests), rng)
    if verifier.prefix:
        tree = ast.parse("def _():\n" + code)
        changed = _Returns(expression, "_")
        body = ast.unparse(changed.visit(tree)).partition("\n")[2]
        return body if changed.count else "    return 'wrong'"
    changed = _Returns(expression, verifier.entry_point)
    text = ast.unparse(changed.visit(ast.parse(code)))
    return (
        text if changed.count else f"def {verifier.entry_point or 'f'}(*args):\n    return 'wrong'"
    )


def _value_mutation(expected: list[Any] | None, rng: Random) -> str:
    """An expression over ``V``, the value returned, that differs from ``V`` for at least one of ``expected``."""
    kinds = {type(value) for value in expected or ()}
    if kinds == {int}:
        return rng.choice(("V + 1", "V - 1", "-V - 1"))
    if kinds == {list}:
        return rng.choice(
            ("V + [0]", "[0] + V", *(("V[1:]", "V[:-1]") if any(expected or ()) else ()))
        )
    if kinds == {tuple}:
        return rng.choice(
            ("V + (0,)", "(0,) + V", *(("V[1:]", "V[:-1]") if any(expected or ()) else ()))
        )
    if kinds == {str}:
        return rng.choice(("V + ' '", "V + '0'"))
    if kinds == {bool}:
        return "not V"
    return "V.absent" if expected is None or None in expected else "None"


def _expected_values(tests: str) -> list[Any] | None:
    """The literals that the asserts compare a plain call with; None when some assert is of another form."""
    values = []
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Assert):
            test = node.test
            if not (
                isinstance(test, ast.Compare)
                and isinstance(test.ops[0], ast.Eq)
                and isinstance(test.left, ast.Call)
            ):
                return None
            try:
                values.append(ast.literal_eval(test.comparators[0]))
            except ValueError:
                return None
    return values


class _Returns(ast.NodeTransformer):
    """Puts ``expression`` in the place of what the top-level function ``name`` returns, or every one when it has no name."""

    def __init__(self, expression: str, name: str | None) -> None:
        self.expression, self.name, self.count, self._inside = expression, name, 0, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self._inside or self.name not in (None, node.name):
            return node
        self._inside = True
        self.generic_visit(node)
        self._inside = False
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.count += 1
        tree = ast.parse(self.expression, mode="eval").body
        return ast.Return(_Fill(node.value or ast.Constant(None)).visit(tree))


class _Fill(ast.NodeTransformer):
    def __init__(self, value: ast.expr) -> None:
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.value if node.id == "V" else node


def _wrong_value(value: Any, rng: Random) -> Any:
    """The same shape with one leaf changed: a slipped decimal, an off-by-one, another word."""
    if isinstance(value, dict) and value:
        inner = "arguments" if value.get("arguments") else rng.choice(sorted(value))
        return value | {inner: _wrong_value(value[inner], rng)}
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return [*value[:at], _wrong_value(value[at], rng), *value[at + 1 :]]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1))
    if isinstance(value, float):
        return round(value * 10, 6) if value else 1.5
    return f"{value}s" if isinstance(value, str) else [value]


def _wrong_diff(diff: str, rng: Random) -> str:
    """Applies cleanly and gives another file: an added line gets a longer value, or another line is deleted."""
    lines = diff.split("\n")
    added = [
        at for at, line in enumerate(lines) if line.startswith("+") and not line.startswith("+++")
    ]
    if added:
        at = rng.choice(added)
        lines[at] += rng.choice("0123456789")
        return "\n".join(lines)
    deleted = next(
        at for at, line in enumerate(lines) if line.startswith("-") and not line.startswith("---")
    )
    hunk_lines = [
        at
        for at, line in enumerate(lines)
        if line.startswith(" ") and line[1:] != lines[deleted][1:]
    ]
    other = rng.choice(hunk_lines)
    lines[deleted], lines[other] = " " + lines[deleted][1:], "-" + lines[other][1:]
    return "\n".join(lines)


def _wrong_command(command: str, rng: Random) -> str:
    """Prints a word too much, or names a file that is not there."""
    named = FILE_NAME.search(command)
    if named is None or rng.random() < 0.5:
        return f"{command} && echo done"
    return f"{command[: named.end() - 1]}{command[named.end() :]}"
