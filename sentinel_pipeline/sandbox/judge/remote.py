"""What tests hold instead of the candidate: proxies whose use becomes a request, and the sessions that carry requests.

Values that come back are exact built-in types or a ``Remote``, which equals nothing. A session remembers that it failed:
a test that swallows every exception still cannot pass. What this module does not do: execute tests.
"""

from __future__ import annotations

import builtins
import types
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from ..guest import codec
from ..guest.codec import Malformed

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
)


class Finding(NamedTuple):
    """A reason: ``code`` of ``outcomes.CODES`` and its detail."""

    code: str
    detail: str = ""


class Stop(BaseException):
    """The session cannot go on; its ``fatal`` or ``mismatch`` says why. Not an Exception, so that tests do not catch it."""


class NeedsShared(Exception):
    """The tests hand over something that can only live beside the candidate. Their doing, never the candidate's."""


class CandidateError(Exception):
    """An exception of a type that only the candidate knows."""


class Remote:
    """Something of the candidate's: a global name (``str`` target) or an object it returned (``int`` target)."""

    __slots__ = ("_session", "_target")

    def __init__(self, session: Session, target: str | int) -> None:
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_target", target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.ask("call", self, "", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._session.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("set", self, name, (value,))

    def __getitem__(self, key: Any) -> Any:
        return self._session.ask("item", self, "", (key,))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._session.ask("set_item", self, "", (key, value))

    def __contains__(self, item: Any) -> bool:
        return self._session.ask("contains", self, "", (item,)) is True

    def __len__(self) -> int:
        return _exactly(int, self._session.ask("len", self))

    def __bool__(self) -> bool:
        return type(self._target) is str or self._session.ask("bool", self) is True

    def __str__(self) -> str:
        return _exactly(str, self._session.ask("str", self))

    def __iter__(self) -> Any:
        return self._session.ask("iter", self)

    def __next__(self) -> Any:
        return self._session.ask("next", self)

    def __copy__(self) -> Remote:
        return self

    def __deepcopy__(self, _memo: Any) -> Remote:
        return self

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(self._target)

    def __repr__(self) -> str:
        return f"<{self._target if type(self._target) is str else 'object of the program'}>"


class Program:
    """The program's module, as a test imports it."""

    def __init__(self, session: Session) -> None:
        self.__dict__["_session"] = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Remote(self.__dict__["_session"], name)


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


class Session:
    """One run of tests against one sample; subclasses carry the request."""

    def __init__(self) -> None:
        self.asked = 0
        self.fatal: Finding | None = None
        self.mismatch = False
        self.last: tuple[str, Any, Any, Any] | None = None
        """The last call: its shown name, args, kwargs, and the value that came back."""
        self.callbacks: list[Callable[..., Any]] = []

    def ask(
        self,
        operation: str,
        remote: Remote,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        """Carry out one operation on something of the candidate's.

        Raises:
            Stop: the sample is gone, or answered with what is no answer.
            Exception: what the candidate raised, as the nearest built-in type.
        """
        if self.fatal or self.mismatch:
            raise Stop
        target = object.__getattribute__(remote, "_target")
        packed = codec.pack([list(args), kwargs or {}], self._opaque)
        head = codec.to_text([operation, target, name])
        self.asked += 1
        shown = target if type(target) is str else name or operation
        self.last = (shown, args, kwargs or {}, _PENDING)
        value = self._interpret(
            self.exchange(head + b"\n" + codec.to_text(packed)), args, kwargs or {}
        )
        self.last = (shown, args, kwargs or {}, value)
        return value

    def exchange(self, request: bytes) -> dict[str, Any]:
        """Send ``request``, give its answer: a parsed JSON object."""
        raise NotImplementedError

    def stop(self, code: str, detail: str = "") -> NoReturn:
        """End the session for good."""
        self.fatal = self.fatal or Finding(code, detail)
        raise Stop

    def _opaque(self, value: Any) -> Any:
        if type(value) is Remote:
            return {"h": object.__getattribute__(value, "_target")}
        if isinstance(value, _FUNCTIONS):
            self.callbacks.append(value)
            return {"h": {"c": len(self.callbacks) - 1}}
        raise NeedsShared(type(value).__name__)

    def handle(self, content: Any) -> Remote:
        """The proxy for an object that the candidate returned."""
        if type(content) is not int:
            raise Malformed("a handle is a number")
        return Remote(self, content)

    def _interpret(self, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            if type(answer) is not dict:
                raise Malformed("an answer is an object")
            if "w" in answer:
                self._apply_changes(answer["w"], args, kwargs)
            if "v" in answer:
                return codec.unpack(answer["v"], self.handle)
            finding, error = read_failure(answer)
        except (
            Malformed,
            TypeError,
            ValueError,
            LookupError,
            RecursionError,
            MemoryError,
        ) as problem:
            self.stop("exception", f"the answer cannot be read: {problem}")
        if error is None:
            self.stop(*finding)
        error.__dict__["finding"] = finding
        raise error

    def _apply_changes(self, packed: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if packed is None:
            self.stop("exception", "an argument was changed into something that has no plain form")
        changed = codec.unpack(packed, self.handle)
        new_args, new_kwargs = changed
        for old, new in zip(args, new_args):
            change_into(old, new)
        for name, old in kwargs.items():
            change_into(old, new_kwargs[name])


_PENDING = object()


def change_into(old: Any, new: Any) -> None:
    """Give ``old`` the content of ``new`` in place, where both are the same mutable built-in type."""
    if type(old) is not type(new):
        return
    if type(old) is list or type(old) is deque:
        kept = list(old)
        old.clear()
        old.extend(_merged(before, after) for before, after in zip(kept, new))
        old.extend(list(new)[len(kept) :])
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


def read_failure(answer: dict[str, Any]) -> tuple[Finding, Exception | None]:
    """An answer without a value: why, and the exception to raise in the test (None: the session is over).

    Raises:
        Malformed: not a failure as samples write it.
    """
    message, line = answer.get("m", ""), answer.get("l")
    if "x" in answer:
        return _ended(str(answer["x"])[:40], str(message), answer), None
    kinds = answer.get("e")
    if type(kinds) is not list or not kinds or any(type(kind) is not str for kind in kinds):
        raise Malformed("neither a value nor a failure")
    place = f" (line {line})" if type(line) is int else ""
    finding = Finding(
        _code_of(kinds, str(message)),
        f"{kinds[0]}: {message}{place}" if message else f"{kinds[0]}{place}",
    )
    return finding, _exception(kinds, str(message))


def _ended(why: str, message: str, answer: dict[str, Any]) -> Finding:
    if why == "missing":
        defined = [str(name) for name in answer.get("d", [])][:10]
        return Finding(
            "wrong_entry_point",
            f"{message!r} is not defined; defined: {', '.join(defined) or 'nothing callable'}",
        )
    if why in ("syntax_error", "output_limit", "exit"):
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


def _exception(kinds: list[str], message: str) -> Exception:
    for name in kinds:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(message)
            except TypeError:
                continue
    return CandidateError(message)
