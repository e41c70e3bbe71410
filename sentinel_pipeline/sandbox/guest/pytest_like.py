"""The part of pytest's interface that tests of a function use: ``raises``, ``approx``, ``fixture``,
``mark``, ``skip``, ``fail``.

Stands for ``pytest`` where tests run, in the harness or, as text, beside a program; it needs the
standard library alone. What this module does not do: plugins, fixtures of pytest's own, or anything
that acts on the process (use shared trust for that).
"""

from __future__ import annotations

import inspect
import itertools
import math
import re
from typing import Any


class Skipped(Exception):
    """The test does not apply here."""


class Failed(AssertionError):
    """What ``fail`` raises, and ``raises`` where nothing was raised."""


def skip(reason: Any = "") -> Any:
    raise Skipped(reason)


def fail(reason: Any = "") -> Any:
    raise Failed(reason)


class raises:  # noqa: N801 -- pytest's name
    """``with raises(Error, match=pattern) as caught`` or ``raises(Error, function, *args)``."""

    def __init__(self, expected: Any, *call: Any, match: Any = None, **kwargs: Any) -> None:
        self.expected = expected
        self.match = match
        self.type = None
        self.value = None
        if call:
            with self:
                call[0](*call[1:], **kwargs)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> Any:
        if kind is None:
            raise Failed(f"did not raise {_shown(self.expected)}")
        try:
            as_expected = issubclass(kind, self.expected)
        except TypeError:
            raise Failed(f"expected {_shown(self.expected)}, not a class of exceptions") from None
        if not as_expected:
            return False
        self.type = kind
        self.value = value
        if self.match is not None and not re.search(self.match, str(value)):
            raise Failed(f"the message {str(value)[:200]!r} does not match {self.match!r}")
        return True


def _shown(expected: Any) -> Any:
    kinds = expected if isinstance(expected, tuple) else (expected,)
    names = [getattr(kind, "__name__", None) for kind in kinds]
    return " or ".join(name if type(name) is str else "another class" for name in names)


class approx:  # noqa: N801 -- pytest's name
    """Equal within ``max(rel * |expected|, abs)``; numbers, and lists, tuples and dicts of them."""

    def __init__(
        self, expected: Any, rel: Any = None, abs: Any = None, nan_ok: Any = False
    ) -> None:
        self.expected = expected
        self.rel = rel
        self.abs = abs
        self.nan_ok = nan_ok

    def __eq__(self, got: Any) -> Any:
        try:
            return self._same(self.expected, got)
        except (ArithmeticError, TypeError):
            return False  # an integer beyond floats, a number that cannot be compared

    def __ne__(self, got: Any) -> Any:
        return not self == got

    __hash__ = None  # type: ignore[assignment]  # how a class says that it has no hash

    def _same(self, want: Any, got: Any) -> Any:
        if type(want) in (list, tuple):
            return (
                type(got) is type(want)
                and len(got) == len(want)
                and all(self._same(left, other) for left, other in zip(want, got))
            )
        if type(want) is dict:
            return (
                type(got) is dict
                and got.keys() == want.keys()
                and all(self._same(want[key], got[key]) for key in want)
            )
        if not all(
            isinstance(side, (int, float, complex)) and not isinstance(side, bool)
            for side in (want, got)
        ):
            return type(want) is type(got) and want == got
        if want != want:
            return self.nan_ok and got != got
        if want == got or math.inf in (abs(want), abs(got)):
            return want == got
        absolute = 1e-12 if self.abs is None else self.abs
        relative = self.rel
        if relative is None:
            relative = 1e-6 if self.abs is None else 0.0
        return abs(want - got) <= max(relative * abs(want), absolute)

    def __repr__(self) -> Any:
        return f"approx({self.expected!r})"


def param(*values: Any, id: Any = None, marks: Any = ()) -> Any:
    return _Parameters(values, marks if isinstance(marks, (list, tuple)) else [marks])


class _Parameters:
    def __init__(self, values: Any, marks: Any) -> None:
        self.values = values
        self.marks = marks


class _Mark:
    def __init__(self, name: Any, args: Any = (), kwargs: Any = None) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs or {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            len(args) == 1
            and not kwargs
            and (inspect.isfunction(args[0]) or inspect.isclass(args[0]))
        ):
            marked: Any = args[0]
            marked.pytestmark = [self, *getattr(marked, "pytestmark", [])]
            return marked
        return _Mark(self.name, args, kwargs)


class _Marks:
    def __getattr__(self, name: Any) -> Any:
        return _Mark(name)


mark = _Marks()


def fixture(function: Any = None, **_options: Any) -> Any:
    """Run anew for every test that asks for it by name."""
    if function is None:
        return fixture
    function.is_fixture = True
    return function


def tests_of(names: Any) -> Any:
    """Every test of a module's names as ``(name, call)``, in order: functions, plain classes,
    ``unittest`` classes."""
    for name, value in list(names.items()):
        if inspect.isclass(value) and value.__module__ == names.get("__name__"):
            if hasattr(value, "debug") and hasattr(value, "assertEqual"):
                yield from _unittest_cases(value)
            elif name.startswith("Test"):
                for method in [key for key in vars(value) if key.startswith("test")]:
                    yield from _calls(f"{name}.{method}", vars(value)[method], names, value)
        elif (
            inspect.isfunction(value)
            and name.startswith("test")
            and value.__module__ == names.get("__name__")
        ):
            yield from _calls(name, value, names, None)


def _unittest_cases(case: Any) -> Any:
    import unittest

    def run(method: Any) -> Any:
        try:
            case.setUpClass()
            case(method).debug()
            case.tearDownClass()
        except unittest.SkipTest as skipped:
            raise Skipped(str(skipped)) from None

    for method in unittest.defaultTestLoader.getTestCaseNames(case):
        yield f"{case.__name__}.{method}", lambda method=method: run(method)


def _calls(name: Any, function: Any, names: Any, owner: Any) -> Any:
    marks = [*getattr(function, "pytestmark", []), *getattr(owner, "pytestmark", [])]
    tables = [_rows(mark) for mark in marks if mark.name == "parametrize"]
    for rows in itertools.product(*tables):
        parameters: dict[str, Any] = {}
        all_marks = list(marks)
        for row, extra in rows:
            parameters.update(row)
            all_marks += extra
        yield (
            name,
            lambda parameters=parameters, all_marks=all_marks: _call(
                function, names, owner, parameters, all_marks
            ),
        )


def _rows(mark: Any) -> Any:
    keys, table = mark.args[:2]
    keys = (
        [key.strip() for key in keys.split(",") if key.strip()]
        if isinstance(keys, str)
        else list(keys)
    )
    rows = []
    for row in table:
        values, marks = (row.values, row.marks) if isinstance(row, _Parameters) else (row, [])
        values = values if len(keys) > 1 or isinstance(row, _Parameters) else (values,)
        rows.append((dict(zip(keys, values)), list(marks)))
    return rows


def _call(function: Any, names: Any, owner: Any, parameters: Any, marks: Any) -> Any:
    if any(
        mark.name == "skip" or (mark.name == "skipif" and mark.args and mark.args[0])
        for mark in marks
    ):
        raise Skipped(function.__name__)
    unfinished: list[Any] = []
    holder: Any = owner() if owner else None
    try:
        if hasattr(holder, "setup_method"):
            holder.setup_method()
        names_used = list(inspect.signature(function).parameters)[1 if owner else 0 :]
        arguments = {
            name: parameters[name] if name in parameters else _make(name, names, unfinished)
            for name in names_used
        }
        expected_to_fail = any(mark.name == "xfail" for mark in marks)
        try:
            outcome = function(holder, **arguments) if owner else function(**arguments)
            if inspect.iscoroutine(outcome):
                import asyncio  # only tests that are written so pay for it

                asyncio.run(outcome)
        except Exception:
            if not expected_to_fail:
                raise
    finally:
        for generator in reversed(unfinished):
            next(generator, None)
        if hasattr(holder, "teardown_method"):
            holder.teardown_method()


def _make(name: Any, names: Any, unfinished: Any) -> Any:
    function = names.get(name)
    if not getattr(function, "is_fixture", False):
        raise LookupError(f"there is no fixture {name!r}")
    inner = {key: _make(key, names, unfinished) for key in inspect.signature(function).parameters}
    value = function(**inner)
    if inspect.isgenerator(value):
        unfinished.append(value)
        return next(value)
    return value


def run_all(names: Any, each: Any = lambda call: call()) -> Any:
    """Run every test; the first failure is raised, a skipped test is passed over."""
    for _name, call in tests_of(names):
        try:
            each(call)
        except Skipped:
            continue
