"""Does the program define what was asked for, under that name and with that signature? Read from
the syntax tree only.

What this module does not do: call anything, or compare types and defaults.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..records import Label, PythonTests, Verifier
from .syntax import python_tree

_ASKED = re.compile(r"\b(?:function|method|class)\s+(?:named|called)\s+[`'\"*]*([A-Za-z_]\w*)")
_SIGNATURE = re.compile(
    r"^[ \t>]*(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*\(([^()]{0,400}(?:\([^()]{0,100}\)[^()]{0,200}){0,4})\)",
    re.MULTILINE,
)


class Wanted(NamedTuple):
    """``parameters`` are the names that the prompt's signature shows; None where it shows none."""

    name: str
    parameters: tuple[str, ...] | None = None


def wanted_entry(verifier: Verifier | None, prompt: str) -> Wanted | None:
    """What the row asks for: the verifier's name, else the one that its tests call, else the
    prompt's signature."""
    name = None
    if isinstance(verifier, PythonTests):
        name = verifier.entry_point or called_name(verifier.tests, verifier.setup)
        prompt = f"{verifier.prefix}\n{prompt}"
    elif verifier is not None:
        return None
    signatures = (
        {match[1]: match[2] for match in _SIGNATURE.finditer(prompt)} if "def " in prompt else {}
    )
    if name is None and len(signatures) == 1:
        name = next(iter(signatures))
    if name is None:
        match = _ASKED.search(prompt)
        name = match[1] if match else None
    return Wanted(name, _parameters(signatures.get(name))) if name else None


@lru_cache(maxsize=4096)
def called_name(tests: str, setup: str = "") -> str | None:
    """The one name that every assert calls and that neither Python nor the setup defines; None
    where it is not one."""
    tree = python_tree(tests)
    before = python_tree(setup)
    if tree is None or any(isinstance(node, ast.FunctionDef) for node in tree.body):
        return None
    defined = set(dir(builtins)) | set(_bound(before.body if before else []))
    common: set[str] | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            called = {
                n.func.id
                for n in ast.walk(node)
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            } - defined
            common = called if common is None else common & called
    return next(iter(common)) if common is not None and len(common) == 1 else None


def _parameters(text: str | None) -> tuple[str, ...] | None:
    tree = python_tree(f"def f({text}): pass") if text is not None else None
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    return tuple(arg.arg for arg in (*tree.body[0].args.posonlyargs, *tree.body[0].args.args))


def entrypoint_match(code: str, expected: Wanted) -> Label:
    """True, or False with ``missing_entry_point``, ``signature`` or ``stub_body``."""
    tree = python_tree(code)
    if tree is None:
        return Label(None, "not_applicable: the code does not parse")
    definitions = [node for node in _definitions(tree.body) if _name(node) == expected.name]
    if not definitions:
        if expected.name in set(_bound(tree.body)):
            return Label(True, "ok")
        others = sorted({name for node in _definitions(tree.body) if (name := _name(node))})
        return Label(
            False, f"missing_entry_point: {expected.name} is not defined{_instead(others)}"[:200]
        )
    node = definitions[-1]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return Label(True, "ok")
    if _is_stub(node):
        return Label(False, f"stub_body: {expected.name} does nothing")
    return _signature(node, expected)


def _instead(others: list[str]) -> str:
    return f", but {', '.join(others[:3])}" if others else ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, expected: Wanted) -> Label:
    if expected.parameters is None:
        return Label(True, "ok")
    positional = len(expected.parameters)
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    least = len(names) - len(node.args.defaults)
    required = [
        arg for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults) if default is None
    ]
    if least <= positional and (positional <= len(names) or node.args.vararg) and not required:
        same = tuple(names[:positional]) == expected.parameters
        return Label(
            True, "ok" if same or node.args.vararg else "ok: parameters are named otherwise"
        )
    return Label(
        False,
        f"signature: {expected.name} takes {least} to {len(names)} parameters, {positional} were asked",
    )


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Only a docstring, ``pass``, ``...`` or ``raise NotImplementedError``."""
    body = [
        each
        for each in node.body
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    return all(isinstance(each, ast.Pass) or _not_implemented(each) for each in body)


def _not_implemented(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _definitions(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Functions and classes at module level, also under ``if`` and ``try``."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _definitions([*node.body, *getattr(node, "orelse", [])])


def _name(node: ast.stmt) -> str:
    return str(getattr(node, "name", ""))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Names that module-level statements bind: definitions, assignments and imports."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                name.id
                for target in targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            )
