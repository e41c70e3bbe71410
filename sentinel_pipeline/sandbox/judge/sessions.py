"""The three ways to carry requests: learn them without a candidate, replay a batch's answers, or
talk to a live sample.

What this module does not do: trust an answer; ``remote`` reads each one strictly.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from ..guest import codec, pytest_like
from ..guest.codec import Malformed
from .callbacks import chooses_a_class
from .finding import Finding
from .mirrors import (
    PLAIN_ATTRIBUTES,
    Arguments,
    Target,
    is_plain,
    stands_in_assert,
    stands_in_tests,
)
from .remote import NeedsShared, Session, Stop, shown_error
from .zygotes import frame

_MAX_PLANNED = 5000
_MAX_PLAN_BYTES = 1 << 20


class Unknown:
    """The answer while learning: agrees with everything, so that tests reach their next call.

    ``learner`` and ``origin``: the global name whose result this is, where arithmetic at most was
    done with it. ``call``: the place of the call that it comes of, in the order of the calls.
    """

    def __init__(self, learner: Learner, origin: str | None = None, call: int = 0) -> None:
        self.__dict__.update(_learner=learner, _origin=origin, _call=call)

    def _same(self, *_: Any, **__: Any) -> Any:
        return self

    def _other(self, *_: Any, **__: Any) -> Any:
        return Unknown(self.__dict__["_learner"], None, self.__dict__["_call"])

    def _less(self, other: Any) -> Any:
        self.__dict__["_learner"].expect(self.__dict__["_call"], other)
        return self

    def _yes(self, *_: Any) -> bool:
        return True

    __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __sub__ = __rsub__ = _less
    __floordiv__ = __mod__ = __pow__ = __neg__ = __abs__ = __round__ = __and__ = __or__ = _same
    __getitem__ = __call__ = __enter__ = _other

    def _compared(self, other: Any) -> bool:
        learner = self.__dict__["_learner"]
        origin = self.__dict__["_origin"]
        learner.expect(self.__dict__["_call"], other)
        if origin and is_plain(other):
            learner.compared_plainly.add(origin)
        return True

    __eq__ = __ne__ = _compared
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _yes

    def __exit__(self, *_: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        learner = self.__dict__["_learner"]
        origin = self.__dict__["_origin"]
        learner.step()
        if origin and name not in PLAIN_ATTRIBUTES and stands_in_tests(1):
            learner.used_as_objects.add(origin)
        return Unknown(learner, None, self.__dict__["_call"])

    def __setattr__(self, name: str, value: Any) -> None:
        learner = self.__dict__["_learner"]
        origin = self.__dict__["_origin"]
        learner.step()
        if origin:
            learner.used_as_objects.add(origin)

    def __hash__(self) -> int:
        return 0

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class Learner(Session):
    """Records requests whose arguments do not depend on answers; ``dependent`` says that some did.

    It goes on after that, to see which results the tests use as objects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[bytes] = []
        self.size = 0
        self.steps = 0
        self.dependent = False
        self.arguments: dict[bytes, int] = {}
        """The last call of the plan that has an argument, by the argument packed."""
        self.expected: list[tuple[int, bytes]] = []
        """Plain values that the tests compare with what a call gives: its place, and the value
        packed."""

    def expect(self, call: int, value: Any) -> None:
        """Remember that the tests compare the answer of a call with a value. Of two values one is
        guessed as easily as it is copied."""
        if type(value) is pytest_like.approx:
            value = value.expected
        if self.dependent or value is None or type(value) is bool or not is_plain(value):
            return
        with suppress(Malformed, RecursionError, _Dependent):
            self.expected.append((call, codec.to_text(codec.pack(value, self._packing))))

    def tells_answers(self) -> bool:
        """Whether a later call has an argument that is what an earlier one should give: a program
        that is handed all calls at once would find the answer there."""
        return any(self.arguments.get(value, -1) > call for call, value in self.expected)

    def step(self) -> None:
        """Bound what tests do with answers that are none: a loop may wait for one."""
        self.steps += 1
        if self.steps > _MAX_PLANNED:
            self.dependent = True
            raise Stop

    def ask(
        self, operation: str, target: Target, name: str, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        """Remember the request; its answer is unknown."""
        self.step()
        if operation != "call" or len(self.plan) >= _MAX_PLANNED or self.size > _MAX_PLAN_BYTES:
            self.dependent = True
        if not self.dependent:
            try:
                text = codec.to_text(codec.pack([list(args), kwargs or {}], self._packing))
            except (_Dependent, Malformed, RecursionError, NeedsShared):
                self.dependent = True
                self.shared = ""
            else:
                for value in (*args, *(kwargs or {}).values()):
                    argument = codec.to_text(codec.pack(value, self._packing))
                    self.arguments[argument] = len(self.plan)
                request = codec.to_text([operation, target, name]) + b"\n" + text
                self.size += len(request)
                self.plan.append(request)
        call = len(self.plan) - 1
        return Unknown(self, str(target) if operation == "call" else None, call)

    def opaque(self, value: Any) -> Any:
        packed = None if type(value) is Unknown else super().opaque(value)
        if packed is None or self.callbacks:
            raise _Dependent
        return packed


class _Dependent(Exception):
    """An argument depends on an answer."""


class Batch(Session):
    """Answers that a sample gave in advance, each used only if the test asks exactly what was
    planned."""

    def __init__(self, plan: list[bytes], answers: list[bytes], after: Finding) -> None:
        super().__init__()
        self.plan = plan
        self.answers = answers
        self.after = after

    def exchange(self, request: bytes) -> dict[str, Any]:
        at = self.request_count - 1
        if at >= len(self.plan) or self.plan[at] != request:
            self.mismatch = True
            raise Stop
        if at >= len(self.answers):
            self.stop(*self.after)
        try:
            answer: dict[str, Any] = codec.from_text(self.answers[at])
        except Malformed as error:
            self.stop("exception", f"the answer cannot be read: {error}")
        return answer


class Live(Session):
    """A sample that is asked as the test goes. ``gone``: it ended, and its zygote will say how."""

    def __init__(self, channel: socket.socket, output_bytes: int) -> None:
        super().__init__()
        self.channel = channel
        self.most = output_bytes
        """Bytes that one answer may have."""
        self.gone = False

    def exchange(self, request: bytes) -> dict[str, Any]:
        self._send(request)
        while True:
            answer = self.read()
            if "c" not in answer:
                return answer
            self._send(codec.to_text(self._call_back(answer)))

    def read(self) -> dict[str, Any]:
        """One answer."""
        size = int.from_bytes(self._receive(4), "little")
        if size + 4 > self.most:
            self.stop("output_limit", "an answer is longer than the output limit")
        try:
            answer = codec.from_text(self._receive(size))
        except Malformed as error:
            self.stop("exception", f"the answer cannot be read: {error}")
        if type(answer) is not dict:
            self.stop("exception", "the answer cannot be read: not an object")
        return answer

    def _call_back(self, answer: dict[str, Any]) -> dict[str, Any]:
        number = answer["c"]
        if type(number) is not int or not 0 <= number < len(self.callbacks):
            self.stop("exception", "the answer cannot be read: not a call of a test's function")
        try:
            if chooses_a_class(answer.get("a")):
                raise Malformed("type as an argument of a test's function")
            parts = codec.unpack(answer.get("a"), self.handling)
        except (Malformed, RecursionError, MemoryError) as problem:
            self.stop("exception", f"the answer cannot be read: {problem}")
        if (
            type(parts) is not list
            or [type(part) for part in parts] != [list, dict]
            or not all(type(key) is str for key in parts[1])
        ):
            self.stop("exception", "the answer cannot be read: not a call of a test's function")
        try:
            value = self.callbacks[number](*parts[0], **parts[1])
        except Exception as error:
            if isinstance(error, AssertionError) and stands_in_assert(error):
                self.swallowed = self.swallowed or error
            return {"e": type(error).__name__, "m": shown_error(error)}
        try:
            return {"v": codec.pack(value, self._packing)}
        except (Malformed, RecursionError) as problem:
            self.stop("exception", f"an answer of the tests cannot be handed over: {problem}")

    def _send(self, data: bytes) -> None:
        request = frame(data)
        try:
            self.channel.sendall(request)
        except TimeoutError:
            self._lost()
        except OSError:
            # It ended. What it said before is read first, whoever was faster; then comes the end.
            return

    def _receive(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = self.channel.recv(min(size, 1 << 20))
            except OSError:
                part = b""
            if not part:
                self._lost()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _lost(self) -> Any:
        self.gone = True
        self.stop("crash", "the program's process ended")


def split_frames(data: bytes) -> list[bytes]:
    """The complete frames at the front of ``data``; what follows the last complete one is
    dropped."""
    frames = []
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + size > len(data):
            break
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return frames
