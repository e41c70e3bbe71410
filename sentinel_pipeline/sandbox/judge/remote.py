"""The conversation with a sample as tests see it: requests, answers, and what an answer may do to
the tests.

Values that come back are exact built-in types or stand for something of the candidate's
(``mirrors``). A session remembers that it failed: a test that swallows every exception still cannot
pass. What this module does not do: execute tests.
"""

from __future__ import annotations

import builtins
import threading
import types
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from ..guest import codec
from ..guest.codec import Malformed
from ..guest.objects import STOPPING
from . import callbacks, mirrors
from .finding import Finding
from .mirrors import Arguments, Mirror, Remote, Target

_BUILTIN_EXCEPTIONS = frozenset(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
)


class Stop(BaseException):
    """The session cannot go on; its ``fatal`` or ``mismatch`` says why. Not an Exception, so that
    tests do not catch it."""


class NeedsShared(BaseException):
    """The tests do something that can only be done beside the candidate. Their doing, never the
    candidate's.

    The session remembers it, so tests that catch everything change nothing.
    """


class Session:
    """One run of tests against one sample; subclasses carry the request."""

    def __init__(self) -> None:
        self.request_count = 0
        self.fatal: Finding | None = None
        self.mismatch = False
        self.shared = ""
        """Why the tests must run beside the program."""
        self.handed_over = False
        """Whether that is because of what they hand over, which is the same for every candidate."""
        self.fault: BaseException | None = None
        """An exception in this package's own code: nothing is known about the program."""
        self.swallowed: BaseException | None = None
        """A failed assertion of the tests inside a function that the program was handed and
        called."""
        self.last: tuple[str, Any, Any, Any] | None = None
        """The last call: its shown name, args, kwargs, and the value that came back."""
        self.callbacks: list[Callable[..., Any]] = []
        self.used_as_objects: set[str] = set()
        """Global names whose results the tests use as only objects can be used."""
        self.compared_plainly: set[str] = set()
        """Global names whose results the tests compare with plain values."""
        self.classes: dict[int, Any] = {}
        self.objects: dict[int, Any] = {}
        self.own_classes: dict[str, Any] = {}
        self.closed = False
        self.lock = threading.RLock()
        self._packing = _Packing(self)
        self.handling = _Handling(self)

    def ask(
        self, operation: str, target: Target, name: str, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        """Carry out one operation on something of the candidate's.

        Raises:
            Stop: the sample is gone, or answered with something that is not an answer.
            NeedsShared: the tests hand over what cannot leave this process.
            Exception: what the candidate raised, as the nearest type.
        """
        if self.fatal or self.mismatch or self.fault or self.closed:
            raise Stop
        if self.shared:
            raise NeedsShared(self.shared)
        error: BaseException | None = None
        try:
            with self.lock:
                value, error = self._carry_out(operation, target, name, args, kwargs or {})
        except Exception as fault:
            if isinstance(fault.__dict__.get("finding"), Finding):
                raise  # the program's own, met while an argument was packed
            self.faulty(fault)
        if error is not None:
            raise error
        return value

    def _carry_out(
        self, operation: str, target: Target, name: str, args: Arguments, kwargs: dict[str, Any]
    ) -> tuple[Any, BaseException | None]:
        try:
            text = codec.to_text(codec.pack([list(args), kwargs], self._packing))
        except (Malformed, RecursionError) as problem:
            self.stop("exception", f"an argument cannot be handed over: {problem}")
        head = codec.to_text([operation, target, name])
        self.request_count += 1
        shown = target if type(target) is str else name or operation
        self.last = (shown, args, kwargs, _PENDING)
        try:
            answer = self.exchange(head + b"\n" + text)
        except (RecursionError, MemoryError) as problem:
            self.stop("exception", f"the answer cannot be read: {type(problem).__name__}")
        value, error = self._interpret(operation, answer, args, kwargs)
        if error is None:
            self.last = (shown, args, kwargs, value)
        return value, error

    def exchange(self, request: bytes) -> dict[str, Any]:
        """Send ``request``, give its answer: a parsed JSON object."""
        raise NotImplementedError

    def stop(self, code: str, detail: str = "") -> NoReturn:
        """End the session for good."""
        self.fatal = self.fatal or Finding(code, detail)
        raise Stop

    def faulty(self, error: BaseException) -> NoReturn:
        """This package's own code failed: whatever the tests make of that, there is no verdict."""
        self.fault = self.fault or error
        raise Stop from None

    def needs_shared(self, why: str) -> NoReturn:
        """The tests do what cannot be done soundly from here."""
        self.shared = self.shared or why
        raise NeedsShared(why)

    def opaque(self, value: Any) -> Any:
        kind = type(value)
        number = mirrors.target_of(value)
        if number is not None:
            return {"h": number}
        if kind is mirrors.Drained:
            return {"g": [[codec.pack(item, self._packing) for item in value], "stop"]}
        if isinstance(value, _FUNCTIONS):
            if not callbacks.may_be_called(value):
                self.handed_over = True
                name = getattr(value, "__name__", kind.__name__)
                return self.needs_shared(f"the tests hand over the function {name}")
            self.callbacks.append(value)
            return {"h": {"c": len(self.callbacks) - 1}}
        if kind is types.TracebackType:
            return None
        exception: Any = kind if issubclass(kind, BaseException) else value
        if isinstance(exception, type) and exception in _BUILTIN_EXCEPTIONS:
            arguments = None if exception is value else codec.pack(list(value.args), self._packing)
            return {"h": {"e": exception.__name__, "a": arguments}}
        self.handed_over = True
        return self.needs_shared(f"the tests hand over an object of type {kind.__name__}")

    def global_name(self, name: str) -> Any:
        """What stands for a global name of the candidate's: a class where the program says that it
        is one."""
        described = self.own_classes.get(name)
        if described is None:
            return mirrors.Name(self, name)
        mirror = self.class_of(described)
        if type(mirror) is Mirror and type(mirrors.class_knowledge(mirror).target) is int:
            mirrors.class_knowledge(mirror).target = name
        return mirror

    def class_of(self, described: Any) -> Any:
        """The class that stands here for a class of the candidate's.

        Raises:
            Malformed: not a description.
        """
        if type(described) is not list or len(described) != 6 or type(described[0]) is not int:
            raise Malformed("not a class")
        mirror = self.classes.get(described[0])
        if mirror is None:
            mirror = self.classes[described[0]] = mirrors.make(self, described)
        return mirror

    def handle(self, content: Any) -> Any:
        """What stands here for an object of the candidate's.

        Raises:
            Malformed: not a description of one.
        """
        if type(content) is not dict:
            raise Malformed("not an object")
        if "e" in content:
            args = content.get("a")
            message = content.get("m")
            if type(message) is not str:
                raise Malformed("not an exception")
            return self.exception_of(content["e"], codec.unpack(args, self.handling), message)
        kind = self.class_of(content.get("k"))
        if "o" not in content:
            return kind
        number = content["o"]
        if type(number) is not int:
            raise Malformed("a handle is a number")
        remote = self.objects.get(number)
        if remote is None:
            plain = codec.unpack(content["v"], self.handling) if "v" in content else None
            remote = self.objects[number] = mirrors.instance(self, kind, number, plain)
        mirrors.delivered(remote)
        return remote

    def exception_of(self, content: Any, args: Any, message: str) -> Exception:
        """An exception of the candidate's own class.

        Raises:
            Malformed: not a description of one.
        """
        if type(content) is not dict or type(content.get("o")) is not int:
            raise Malformed("not an exception")
        kind = self.class_of(content.get("k"))
        return mirrors.exception(self, kind, content["o"], args, message)

    def _interpret(
        self, operation: str, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, BaseException | None]:
        try:
            if type(answer) is not dict:
                raise Malformed("an answer is an object")
            if "w" in answer:
                self._apply_changes(answer["w"], args, kwargs)
            if "v" in answer:
                return codec.unpack(answer["v"], self.handling), None
            if "n" in answer and operation in STOPPING:
                value = codec.unpack(answer["n"], self.handling)
                end = StopAsyncIteration() if operation == "anext" else StopIteration(value)
                end.__dict__["finding"] = Finding("exception", type(end).__name__)
                return None, end
            finding = read_failure(answer)
            error = self._exception(answer) if "e" in answer else None
        except (Malformed, RecursionError, MemoryError) as problem:
            self.stop("exception", f"the answer cannot be read: {problem}")
        if error is None:
            self.stop(*finding)
        error.__dict__["finding"] = finding
        return None, error

    def _exception(self, answer: dict[str, Any]) -> Exception:
        """The exception to raise in the tests for a failure that ``read_failure`` has checked."""
        kinds = answer["e"]
        message = str(answer.get("m", ""))
        args = codec.unpack(answer["a"], self.handling) if "a" in answer else None
        if not mirrors.CONTROL.isdisjoint(kinds):
            return RuntimeError(f"the program raised {kinds[0]}")
        if "h" in answer:
            error = self.exception_of(answer["h"], args, message)
            if args is not None:
                return error
        # The nearest built-in exception, where only names and a message came back.
        for name in kinds:
            kind = getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                try:
                    return kind(message)
                except TypeError:
                    continue
        return CandidateError(message)

    def _apply_changes(self, packed: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if packed is None:
            self.stop("exception", "an argument was changed into something that has no plain form")
        changed = codec.unpack(packed, self.handling)
        if (
            type(changed) is not list
            or [type(part) for part in changed] != [list, dict]
            or len(changed[0]) != len(args)
            or changed[1].keys() != kwargs.keys()
        ):
            raise Malformed("changed arguments are not the arguments")
        for old, new in zip(args, changed[0]):
            change_into(old, new)
        for name, old in kwargs.items():
            change_into(old, changed[1][name])


_PENDING = object()


def shown_error(error: BaseException) -> str:
    """What an exception says of itself, where it can be had."""
    try:
        return str(error)[:300]
    except Exception:
        return ""


def change_into(old: Any, new: Any) -> None:
    """Give ``old`` the content of ``new`` in place, where both are the same mutable built-in
    type."""
    if type(old) is not type(new):
        return
    if type(old) is list or type(old) is deque:
        before_change = list(old)
        old.clear()
        old.extend(_merged(before, after) for before, after in zip(before_change, new))
        old.extend(list(new)[len(before_change) :])
    elif type(old) is dict:
        kept_items = dict(old)
        old.clear()
        old.update({key: _merged(kept_items.get(key), value) for key, value in new.items()})
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    elif type(old) is tuple:
        for before, after in zip(old, new):
            change_into(before, after)


def _merged(before: Any, after: Any) -> Any:
    if type(before) is type(after) and type(after) in (list, dict, set, deque, bytearray):
        change_into(before, after)
        return before
    return after


def read_failure(answer: Any) -> Finding:
    """An answer without a value: why. With ``e`` in it the program raised an exception, else the
    session is over.

    Raises:
        Malformed: not a failure as samples write it.
    """
    if type(answer) is not dict:
        raise Malformed("neither a value nor a failure")
    message = answer.get("m", "")
    line = answer.get("l")
    if type(message) is not str:
        raise Malformed("a message is text")
    if "x" in answer:
        return _ended(answer["x"], message, answer)
    kinds = answer.get("e")
    if type(kinds) is not list or not kinds or any(type(kind) is not str for kind in kinds):
        raise Malformed("neither a value nor a failure")
    place = f" (line {line})" if type(line) is int else ""
    return Finding(
        _code_of(kinds, message),
        f"{kinds[0]}: {message}{place}" if message else f"{kinds[0]}{place}",
    )


def _ended(why: Any, message: str, answer: dict[str, Any]) -> Finding:
    if why == "missing":
        names = answer.get("d", [])
        defined = [name for name in names if type(name) is str][:10] if type(names) is list else []
        reason = f"{message!r} is not defined; defined: {', '.join(defined) or 'nothing callable'}"
        return Finding("wrong_entry_point", reason)
    if type(why) is str and why in ("syntax_error", "output_limit", "exit"):
        return Finding(why, message)
    raise Malformed("unknown kind of end")


def _code_of(kinds: list[str], message: str) -> str:
    if "MemoryError" in kinds:
        return "memory"
    if "PermissionError" in kinds or message.startswith("[Errno 30]"):
        return "forbidden"
    if message.startswith(("[Errno 27]", "[Errno 28]")):
        return "output_limit"
    return "exception"


class CandidateError(Exception):
    """An exception of a type that only the candidate knows."""


class _Packing:
    """How arguments leave: what has no plain form, and instances of subclasses of built-in
    types."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __call__(self, value: Any) -> Any:
        return self.session.opaque(value)

    def subclass(self, value: Any, plain: Any) -> Any:
        """The candidate's own object goes back as itself; one of the tests' goes as its plain
        value."""
        number = mirrors.target_of(value)
        return plain if number is None else {"h": number}


class _Handling:
    """What answers turn into where they are no plain values."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __call__(self, content: Any) -> Any:
        return self.session.handle(content)

    def computing(self, values: list[Any], end: str) -> Any:
        """An iterator of the candidate's whose items came all at once."""
        return mirrors.Drained(self.session, values, end)


class Program:
    """The program's module, as a test imports it."""

    def __init__(self, session: Session) -> None:
        self.__dict__["_session"] = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise mirrors.refusal(AttributeError, name)
        return self.__dict__["_session"].global_name(name)


__all__ = ["CandidateError", "Finding", "NeedsShared", "Program", "Remote", "Session", "Stop"]
