"""Reading trusted Python tests: which names are the candidate's, how the tests are started, whether
they need it beside them.

All decisions here are made from the tests' own text, so a candidate cannot change them. What this
module does not do: execute anything.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable
from functools import cached_property
from types import CodeType
from typing import Any

from ...records import PythonTests
from ..guest.sample import SHOWN
from . import module_tests

TESTS = "<tests>"
SETUP = "<setup>"
PREFIX = "<prefix>"
_BUILTINS = frozenset(dir(builtins)) | {"__once__", "__name__", "__file__", "__doc__"}
_BESIDE = {"redirect_stdout", "redirect_stderr", "patch", "monkeypatch", "capsys"}
"""Names of helpers that act on the process they run in: tests that use them must live beside the
program."""
_FILES = {"open", "os", "tempfile", "pathlib", "Path", "shutil", "io", "tmp_path", "tmpdir"}
"""Names by which tests reach files."""
_BODIES = ("", "\n    pass\n", "\n        pass\n")
"""What completes a prefix that ends inside a function."""
_ONCE = "__once__ = lambda make: make()\n"


class BadTests(Exception):
    """The tests cannot be run at all; the message says why."""


class Suite:
    """Compiled tests of one problem, and what was learnt about the calls they make."""

    def __init__(self, verifier: PythonTests) -> None:
        self.verifier = verifier
        self.entry_point = verifier.entry_point
        tests = _parse(verifier.tests, TESTS)
        setup = _parse(verifier.setup, SETUP)
        self.imports = module_tests.take_imports(tests)
        if not tests.body:
            raise BadTests("there are no tests")
        self.asserts = {
            node.lineno: node for node in ast.walk(tests) if isinstance(node, ast.Assert)
        }
        self.checks = _defines_check(tests)
        self.runs = not self.checks and module_tests.has_tests(tests)
        # Names that the tests read and nobody here binds are the candidate's. A prefix is run here
        # only where it offers one of them besides the entry point.
        taken = self.imports.names.keys() | self.imports.modules
        bound, read = _names(verifier.setup, ast.unparse(tests) if taken else verifier.tests)
        missing = (read - bound - _BUILTINS) | self.imports.names.keys()
        prefix = _prefix(verifier.prefix)
        offered = _names(verifier.prefix if prefix else "")[0] - {self.entry_point}
        self.prefix = compile(prefix, PREFIX, "exec") if prefix and missing & offered else None
        self.remotes = (missing - offered if self.prefix else missing) - self.imports.modules
        self.text = ast.unparse(tests)
        self._settle_entry_point(tests)
        self.targets = {name: self.imports.names.get(name, name) for name in self.remotes}
        self.shared = any(_beside(node) for module in [setup, tests] for node in ast.walk(module))
        self.uses_files = any(
            _names_any(node, _FILES) for module in [setup, tests] for node in ast.walk(module)
        )
        """Whether the tests' own text speaks of files, which this process has not."""
        self.shown = _Shown()
        """What the tests compare with a literal, where they run beside the program."""
        self.setup, self.tests = compile(setup, SETUP, "exec"), compile(tests, TESTS, "exec")
        self.learning = [
            _compile_tolerant(verifier.setup, SETUP),
            _compile_tolerant(verifier.tests, TESTS),
        ]
        self.plan: list[bytes] | None = None
        self.payload = b""
        self.dynamic = False
        self.used_as_objects: frozenset[str] = frozenset()
        """Global names whose results the tests use as only objects can be used."""
        self.compared_plainly: frozenset[str] = frozenset()
        """Global names whose results the tests compare with plain values."""
        self.made: dict[str, Any] = {}

    def _settle_entry_point(self, tests: ast.Module) -> None:
        if self.entry_point is None and not self.remotes and not self.imports.modules:
            self.entry_point = _first_called(tests)
        if self.entry_point is None and self.checks and len(self.remotes) != 1:
            raise BadTests("check(candidate) needs an entry point")
        if self.entry_point is None and self.checks:
            (self.entry_point,) = self.remotes
        if self.entry_point is not None:
            self.remotes = self.remotes | {self.entry_point}

    @cached_property
    def beside(self) -> str:
        """The tests as text to run beside a program."""
        call = f"\ncheck({self.entry_point})\n" if self.checks else ""
        tests = ast.parse(self.text if any(self.imports) else self.verifier.tests)
        own = ast.unparse(ast.fix_missing_locations(self.shown.visit(tests)))
        text = f"{_ONCE}{self.verifier.setup}\n{own}{call}"
        return (
            module_tests.beside(text, self.imports, self.runs)
            if self.runs or any(self.imports)
            else text
        )

    def once(self, make: Callable[[], Any]) -> Any:
        """``__once__`` for tests: what is dear to make and the same in every run, by the maker's
        name. Tests must not change it."""
        if make.__name__ not in self.made:
            self.made[make.__name__] = make()
        return self.made[make.__name__]

    def text_at(self, line: int) -> ast.Assert | None:
        """The assert that stands at a line of the tests."""
        return self.asserts.get(line)


def _parse(text: str, name: str) -> ast.Module:
    try:
        return ast.parse(text, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadTests(f"{name} does not compile: {error}") from None


def _prefix(text: str) -> ast.Module | None:
    """The prefix as code of its own; one that ends inside a function gets a body."""
    for tail in _BODIES:
        try:
            return ast.parse(text + tail, PREFIX) if text.strip() else None
        except (SyntaxError, ValueError):
            continue
    return None


def _names(*texts: str) -> tuple[set[str], set[str]]:
    """Global names that are bound, and those that are read, over all ``texts`` together."""
    bound: set[str] = set()
    read: set[str] = set()
    for text in texts:
        if not text.strip():
            continue
        for tail in _BODIES:
            try:
                top = symtable.symtable(text + tail, TESTS, "exec")
            except SyntaxError:
                continue
            _collect(top, bound, read, True)
            break
    return bound, read


def _collect(table: symtable.SymbolTable, bound: set[str], read: set[str], top: bool) -> None:
    for symbol in table.get_symbols():
        binds = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if binds and (top or symbol.is_declared_global()):
            bound.add(symbol.get_name())
        if symbol.is_referenced() and (top or symbol.is_global()):
            read.add(symbol.get_name())
    for child in table.get_children():
        _collect(child, bound, read, False)


def _defines_check(tests: ast.Module) -> bool:
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tests.body)
    calls = [
        node.value
        for node in tests.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    return defined and not any(
        isinstance(call.func, ast.Name) and call.func.id == "check" for call in calls
    )


def _first_called(tests: ast.Module) -> str | None:
    """Without any unknown name, the entry point has a built-in's name: the first thing that an
    assert calls."""
    for node in ast.walk(tests):
        if isinstance(node, ast.Assert):
            for inner in ast.walk(node.test):
                if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
                    return inner.func.id
    return None


class _Tolerant(ast.NodeTransformer):
    """Asserts become expressions whose failure is ignored: while learning there are no real
    answers."""

    def visit_Assert(self, node: ast.Assert) -> Any:
        ignore = ast.ExceptHandler(
            type=ast.Name("Exception", ast.Load()), name=None, body=[ast.Pass()]
        )
        return [
            ast.copy_location(
                ast.Try(body=[ast.Expr(part)], handlers=[ignore], orelse=[], finalbody=[]), node
            )
            for part in _parts(node.test)
        ]


class _Shown(ast.NodeTransformer):
    """Shows to the harness what is compared with a literal: ``a == 3`` becomes ``__shown__(0, a, 3)
    == 3``, and ``assertEqual(a, 3)`` likewise."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def visit_Compare(self, node: ast.Compare) -> Any:
        self.generic_visit(node)
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            sides = [node.left, node.comparators[0]]
            node.left, node.comparators[0] = self._show(sides)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        named = isinstance(node.func, ast.Attribute) and node.func.attr == "assertEqual"
        if named and len(node.args) >= 2:
            node.args[:2] = self._show(node.args[:2])
        return node

    def _show(self, sides: list[ast.expr]) -> list[ast.expr]:
        values = [_literal(side) for side in sides]
        for at, value in enumerate(values):
            other = sides[1 - at]
            if value is not _NONE and values[1 - at] is _NONE:
                place = ast.Constant(len(self.values))
                self.values.append(value)
                name = ast.Name(SHOWN, ast.Load())
                sides[1 - at] = ast.Call(func=name, args=[place, other, sides[at]], keywords=[])
        return sides


_NONE = object()


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NONE


def _parts(test: ast.expr) -> list[ast.expr]:
    """What all has to hold: an unknown answer must not hide what comes after an ``and``."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [part for value in test.values for part in _parts(value)]
    return [test]


def _compile_tolerant(text: str, name: str) -> CodeType:
    tree = ast.parse(text, name)
    module_tests.take_imports(tree)
    return compile(ast.fix_missing_locations(_Tolerant().visit(tree)), name, "exec")


def _beside(node: ast.AST) -> bool:
    """What acts on the process it runs in; everything else that needs the program's process is met
    while the tests run."""
    return _names_any(node, _BESIDE)


def _names_any(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return (node.id if isinstance(node, ast.Name) else node.attr) in names
    return isinstance(node, ast.arg) and node.arg in names
