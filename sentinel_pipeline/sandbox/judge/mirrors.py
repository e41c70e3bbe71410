"""What tests hold instead of the candidate's classes and objects: classes and objects of ours whose
use becomes a request.

A class of the candidate's is mirrored by a real class with the same name, bases and protocols, so
``type``, ``isinstance``, ``except`` and ``callable`` answer as they would beside the program.
Nothing of the candidate's runs here. Which operations the candidate may settle is decided here:

- What takes data out of an object (``len``, ``str``, ``bool``, iteration, attributes, calls) is
  asked: the candidate could as well have returned that data.
- What only concerns objects of the candidate's (``a == b``, ``a < b``, ``a + b``) is asked, but an
  object that equals a stranger equals nothing.
- An operation with a plain value of the tests would show that value to the candidate before it
  answers. So an object never equals a plain value; order, arithmetic that gives a plain value, and
  containment are asked only of an object that the tests use as only objects can be used. Equality
  of such an object needs the tests beside the program.

What this module does not do: send anything; ``remote`` does.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import math
import operator
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn, Protocol, TypeVar

from ..guest.codec import Malformed
from ..guest.objects import BINARY, DATA, MUTABLE, ORDER, PROTOCOLS
from .finding import Finding

Target = str | int
"""Something of the candidate's: a global name, or the number of an object that the sample keeps."""
Arguments = tuple[Any, ...]
T = TypeVar("T")


class Session(Protocol):
    """What a mirror needs of the conversation with its sample."""

    request_count: int
    closed: bool
    callbacks: list[Callable[..., Any]]
    used_as_objects: set[str]
    compared_plainly: set[str]

    def ask(
        self, operation: str, target: Target, name: str, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        """Carry out one operation."""

    def faulty(self, error: BaseException) -> NoReturn:
        """This package's own code failed."""

    def needs_shared(self, why: str) -> NoReturn:
        """The tests do what cannot be done soundly from here."""

    def class_of(self, described: Any) -> Any:
        """The class that stands here for a class of the candidate's."""


TEST_FILES = frozenset({"<tests>", "<setup>"})
CONTROL = frozenset({"StopIteration", "StopAsyncIteration"})
"""Exceptions that end a loop of the tests: from the program they arrive as RuntimeError, as PEP 479
has it for generators."""
STEERING = frozenset({"unittest", "doctest", "bdb", "pdb", "test"})
"""Modules whose exceptions steer a run of tests: the candidate cannot raise them here."""
_PLAIN: dict[str, type] = {
    **{kind.__name__: kind for kind in (int, float, str, bytes, tuple, complex, frozenset)},
    **{kind.__name__: kind for kind in (list, dict, set, bytearray, deque)},
}
_PLAIN_TYPES: frozenset[type] = frozenset({
    *_PLAIN.values(), bool, range, slice, type(None), type(...), type(NotImplemented),
    Counter, OrderedDict, defaultdict, type({}.keys()), type({}.values()), type({}.items()),
})  # fmt: skip
_PLAIN_MODULES = frozenset({"decimal", "fractions", "datetime"})
_KNOWN: dict[str, type] = {
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
    "function": types.FunctionType,
    "method": types.MethodType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "module": types.ModuleType,
    **{name: _PLAIN[name] for name in MUTABLE},
}
COMPARING = frozenset({
    "startswith", "endswith", "issubset", "issuperset", "isdisjoint", "union", "compare",
    "difference", "symmetric_difference", "intersection", "replace", "removeprefix", "removesuffix",
})  # fmt: skip
"""Methods of plain types that combine with their argument as operators do: they are asked by the
same rule."""
_ASKABLE = frozenset({
    "__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__defaults__",
    "__kwdefaults__", "__wrapped__", "__dict__", "__slots__", "__members__", "__args__",
    "__cause__", "__notes__", "__func__", "__self__", "__closure__", "__isabstractmethod__",
    "__abstractmethods__", "__dataclass_params__", "__match_args__",
})  # fmt: skip
"""Attributes between underscores that are asked for; every other is what the mirror itself has."""
_PROVISIONAL = frozenset({
    "abs", "len", "bool", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil",
    "neg", "pos", "invert", "iter", "next", "reversed", "getitem", "bytes",
})  # fmt: skip
"""What is not taken out of a result of arithmetic with a plain value: ``abs(f(x) - expected)`` has
shown the expected value."""


@dataclass(slots=True)
class Judged:
    """What the harness knows of something of the candidate's."""

    session: Session
    target: Target
    protocols: int = 0
    base: str = ""
    """The built-in or well-known type it comes from."""
    origin: str | None = None
    """The global name whose call gave this object."""
    used: bool = False
    """Whether the tests used it as only an object can be used."""
    provisional: bool = False
    """Whether it comes of arithmetic with a plain value of the tests."""
    deliveries: int = 0
    """How often it came in an answer."""
    entered_at: int = -1
    """How much the tests had asked when they entered it by ``with``; -1: not entered, or it gave a
    plain value."""

    def ask(self, operation: str, *args: Any, name: str = "", kwargs: Any = None) -> Any:
        """Carry out one operation on it."""
        return self.session.ask(operation, self.target, name, args, kwargs)

    def has(self, name: str) -> bool:
        """Whether the class has a method of the protocols."""
        return bool(self.protocols >> PROTOCOLS.index(name) & 1)

    def is_object(self) -> bool:
        """Whether the tests treat it as an object, by their own deeds."""
        named = self.origin is not None and self.origin[:1].isupper()
        return self.used or (named and self.origin in self.session.used_as_objects)

    def is_made_by_class(self) -> bool:
        """Whether the tests call a name that is written as a class is, and never compare what it
        gives with a plain value."""
        named = self.origin is not None and self.origin[:1].isupper()
        return named and self.origin not in self.session.compared_plainly


def judged(value: Any) -> Judged:
    """The harness's knowledge of a mirror."""
    facts: Judged = object.__getattribute__(value, "_judge_")
    return facts


def target_of(value: Any) -> Target | None:
    """The name or number of what ``value`` stands for; None where it is nothing of the
    candidate's."""
    kind = type(value)
    if kind is Mirror:
        return class_knowledge(value).target
    if issubclass(kind, Remote):
        return judged(value).target
    if type(kind) is Mirror:
        return judged(value).target
    return None


def is_plain(value: Any) -> bool:
    """Whether tests can have the value without the candidate."""
    kind = type(value)
    return kind in _PLAIN_TYPES or (
        type(kind) is not Mirror
        and (kind.__module__ in _PLAIN_MODULES or isinstance(value, tuple(_PLAIN.values())))
    )


def is_plain_type(kind: type) -> bool:
    """Whether a class is a built-in one of plain data."""
    return kind in _PLAIN_TYPES


def stands_in_tests(depth: int) -> bool:
    """Whether an attribute is read by the tests' own text (and not by ``getattr``, which may have a
    default)."""
    frame = sys._getframe(depth + 1)  # noqa: SLF001 -- documented; inspect.stack reads files at each call
    code = frame.f_code
    name = dis.opname[code.co_code[frame.f_lasti]] if frame.f_lasti >= 0 else ""
    return code.co_filename in TEST_FILES and name in ("LOAD_ATTR", "LOAD_METHOD")


def stands_in_assert(error: BaseException) -> bool:
    """Whether an exception comes of an ``assert`` in the tests' own text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_filename not in TEST_FILES:
        return False
    code = trace.tb_frame.f_code
    return any(
        instruction.opname == "LOAD_ASSERTION_ERROR"
        and instruction.positions
        and instruction.positions.lineno is not None
        and instruction.positions.lineno
        <= (trace.tb_lineno or 0)
        <= (instruction.positions.end_lineno or 0)
        for instruction in dis.get_instructions(code)
    )


PLAIN_ATTRIBUTES = frozenset(
    name for kind in (*_PLAIN_TYPES, Decimal, Fraction, datetime, timedelta) for name in dir(kind)
)


def refusal(error: type[Exception], message: str) -> Exception:
    """An exception for what a program's object does not give; its verdict is the program's."""
    raised = error(message)
    raised.__dict__["finding"] = Finding("exception", f"{error.__name__}: {message}")
    return raised


def on_data(operation: Callable[..., T], *values: Any) -> T:
    """An operation of the interpreter's on data that came back. Where it fails, the data are to
    blame."""
    try:
        return operation(*values)
    except StopIteration:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:300]}"
        error.__dict__.setdefault("finding", Finding("exception", text))
        raise


def delivered(value: Any) -> None:
    """An object came in an answer, maybe again. What the tests did with it where it came before
    says nothing about what they expect here, so the candidate cannot hand out an object that they
    use as one where they expect a plain value."""
    facts = judged(value)
    facts.deliveries += 1
    facts.used = False
    facts.origin = None


def use(facts: Judged, deliveries: int) -> None:
    """The tests used it as only an object can be used; ``deliveries``: how often it had come before
    they did."""
    if facts.deliveries != deliveries:
        return
    facts.used = True
    if facts.origin:
        facts.session.used_as_objects.add(facts.origin)


class Remote:
    """An object of the candidate's. Each class of the candidate's has a subclass of this with its
    protocols."""

    __slots__ = ("_judge_",)
    _judge_: Judged

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name not in _ASKABLE:
            return _underscored(self, name)
        facts = judged(self)
        if name in ("send", "throw", "close") and facts.has(name):
            return object.__getattribute__(self, name)
        if facts.base == "coroutine" and name.startswith(("cr_", "gi_", "__")):
            raise refusal(AttributeError, name)  # asyncio looks when it shows a task
        if name == "__dict__" and facts.provisional:
            raise refusal(AttributeError, name)
        if facts.provisional and name in PLAIN_ATTRIBUTES and not facts.is_object():
            raise refusal(AttributeError, f"{name} of a result of arithmetic")
        before = facts.deliveries
        value = facts.ask("get", name=name)
        if name not in PLAIN_ATTRIBUTES and stands_in_tests(2):
            use(facts, before)
        if name in COMPARING and isinstance(value, Remote) and not facts.is_object():
            return functools.partial(_compare_by, self, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        facts = judged(self)
        before = facts.deliveries
        facts.ask("set", value, name=name)
        use(facts, before)

    def __delattr__(self, name: str) -> None:
        facts = judged(self)
        before = facts.deliveries
        facts.ask("delattr", name)
        use(facts, before)

    def __dir__(self) -> Any:
        value = _ask(self, "dir")
        return [item for item in value if type(item) is str] if type(value) is list else []

    def __str__(self) -> str:
        return _shown(self, "str")

    def __repr__(self) -> str:
        return _shown(self, "repr")

    def __format__(self, spec: str) -> str:
        return _exactly(self, str, _ask(self, "format", spec))

    def __eq__(self, other: object) -> Any:
        return _equal(self, other)

    def __ne__(self, other: object) -> Any:
        same = _equal(self, other)
        return same if same is NotImplemented else not same

    def __hash__(self) -> int:
        facts = judged(self)
        if not facts.has("__hash__"):
            raise refusal(TypeError, f"unhashable type: {type(self).__name__!r}")
        return _exactly(self, int, _ask(self, "hash"))

    def __copy__(self) -> Any:
        return _ask(self, "copy")

    def __deepcopy__(self, _memo: Any) -> Any:
        return _ask(self, "deepcopy")

    def __reduce_ex__(self, _protocol: Any) -> Any:
        judged(self).session.needs_shared("the tests pickle an object of the program")


def _underscored(remote: Any, name: str) -> Any:
    facts = judged(remote)
    if name == "__class__":
        return _KNOWN.get(facts.base, type(remote))
    if name == "__signature__":
        return _signature(facts)
    return on_data(object.__getattribute__, remote, name)


def _ask(remote: Any, operation: str, *args: Any) -> Any:
    facts = judged(remote)
    if facts.provisional and operation in _PROVISIONAL and not facts.is_object():
        raise refusal(TypeError, f"{operation} of a result of arithmetic with an object")
    value = facts.ask(operation, *args)
    if facts.provisional and isinstance(value, Remote):
        judged(value).provisional = True
    return value


def _exactly(remote: Any, kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        message = f"expected {kind.__name__}, got {type(value).__name__}"
        raise refusal(TypeError, message)
    return value


def _shown(remote: Any, operation: str) -> str:
    """Its text; once the tests are over nothing is asked any more, so that a reason costs
    nothing."""
    if judged(remote).session.closed:
        return "<object of the program>"
    return _exactly(remote, str, _ask(remote, operation))


def _signature(facts: Judged) -> Any:
    import inspect

    rows = facts.ask("signature")
    try:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name, kind, default=default if has_default else inspect.Parameter.empty
                )
                for name, kind, has_default, default in rows
            ]
        )
    except (TypeError, ValueError):
        raise refusal(ValueError, "no signature") from None


def _plain_content(remote: Any) -> Any:
    """The content of an instance of a subclass of a mutable built-in type, as data; None where
    there is none."""
    facts = judged(remote)
    if facts.base not in MUTABLE:
        return None
    return facts.ask("plain")


def _equal(remote: Any, other: Any) -> Any:
    facts = judged(remote)
    if isinstance(other, Remote):
        if not facts.has("__eq__") and not judged(other).has("__eq__"):
            return remote is other
        same = facts.ask("eq", other)
        if isinstance(same, bool) and not same:
            return False
        for side in (remote, other):
            if judged(side).has("__eq__") and _equals_strangers(side):
                return False
        return same
    if not is_plain(other):
        return NotImplemented
    # These have one instance each: no object of the candidate's is one, so nothing is asked.
    if other is None or other is ... or other is NotImplemented:
        return False
    content = _plain_content(remote)
    if content is not None and is_plain(content):
        return on_data(operator.eq, content, other)
    if facts.has("__eq__") and facts.is_object():
        facts.session.needs_shared("the tests compare an object of the program with a plain value")
    return False


def _equals_strangers(remote: Any) -> bool:
    return _ask(remote, "stranger") is not False


def _combine(name: str, left: Any, right: Any) -> Any:
    """``left OP right`` in the sample, one of them an object of the candidate's."""
    remote, other = (left, right) if isinstance(left, Remote) else (right, left)
    facts = judged(remote)
    both = target_of(other) is not None
    if not both and not is_plain(other):
        return NotImplemented
    # Sound: the answer cannot be copied from what the tests expect, for they expect no plain value.
    sound = both or facts.is_object()
    if not sound:
        content = _plain_content(remote)
        if content is not None and is_plain(content):
            sides = (content, other) if remote is left else (other, content)
            return on_data(_BY_NAME[name], *sides)
        if name in ORDER:
            message = f"{name} of an object of the program and a plain value is not supported"
            raise refusal(TypeError, message)
    target = target_of(left)
    if target is not None:
        value = facts.session.ask(name, target, "", (right,))
    else:
        value = facts.ask("reflected", left, name=name)
    if name in ORDER:
        return value
    # What comes of arithmetic with the tests' own numbers may be an object, and stays suspect.
    if not sound or _is_provisional(remote) or _is_provisional(other):
        if not isinstance(value, Remote):
            message = f"{name} of an object of the program and a plain value gave a plain value"
            raise refusal(TypeError, message)
        judged(value).provisional = True
    return value


def _is_provisional(value: Any) -> bool:
    """Whether an operand comes of arithmetic with a plain value of the tests."""
    return isinstance(value, Remote) and judged(value).provisional and not judged(value).is_object()


_BY_NAME: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(operator, name) for name in ORDER},
    **{name: getattr(operator, f"__{name}__") for name in BINARY if name != "divmod"},
    **{f"i{name}": getattr(operator, f"__i{name}__") for name in BINARY if name != "divmod"},
    "divmod": divmod,
}


def _compare_by(remote: Any, method: Any, *args: Any) -> Any:
    """A method that combines with a value of the tests."""
    facts = judged(remote)
    value = facts.session.ask("call", judged(method).target, "", args)
    if facts.is_object() or all(target_of(value) is not None for value in args):
        return value
    if not isinstance(value, Remote):
        message = "a method of an object of the program and a plain value gave a plain value"
        raise refusal(TypeError, message)
    judged(value).provisional = True
    return value


def _contains(remote: Any, item: Any) -> Any:
    facts = judged(remote)
    if facts.is_object() or isinstance(item, Remote) or target_of(item) is not None:
        return _exactly(remote, bool, _ask(remote, "contains", item))
    content = _plain_content(remote)
    if content is not None and is_plain(content):
        return on_data(operator.contains, content, item)
    if facts.has("__iter__"):
        return on_data(operator.contains, _iterate(remote), item)
    if facts.is_made_by_class():
        return _exactly(remote, bool, _ask(remote, "contains", item))
    return False


def _iterate(remote: Any) -> Any:
    return _iterator(remote, _ask(remote, "iter"))


def _iterator(remote: Any, value: Any) -> Any:
    if isinstance(value, Remote) and judged(value).has("__next__"):
        return value
    if isinstance(value, (Drained, Iterator)):
        return value
    raise refusal(TypeError, f"iter() returned {type(value).__name__}, no iterator")


def _enter(remote: Any) -> Any:
    facts = judged(remote)
    before = facts.deliveries
    value = _ask(remote, "enter")
    use(facts, before)
    facts.entered_at = (
        facts.session.request_count if value is None or isinstance(value, Remote) else -1
    )
    return value


def _exit(remote: Any, kind: Any, error: Any, trace: Any) -> Any:
    """Leave a ``with``. The candidate may swallow only what the tests raise by ``raise``, whatever
    it answered before: an assertion of theirs, or an exception over its own answers, would be gone
    otherwise."""
    facts = judged(remote)
    if kind is None:
        return _ask(remote, "exit", None, None, None)
    if not isinstance(error, Exception):
        return False
    deliberate = (
        facts.entered_at == facts.session.request_count
        and not isinstance(error, AssertionError)
        and "finding" not in getattr(error, "__dict__", {})
        and _raised_by_statement(trace)
    )
    swallowed = _ask(remote, "exit", *_nearest(error), None)
    if isinstance(swallowed, Remote):
        swallowed = bool(swallowed)
    return bool(deliberate and swallowed)


def _nearest(error: Exception) -> tuple[Any, Any]:
    """An exception as the sample can have it: its own, or the nearest built-in one. What an
    assertion says stays here."""
    if target_of(error) is not None:
        return type(error), error
    kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    plain = all(is_plain(value) for value in error.args)
    if kind is type(error) and kind is not AssertionError and plain:
        return kind, error
    return kind, kind()


def _raised_by_statement(trace: Any) -> bool:
    if trace is None or trace.tb_next is not None:
        return False
    code = trace.tb_frame.f_code
    return (
        code.co_filename in TEST_FILES
        and dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    )


def _await(remote: Any) -> Any:
    _alone(judged(remote))
    return _ask(remote, "await")
    yield


def _alone(facts: Judged) -> None:
    """What the program awaits runs to its end in the sample: with other tasks at the same time it
    must run beside them."""
    asyncio = sys.modules.get("asyncio")
    with suppress(RuntimeError):
        if asyncio is not None and len(asyncio.all_tasks()) > 1:
            facts.session.needs_shared("the tests run several coroutines at a time")


def _send(remote: Any, value: Any) -> Any:
    facts = judged(remote)
    if facts.base != "coroutine":
        return _ask(remote, "send", value)
    _alone(facts)
    stop = StopIteration(_ask(remote, "await"))
    stop.__dict__["finding"] = Finding("exception", "StopIteration")
    raise stop


def _throw(remote: Any, *args: Any) -> Any:
    facts = judged(remote)
    if facts.base == "coroutine":
        with suppress(AttributeError):
            args[0].__dict__.setdefault("finding", Finding("exception", type(args[0]).__name__))
        raise args[0]  # it runs in one go, so it has not begun or it has ended
    return _ask(remote, "throw", *args)


async def _anext(remote: Any) -> Any:
    _alone(judged(remote))
    return _ask(remote, "anext")


async def _aenter(remote: Any) -> Any:
    _alone(judged(remote))
    return _ask(remote, "aenter")


async def _aexit(remote: Any, kind: Any, error: Any, trace: Any) -> Any:
    if kind is None:
        return _ask(remote, "aexit", None, None, None)
    if isinstance(error, Exception):
        _ask(remote, "aexit", *_nearest(error), None)
    return False


def _call(remote: Any, *args: Any, **kwargs: Any) -> Any:
    facts = judged(remote)
    if facts.provisional and not facts.is_object():
        raise refusal(TypeError, "a call of a result of arithmetic")
    return facts.ask("call", *args, kwargs=kwargs)


def _bind(remote: Any, instance: Any, _owner: Any = None) -> Any:
    """``instance.attribute`` where the attribute's value is the candidate's."""
    session = judged(remote).session
    if instance is not None and session.callbacks:
        session.needs_shared("a class of the tests has a part of the program's")
    return remote


def _assign(remote: Any, _instance: Any, _value: Any) -> None:
    judged(remote).session.needs_shared("a class of the tests has a descriptor of the program's")


def _number(operation: str, kind: type) -> Callable[..., Any]:
    return lambda remote: _exactly(remote, kind, _ask(remote, operation))


def _forward(name: str) -> Callable[[Any, Any], Any]:
    return lambda remote, other: _combine(name, remote, other)


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    return lambda remote, other: _combine(name, other, remote)


def _plainly(operation: str) -> Callable[..., Any]:
    return lambda remote, *args: _ask(remote, operation, *args)


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a mirror. Tests may catch every exception, so one of this module's own code is
    remembered by the session."""

    @functools.wraps(method)
    def run(mirror: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(mirror, *args, **kwargs)
        except Exception as error:
            if "finding" in error.__dict__ or isinstance(error, (RecursionError, MemoryError)):
                raise
            kind = type(mirror)
            if not (kind is Mirror or type(kind) is Mirror or issubclass(kind, Remote)):
                # Taken from a class of the program, and called with something else.
                message = f"{method.__name__.strip('_')} of an object of type {kind.__name__}"
                raise refusal(TypeError, message) from None
            facts = class_knowledge(mirror) if kind is Mirror else judged(mirror)
            return facts.session.faulty(error)

    return run


METHODS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _plainly(name) for name in ("abs", "neg", "pos", "invert", "round")},
    **{f"__{name}__": _plainly(name) for name in ("trunc", "floor", "ceil", "getitem", "next")},
    **{f"__{name}__": _plainly(name) for name in ("setitem", "delitem")},
    "__int__": _number("int", int),
    "__float__": _number("float", float),
    "__complex__": _number("complex", complex),
    "__index__": _number("index", int),
    "__bytes__": _number("bytes", bytes),
    "__len__": _number("len", int),
    "__bool__": _number("bool", bool),
    "__fspath__": _number("fspath", str),
    "__iter__": _iterate,
    "__reversed__": lambda remote: _iterator(remote, _ask(remote, "reversed")),
    "__contains__": _contains,
    "__call__": _call,
    "__enter__": _enter,
    "__exit__": _exit,
    "__aenter__": _aenter,
    "__aexit__": _aexit,
    "__aiter__": lambda remote: _ask(remote, "aiter"),
    "__anext__": _anext,
    "__await__": _await,
    "__get__": _bind,
    "__set__": _assign,
    "send": _send,
    "throw": _throw,
    "close": lambda remote: _ask(remote, "close"),
    **{f"__{name}__": _forward(name) for name in (*ORDER, *BINARY)},
    **{f"__r{name}__": _reflected(name) for name in BINARY},
    **{f"__i{name}__": _forward(f"i{name}") for name in BINARY if name != "divmod"},
}
"""What a mirror has where the class of the candidate's has it."""
METHODS = {name: _guarded(method) for name, method in METHODS.items()}


class Name(Remote):
    """A global name that is not a class: called as it stands; for everything else its value is
    fetched first."""

    __slots__ = ()

    def __init__(self, session: Session, target: str) -> None:
        object.__setattr__(self, "_judge_", Judged(session, target))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        facts = judged(self)
        value = facts.ask("call", *args, kwargs=kwargs)
        if isinstance(value, Remote) and type(value) is not Name:
            fresh = judged(value)
            if fresh.origin is None:
                fresh.origin = str(facts.target)
        return value

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name not in _ASKABLE:
            return _underscored(self, name)
        return judged(self).ask("get", name=name)

    def __hash__(self) -> int:
        return hash(judged(self).target)

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        second = _value(other) if type(other) is Name else other
        return on_data(operator.eq, _value(self), second)

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __str__(self) -> str:
        return repr(self) if judged(self).session.closed else on_data(str, _value(self))

    def __repr__(self) -> str:
        facts = judged(self)
        return f"<{facts.target}>" if facts.session.closed else on_data(repr, _value(self))

    def __format__(self, spec: str) -> str:
        return on_data(format, _value(self), spec)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self

    def __instancecheck__(self, value: Any) -> bool:
        return judged(self).ask("isinstance", value) is True

    def __subclasscheck__(self, value: Any) -> bool:
        return judged(self).ask("issubclass", value) is True

    def __mro_entries__(self, _bases: Any) -> Any:
        judged(self).session.needs_shared("the tests define a subclass of the program's")


def _value(name: Any) -> Any:
    """What a global name stands for."""
    facts = judged(name)
    value = facts.ask("value")
    if type(value) is Name:
        raise refusal(TypeError, "a name stands for a name")
    return value


def _of_value(method: str) -> Callable[..., Any]:
    """A method of ``Name`` that does with the name's value what the interpreter would do."""
    plain = method.strip("_")
    if plain in _BY_NAME:
        return lambda name, other: on_data(_BY_NAME[plain], _value(name), other)
    if plain[:1] == "r" and plain[1:] in _BY_NAME:
        return lambda name, other: on_data(_BY_NAME[plain[1:]], other, _value(name))
    if plain in _BUILT_IN:
        return lambda name, *args: on_data(_BUILT_IN[plain], _value(name), *args)
    return lambda name, *args: on_data(getattr(_value(name), method), *args)


_BUILT_IN: dict[str, Callable[..., Any]] = {
    **{kind.__name__: kind for kind in (int, float, complex, bytes, bool)},
    **{way.__name__: way for way in (len, iter, next, reversed, abs, round)},
    **{name: getattr(operator, name) for name in ("neg", "pos", "invert", "index", "contains")},
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
}

for _protocol in METHODS:
    if _protocol.startswith("__") and _protocol not in ("__call__", "__get__", "__set__"):
        setattr(Name, _protocol, _of_value(_protocol))


class Mirror(type):
    """The class of what stands for classes of the candidate's."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        raise refusal(TypeError, "only the harness makes mirrors")

    @classmethod
    def __prepare__(cls, _name: str, bases: tuple[type, ...], /, **_: Any) -> Any:
        for base in bases:
            if type(base) is Mirror:
                class_knowledge(base).session.needs_shared(
                    "the tests define a subclass of the program's"
                )
        return {}

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        facts = class_knowledge(cls)
        value = facts.ask("call", *args, kwargs=kwargs)
        if isinstance(value, Remote):
            fresh = judged(value)
            if fresh.origin is None and type(facts.target) is str:
                fresh.origin = facts.target
        return value

    def __getattr__(cls, name: str) -> Any:
        facts = class_knowledge(cls)
        if name in COMPARING:
            raise refusal(AttributeError, f"{name} of a class of the program")
        if name == "__signature__":
            return _signature(facts)
        if name.startswith("__") and name not in _ASKABLE:
            raise refusal(AttributeError, name)
        return facts.ask("get", name=name)

    def __setattr__(cls, name: str, value: Any) -> None:
        class_knowledge(cls).ask("set", value, name=name)

    def __delattr__(cls, name: str) -> None:
        class_knowledge(cls).ask("delattr", name)

    def __len__(cls) -> int:
        return on_data(operator.index, class_knowledge(cls).ask("len"))

    def __bool__(cls) -> bool:
        return True

    def __iter__(cls) -> Any:
        return on_data(iter, class_knowledge(cls).ask("iter"))

    def __reversed__(cls) -> Any:
        return on_data(iter, class_knowledge(cls).ask("reversed"))

    def __getitem__(cls, key: Any) -> Any:
        return class_knowledge(cls).ask("getitem", key)

    def __contains__(cls, item: Any) -> bool:
        facts = class_knowledge(cls)
        if target_of(item) is None:
            return on_data(operator.contains, iter(cls), item)
        return facts.ask("contains", item) is True

    def __instancecheck__(cls, value: Any) -> bool:
        if type.__instancecheck__(cls, value):
            return True
        facts = class_knowledge(cls)
        if target_of(value) is None or facts.session.closed:
            return False
        return facts.ask("isinstance", value) is True

    def __subclasscheck__(cls, value: Any) -> bool:
        if type.__subclasscheck__(cls, value):
            return True
        facts = class_knowledge(cls)
        if type(value) is not Mirror or facts.session.closed:
            return False
        return facts.ask("issubclass", value) is True

    def __repr__(cls) -> str:
        return f"<class '__main__.{cls.__name__}'>"


for _kind in (Remote, Name, Mirror):
    for _name, _method in list(vars(_kind).items()):
        makes = _name in ("__new__", "__init__", "__prepare__")
        if isinstance(_method, types.FunctionType) and not makes:
            type.__setattr__(_kind, _name, _guarded(_method))


def class_knowledge(cls: Any) -> Judged:
    facts: Judged = type.__getattribute__(cls, "_class_")
    return facts


class Drained:
    """A generator whose items came all at once. Where the tests use more than its items, the sample
    is asked call by call."""

    __slots__ = ("_end", "_items", "_session")

    def __init__(self, session: Session, values: list[Any], end: str) -> None:
        self._session, self._items, self._end = session, iter(values), end

    @property  # type: ignore[misc]  # what object declares as writable is only read here
    def __class__(self) -> type:
        return types.GeneratorType

    def __iter__(self) -> Any:
        return self if self._end != "stop" else self._items

    def __next__(self) -> Any:
        for value in self._items:
            return value
        if self._end != "stop":
            self._again()
        raise refusal(StopIteration, "")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise refusal(AttributeError, name)
        self._again()

    def _again(self) -> Any:
        self._session.ask("again", "", "")


def _data_attribute(value: Any, name: str) -> Any:
    if name in COMPARING or (name.startswith("__") and name not in _ASKABLE):
        raise refusal(AttributeError, name)
    return judged(value).ask("get", name=name)


def _data_text(operation: str, base: Callable[..., str]) -> Callable[..., str]:
    def show(value: Any, *args: Any) -> str:
        facts = judged(value)
        if facts.session.closed:
            return base(value, *args)
        text: str = _exactly(value, str, facts.ask(operation, *args))
        return text

    return show


def _named_fields(fields: list[str]) -> dict[str, Any]:
    """What a named tuple has beyond a tuple, for data that came back."""

    def as_dict(self: Any) -> dict[str, Any]:
        return dict(zip(fields, self))

    def shown(self: Any) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in zip(fields, self))
        return f"{type(self).__name__}({values})"

    return {
        **{name: property(operator.itemgetter(place)) for place, name in enumerate(fields)},
        "_fields": tuple(fields),
        "_asdict": as_dict,
        "__repr__": shown,
    }


def _error_text(error: Any) -> str:
    text: str = error.__dict__["_message_"]
    return text


def library_exception(where: str) -> type[Exception] | None:
    """An exception class of the standard library by ``module.name``, where this process has loaded
    it and tests may meet it."""
    module, _, name = where.rpartition(".")
    if module.partition(".")[0] in STEERING or name in CONTROL:
        return None
    kind = getattr(sys.modules.get(module), name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


def make(session: Session, described: list[Any]) -> Any:
    """The class that stands here for a described class of the candidate's.

    Raises:
        Malformed: not a description.
    """
    number, full_name, mask, base, parents, fields = described
    kinds = [type(part) for part in described]
    if kinds != [int, str, int, str, list, list] or not {type(name) for name in fields} <= {str}:
        raise Malformed("not a class")
    if base == "error" and "." in full_name:
        kind = library_exception(full_name)
        if kind is not None:
            return kind
    name = full_name.rpartition(".")[2] or "object"
    if "\0" in name or any("\ud800" <= char <= "\udfff" for char in name):
        name = "object"
    knowledge = Judged(session, number, mask, base)
    bases: tuple[type, ...]
    space: dict[str, Any] = {"__module__": "candidate", "_class_": knowledge}
    own_classes = [session.class_of(parent) for parent in parents if type(parent) is list]
    if base == "error":
        own_classes += [library_exception(parent) for parent in parents if type(parent) is str]
        bases = tuple(
            kind for kind in own_classes if isinstance(kind, type) and issubclass(kind, Exception)
        ) or (Exception,)
        space |= {"__getattr__": _guarded(_data_attribute), "__str__": _error_text}
    elif base in DATA:
        bases = tuple(kind for kind in own_classes if issubclass(kind, _PLAIN[base])) or (
            _PLAIN[base],
        )
        space |= {"__getattr__": _guarded(_data_attribute)}
        if base == "tuple":
            space |= _named_fields(
                [name for name in fields if name.isidentifier() and name[:1] != "_"]
            )
        for operation in ("str", "repr", "format"):
            if knowledge.has(f"__{operation}__"):
                method = getattr(_PLAIN[base], f"__{operation}__")
                space[f"__{operation}__"] = _guarded(_data_text(operation, method))
    else:
        bases = tuple(kind for kind in own_classes if issubclass(kind, Remote)) or (Remote,)
        space["__slots__"] = ()
        space |= {
            protocol: METHODS[protocol]
            for at, protocol in enumerate(PROTOCOLS)
            if mask >> at & 1 and protocol in METHODS
        }
        if fields:
            attributes = {}
            for field_name in fields:
                attribute: Any = dataclasses.field()
                attribute.name = field_name
                attribute._field_type = dataclasses._FIELD  # type: ignore[attr-defined]  # in no stub  # noqa: SLF001 -- no public name
                attributes[field_name] = attribute
            space["__dataclass_fields__"] = attributes
    try:
        return type.__new__(Mirror, name, bases, space)
    except TypeError:  # bases that do not go together: the first says most
        return type.__new__(Mirror, name, bases[:1], space)


def instance(session: Session, kind: Any, number: int, plain: Any) -> Any:
    """What stands for an object of a mirrored class; ``plain``: its value where it is of a built-in
    kind.

    Raises:
        Malformed: the value is not of that kind.
    """
    if type(kind) is not Mirror:
        raise Malformed("not an object of the program's class")
    facts = class_knowledge(kind)
    fresh = Judged(session, number, facts.protocols, facts.base)
    if facts.base in DATA:
        if type(plain) is not _PLAIN[facts.base]:
            raise Malformed(f"expected {facts.base}")
        new: Any = _PLAIN[facts.base].__new__
        value: Any = new(kind, plain)
        value.__dict__["_judge_"] = fresh
        return value
    if facts.base == "error":
        raise Malformed("an exception is told in another way")
    remote: Any = object.__new__(kind)  # type: ignore[arg-type]  # the class was made at run time
    object.__setattr__(remote, "_judge_", fresh)
    return remote


def exception(session: Session, kind: Any, number: int, args: Any, message: str) -> Exception:
    """An exception of the candidate's.

    Raises:
        Malformed: not of an exception's class.
    """
    if not issubclass(kind, Exception):
        raise Malformed("not an exception")
    values = tuple(args) if type(args) is list else ()
    if type(kind) is not Mirror:
        with suppress(Exception):
            plain: Exception = kind(*values)
            return plain
    error: Exception
    try:
        error = kind.__new__(kind, *values)
    except Exception:
        # A class that wants other arguments: it is told by its name and message.
        error = Exception.__new__(kind if kind.__base__ is Exception else Exception)
    error.args = values
    error.__dict__["_judge_"] = Judged(session, number)
    error.__dict__["_message_"] = message
    return error
