"""Which functions of the tests a program may call here, with arguments of its own choice.

A function that tests hand over runs in the judge, and the program chooses what it gets. So it must
be one whose every name is on a list: plain data, functions and classes of the tests that are
allowed themselves, built-ins and library functions that compute and do nothing else. ``eval``,
``open``, ``time.sleep``, ``getattr``, or a module that is not on the list, take the tests beside
the program, where no argument does more than the program can do anyway. What this module does not
do: call anything, or judge what a function answers.
"""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from . import mirrors
from .suite import PREFIX

_FILES = mirrors.TEST_FILES | {PREFIX}
_BUILTINS = frozenset(dir(builtins)) - {
    *("eval", "exec", "compile", "open", "input", "breakpoint", "help", "exit", "quit"),
    *("globals", "locals", "vars", "getattr", "setattr", "delattr", "memoryview"),
    *("__import__", "__loader__", "__spec__", "copyright", "credits", "license"),
}
_MODULES = frozenset({
    *("math", "cmath", "operator", "_operator", "itertools", "functools", "_functools"),
    *("collections", "collections.abc", "_collections", "_collections_abc", "abc", "typing"),
    *("string", "_string", "re", "textwrap", "unicodedata", "json", "copy", "random", "_random"),
    *("statistics", "decimal", "_decimal", "fractions", "numbers", "datetime", "_datetime"),
    *("heapq", "_heapq", "bisect", "_bisect", "dataclasses", "enum", "time", "types"),
    *("sentinel_pipeline.sandbox.guest.pytest_like", "pytest", "unittest.case"),
})  # fmt: skip
"""Modules of which a function may use everything but ``_NAMES``."""
_NAMES = frozenset({
    *("sleep", "call", "attrgetter", "methodcaller", "new_class", "make_dataclass", "get_type_hints"),
    *("FunctionType", "LambdaType", "CodeType", "MethodType", "ForwardRef", "Formatter"),
    *("__globals__", "__builtins__", "__import__", "__subclasses__", "__code__", "__dict__"),
    *("__getattribute__", "__setattr__", "__delattr__", "__reduce__", "__reduce_ex__"),
})  # fmt: skip
"""Attributes by which harmless modules and objects let their caller do anything, or nothing for
long."""
_LEVELS = 20


class _Uses(NamedTuple):
    """What the text of a function reads from outside itself."""

    globals: frozenset[str]
    attributes: frozenset[str]
    modules: frozenset[str]
    spreads: bool
    """It calls something with ``*`` arguments: the number of them may be the program's choice."""


def may_be_called(function: Any) -> bool:
    """Whether a program may choose the arguments of ``function`` in this process."""
    return _is_harmless(function, set(), 0)


def _is_harmless(value: Any, met: set[int], level: int) -> bool:
    """Whether a value that a function can reach lets its caller do no more than compute."""
    if id(value) in met:
        return True
    if level > _LEVELS:
        return False
    met.add(id(value))
    kind = type(value)
    if mirrors.target_of(value) is not None:
        return True
    if kind is types.FunctionType:
        if value.__code__.co_filename in _FILES:
            return _is_harmless_function(value, met, level + 1)
        return value.__module__ in _MODULES and value.__name__ not in _NAMES
    if kind is types.MethodType:
        bound = _is_harmless(value.__self__, met, level + 1)
        return bound and _is_harmless(value.__func__, met, level + 1)
    if isinstance(value, types.BuiltinFunctionType):
        if value.__name__ in _NAMES:
            return False
        owner: Any = value.__self__
        if owner is builtins:
            return value.__name__ in _BUILTINS
        if isinstance(owner, types.ModuleType) or owner is None:
            return (value.__module__ or "") in _MODULES
        return _is_harmless(owner, met, level + 1)
    if kind is types.MethodDescriptorType:
        return mirrors.is_plain_type(value.__objclass__) and value.__name__ not in _NAMES
    if kind is types.ModuleType:
        return value.__name__ in _MODULES
    if isinstance(value, type):
        return _is_harmless_class(value, met, level + 1)
    if kind in (list, tuple, set, frozenset, dict) and level <= _LEVELS:
        items: Iterable[Any] = value.values() if kind is dict else value
        return all(_is_harmless(item, met, level + 1) for item in items)
    return mirrors.is_plain(value) or _is_harmless_class(kind, met, level + 1)


def _is_harmless_class(kind: type, met: set[int], level: int) -> bool:
    """A built-in class of data or exceptions, one of an allowed module, or one of the tests whose
    methods are allowed."""
    if kind.__module__ == "builtins":
        return kind.__name__ in _BUILTINS
    if kind.__module__ in _MODULES:
        return kind.__name__ not in _NAMES
    if kind.__module__ != "tests":
        return False
    return all(_is_harmless_class(base, met, level + 1) for base in kind.__bases__) and all(
        _is_harmless(getattr(part, "__func__", part), met, level + 1)
        for name, part in vars(kind).items()
        if isinstance(part, (types.FunctionType, classmethod, staticmethod))
    )


def _is_harmless_function(function: types.FunctionType, met: set[int], level: int) -> bool:
    uses = _uses(function.__code__)
    if not uses.attributes.isdisjoint(_NAMES) or not uses.modules <= _MODULES:
        return False
    reached: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            reached.append(cell.cell_contents)
        except ValueError:
            return False  # not there yet: nobody knows what it will be
    for name in uses.globals:
        if name in function.__globals__:
            reached.append(function.__globals__[name])
        elif name == "type" and uses.spreads:
            return False  # with three arguments it makes a class
        elif name not in _BUILTINS:
            return False
    return all(_is_harmless(value, met, level + 1) for value in reached)


@lru_cache(maxsize=4096)
def _uses(code: types.CodeType) -> _Uses:
    names: set[str] = set()
    attributes: set[str] = set()
    modules: set[str] = set()
    spreads = False
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(str(step.argval))
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            attributes.add(str(step.argval))
        elif step.opname == "IMPORT_NAME":
            modules.add(str(step.argval))
        elif step.opname == "CALL_FUNCTION_EX":
            spreads = True
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            inner = _uses(part)
            names |= inner.globals
            attributes |= inner.attributes
            modules |= inner.modules
            spreads = spreads or inner.spreads
    return _Uses(frozenset(names), frozenset(attributes), frozenset(modules), spreads)


def chooses_a_class(packed: Any) -> bool:
    """Whether the packed arguments of a call hold ``type``: with it, a function that calls what it
    is given would make classes here."""
    if type(packed) is dict:
        return packed.get("T") == "type" or any(chooses_a_class(item) for item in packed.values())
    return type(packed) is list and any(chooses_a_class(item) for item in packed)


__all__ = ["chooses_a_class", "may_be_called"]
