"""Tests written as modules: ``unittest`` classes, pytest functions, and imports of the program
under test.

What is the candidate's and what is run is read from the tests' own text. What this module does not
do: run anything.
"""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..guest import pytest_like

_LIBRARIES = {"numpy", "pandas", "pytest", "scipy", "sklearn", "sympy", "torch"}
"""Never the program under test, installed or not."""

sys.modules.setdefault("pytest", pytest_like)


class Imports(NamedTuple):
    """Names that a test module takes from the program: as what, and aliases of the program's module
    itself."""

    names: dict[str, str]
    modules: frozenset[str]


def has_tests(tree: ast.Module) -> bool:
    """Whether a module defines tests that it leaves to a runner."""
    called = {
        node.value.func.id
        for node in tree.body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    }
    return any(
        _is_test(node) and node.name not in called
        for node in tree.body
        if isinstance(node, _DEFINITIONS)
    )


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") or any(
            ast.unparse(base).endswith("TestCase") for base in node.bases
        )
    return node.name.startswith("test")


def take_imports(tree: ast.Module) -> Imports:
    """Remove imports of the program and a bare ``unittest.main()`` from ``tree``, and say what they
    would have bound."""
    names: dict[str, str] = {}
    modules: set[str] = set()
    statements: list[ast.stmt] = []
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and _is_candidates(node.module or "")
        ):
            names.update(
                {
                    alias.asname or alias.name: alias.name
                    for alias in node.names
                    if alias.name != "*"
                }
            )
        elif isinstance(node, ast.Import) and all(
            (alias.asname or alias.name.split(".")[0]) in used and _is_candidates(alias.name)
            for alias in node.names
        ):
            modules.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif not (
            isinstance(node, ast.Expr)
            and ast.unparse(node).startswith(("unittest.main(", "pytest.main("))
        ):
            statements.append(node)
    tree.body = statements
    return Imports(names, frozenset(modules))


def _is_candidates(module: str) -> bool:
    top = module.split(".")[0]
    if top in sys.stdlib_module_names or top in _LIBRARIES:
        return False
    try:
        return find_spec(top) is None
    except (ImportError, ValueError):
        return True


def beside(text: str, imports: Imports, runs: bool) -> str:
    """Text that runs a test module beside a program: the stand-in for pytest, the program's names,
    the tests, the runner."""
    source = (
        Path(pytest_like.__file__).read_text(encoding="utf-8") if runs or "pytest" in text else ""
    )
    lines = ["import sys as _sys, types as _types"]
    if source:
        lines += [
            '_pytest = _types.ModuleType("pytest")',
            f"exec({source!r}, _pytest.__dict__)",
            '_sys.modules["pytest"] = _pytest',
        ]
    lines += [f"{name} = {target}" for name, target in imports.names.items() if name != target]
    lines += [f"{name} = _sys.modules[__name__]" for name in sorted(imports.modules)]
    lines += [text, "_pytest.run_all(globals())" if runs else ""]
    return "\n".join(lines)
