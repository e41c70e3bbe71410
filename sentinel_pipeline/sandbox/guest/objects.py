"""The program's own objects: how a sample describes one to the harness, and what it does with one
on request.

The harness imports the names of the protocols and nothing else. What a description says is the
program's word about itself: the harness makes an object of its own from it, and decides by itself
which operations an answer of the program may settle.
"""

from __future__ import annotations

import math
import operator
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from . import codec

BINARY = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod"),
    *("divmod", "pow", "lshift", "rshift", "and", "or", "xor"),
)
"""Arithmetic with two operands: ``__add__``, ``__radd__`` and ``__iadd__``, and so on."""
ORDER = ("lt", "le", "gt", "ge")
UNARY = (
    *("abs", "neg", "pos", "invert", "int", "float", "complex", "index", "round", "trunc"),
    *("floor", "ceil", "bytes", "len", "bool", "reversed", "iter", "next", "fspath"),
)
SPECIAL = (
    *("call", "getitem", "setitem", "delitem", "contains", "enter", "exit", "aenter", "aexit"),
    *("aiter", "anext", "await", "hash", "eq", "str", "repr", "format", "get", "set"),
)
_BETWEEN = (*UNARY, *ORDER, *SPECIAL, *(way + name for name in BINARY for way in ("", "r", "i")))
PROTOCOLS: tuple[str, ...] = (*(f"__{name}__" for name in _BETWEEN), "send", "throw", "close")
"""Names that a class description speaks of, by their place: a bit is set where the class has the
method."""
DATA = ("int", "float", "str", "bytes", "tuple", "complex", "frozenset")
"""Built-in types whose subclasses arrive as their plain value, with the names that the subclass
adds."""
MUTABLE = ("list", "dict", "set", "bytearray", "deque")
"""Built-in types whose subclasses stay in the program: what changes there would change in a copy
here only."""
KNOWN = (
    *("generator", "coroutine", "async_generator", "function", "method"),
    *("builtin_function_or_method", "module", "Enum"),
)
"""Other types of the library that tests ask for by ``isinstance``."""
STOPPING = frozenset({"next", "send", "throw", "anext"})
"""Operations whose protocol is to end by StopIteration (StopAsyncIteration)."""
_NAMES = 255
_LEVELS = 20
_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__name__"].__get__
_qualname_of = type.__dict__["__qualname__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_mro_of = type.__dict__["__mro__"].__get__
_bases_of = type.__dict__["__bases__"].__get__


class Handles:
    """Objects that stay in the sample, by number: the same object always has the same one."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.classes: dict[int, tuple[int, str, list[str], bool]] = {}

    def number(self, value: Any) -> int:
        """The number of ``value``, which is kept alive from now on."""
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return number

    def __call__(self, value: Any) -> Any:
        """The node for an object that has no plain form."""
        kind = type(value)
        mro = _mro_of(kind)
        if type in mro:
            return {"h": {"k": self.describe(value)}}
        if Exception in mro:
            args = codec.pack(list(value.args), self)
            return {"h": {"e": self.error(value), "a": args, "m": str(value)[:300]}}
        return {"h": {"o": self.number(value), "k": self.describe(kind)}}

    def subclass(self, value: Any, plain: Any) -> Any:
        """The node for an instance of a subclass of a built-in type, ``plain`` being its packed
        value."""
        kind = type(value)
        _, base, _, adds = self._look(kind)
        if not adds and not getattr(value, "__dict__", None):
            return plain
        node = {"o": self.number(value), "k": self.describe(kind)}
        return {"h": node if base in MUTABLE else node | {"v": plain}}

    def error(self, error: BaseException) -> dict[str, Any]:
        """An exception of the program: its number and class."""
        return {"o": self.number(error), "k": self.describe(type(error))}

    def describe(self, kind: type, level: int = 0) -> list[Any]:
        """A class as ``[number, name, protocols, built-in base, own bases, fields]``."""
        mask, base, fields, _ = self._look(kind)
        bases: list[Any] = []
        for parent in _bases_of(kind):
            if level < _LEVELS and parent is not object:
                library_name = _where(parent)
                bases.append(library_name if library_name else self.describe(parent, level + 1))
        name = (_where(kind) or _name_of(kind))[:100]
        return [self.number(kind), name, mask, base, bases, fields]

    def _look(self, kind: type) -> tuple[int, str, list[str], bool]:
        """What is the same for every object of a class: its protocols, built-in base, fields, and
        whether it adds names."""
        looked = self.classes.get(id(kind))
        if looked is not None:
            return looked
        self.number(kind)  # alive, so that its id stays its own
        names: dict[str, Any] = {}
        own_names: dict[str, Any] = {}
        base = ""
        for parent in reversed(_mro_of(kind)[:-1]):
            names.update(_dict_of(parent))
            if _name_of(parent) in (*DATA, *MUTABLE) and _where(parent):
                base = _name_of(parent)
                own_names.clear()
            elif parent is Exception:
                base = "error"
            else:
                own_names.update(_dict_of(parent))
        if not base:
            library = (parent for parent in _mro_of(kind) if _where(parent))
            base = next((name for name in map(_name_of, library) if name in KNOWN), "")
        if base in DATA:
            names = own_names  # everything else is done with the plain value
        mask = sum(1 << at for at, name in enumerate(PROTOCOLS) if names.get(name) is not None)
        if "__hash__" not in names:
            mask |= 1 << PROTOCOLS.index("__hash__")  # object's own
        fields = names.get("_fields") if base == "tuple" else names.get("__dataclass_fields__")
        shown = [str(name) for name in fields or ()][:_NAMES]
        adds = any(not name.startswith("__") for name in own_names)
        looked = self.classes[id(kind)] = (mask, base, shown, adds)
        return looked


def is_class_of(value: Any, module: str) -> bool:
    """Whether ``value`` is a class that was defined in ``module``, found without running any of its
    code."""
    return type in _mro_of(type(value)) and _module_of(value) == module


def _where(kind: type) -> str:
    """``module.name`` of a class of the standard library; empty for the program's own."""
    module = _module_of(kind)
    if type(module) is not str or module.partition(".")[0] not in sys.stdlib_module_names:
        return ""
    return f"{module}.{_qualname_of(kind)}"


class Awaiting:
    """One event loop for everything of the program that is awaited, so that its locks and tasks
    stay on one."""

    def __init__(self) -> None:
        self.loop: Any = None

    def __call__(self, awaitable: Any) -> Any:
        import asyncio

        async def finish() -> Any:
            return await awaitable

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(finish())


_await = Awaiting()


def _signature(subject: Any) -> list[Any]:
    """Parameters as ``[name, kind, has a default, default]``."""
    import inspect

    parameters = []
    for part in inspect.signature(subject).parameters.values():
        has_default = part.default is not part.empty
        default = part.default if has_default else None
        parameters.append([part.name, int(part.kind), has_default, default])
    return parameters


def _copy(subject: Any) -> Any:
    import copy

    return copy.copy(subject)


def _deepcopy(subject: Any) -> Any:
    import copy

    return copy.deepcopy(subject)


def _special(name: str) -> Callable[..., Any]:
    """A method looked up as the interpreter does: on the class."""
    return lambda subject, *args: getattr(type(subject), name)(subject, *args)


def _equals_a_stranger(subject: Any) -> bool:
    """Whether an object says that it equals a thing that it cannot know."""
    try:
        return bool(subject == object())
    except Exception:
        return False


def _plain(subject: Any) -> Any:
    """The content of an instance of a subclass of a mutable built-in type, by the type's own
    methods."""
    for kind, copy in _COPIES.items():
        if kind in _mro_of(type(subject)):
            return copy(subject)
    return None


_COPIES: dict[type, Callable[[Any], Any]] = {
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    bytearray: lambda value: bytearray(bytes(memoryview(value))),
    deque: lambda value: deque(deque.__iter__(value)),
}

OPERATIONS: dict[str, Callable[..., Any]] = {
    "value": lambda subject: subject,
    "plain": _plain,
    "len": len,
    "str": str,
    "repr": repr,
    "format": format,
    "bool": bool,
    "hash": hash,
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "abs": abs,
    "neg": operator.neg,
    "pos": operator.pos,
    "invert": operator.invert,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    "bytes": bytes,
    "fspath": _special("__fspath__"),
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "contains": operator.contains,
    "delattr": delattr,
    "dir": dir,
    "enter": _special("__enter__"),
    "exit": _special("__exit__"),
    "aenter": lambda subject: _await(_special("__aenter__")(subject)),
    "aexit": lambda subject, *args: _await(_special("__aexit__")(subject, *args)),
    "aiter": lambda subject: aiter(subject),
    "anext": lambda subject: _await(anext(subject)),
    "await": _await,
    "send": lambda subject, value: subject.send(value),
    "throw": lambda subject, *args: subject.throw(*args),
    "close": lambda subject: subject.close(),
    "copy": _copy,
    "deepcopy": _deepcopy,
    "signature": _signature,
    "isinstance": lambda subject, value: isinstance(value, subject),
    "issubclass": lambda subject, value: issubclass(value, subject),
    "stranger": _equals_a_stranger,
    "eq": operator.eq,
    "ne": operator.ne,
    **{name: getattr(operator, name) for name in ORDER},
    **{name: getattr(operator, f"__{name}__") for name in BINARY if name not in ("divmod", "pow")},
    **{f"i{name}": getattr(operator, f"__i{name}__") for name in BINARY if name != "divmod"},
    "divmod": divmod,
    "pow": pow,
}
"""What the harness may ask to be done: the object first, then the operands."""
