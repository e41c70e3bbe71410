"""The three ways to carry requests: learn them without a candidate, replay a batch's answers, or talk to a live sample.

What this module does not do: trust an answer; ``remote`` reads each one strictly.
"""

from __future__ import annotations

import socket
from typing import Any

from ..guest import codec
from ..guest.codec import Malformed
from .remote import Finding, Session, Stop
from .zygotes import frame

_MAX_PLANNED = 5000
_MAX_PLAN_BYTES = 1 << 20


class Unknown:
    """The answer while learning: agrees with everything, so that tests reach their next call."""

    def _same(self, *_: Any, **__: Any) -> Any:
        return self

    def _yes(self, *_: Any) -> bool:
        return True

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = (
        _same
    )
    __floordiv__ = __mod__ = __pow__ = __neg__ = __abs__ = __round__ = __getitem__ = __call__ = (
        __and__
    ) = __or__ = _same
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _yes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __hash__(self) -> int:
        return 0

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class Learner(Session):
    """Records requests whose arguments do not depend on answers; ``dependent`` says that some did."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[bytes] = []
        self.size = 0
        self.dependent = False

    def exchange(self, request: bytes) -> dict[str, Any]:
        self.size += len(request)
        if (
            not request.startswith(b'["call","')
            or len(self.plan) >= _MAX_PLANNED
            or self.size > _MAX_PLAN_BYTES
        ):
            self.dependent = True
            raise Stop
        self.plan.append(request)
        return {}

    def _opaque(self, value: Any) -> Any:
        packed = None if type(value) is Unknown else super()._opaque(value)
        if packed is None or self.callbacks:
            self.dependent = True
            raise Stop
        return packed

    def _interpret(self, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return Unknown()


class Batch(Session):
    """Answers that a sample gave in advance, each used only if the test asks exactly what was planned."""

    def __init__(self, plan: list[bytes], answers: list[bytes], after: Finding) -> None:
        super().__init__()
        self.plan, self.answers, self.after = plan, answers, after

    def exchange(self, request: bytes) -> dict[str, Any]:
        at = self.asked - 1
        if at >= len(self.plan) or self.plan[at] != request:
            self.mismatch = True
            raise Stop
        if at >= len(self.answers):
            self.stop(*self.after)
        try:
            return codec.from_text(self.answers[at])
        except Malformed as error:
            self.stop("exception", f"the answer cannot be read: {error}")


class Live(Session):
    """A sample that is asked as the test goes. ``gone``: it ended, and its zygote will say how."""

    def __init__(self, channel: socket.socket, output_bytes: int) -> None:
        super().__init__()
        self.channel, self.left = channel, output_bytes
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
        self.left -= size + 4
        if self.left < 0:
            self.stop("output_limit", "the answers are longer than the output limit")
        try:
            answer = codec.from_text(self._receive(size))
        except Malformed as error:
            self.stop("exception", f"the answer cannot be read: {error}")
        if type(answer) is not dict:
            self.stop("exception", "the answer cannot be read: not an object")
        return answer

    def _call_back(self, answer: dict[str, Any]) -> dict[str, Any]:
        try:
            function = self.callbacks[answer["c"]]
            args, kwargs = codec.unpack(answer["a"], self.handle)
        except (Malformed, LookupError, TypeError, ValueError):
            self.stop("exception", "the answer cannot be read: not a call of a test's function")
        try:
            return {"v": codec.pack(function(*args, **kwargs), self._opaque)}
        except Exception as error:
            return {"e": type(error).__name__, "m": str(error)[:300]}

    def _send(self, data: bytes) -> None:
        try:
            self.channel.sendall(frame(data))
        except OSError:
            self._lost()

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
    """The complete frames at the front of ``data``; what follows the last complete one is dropped."""
    frames, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + size > len(data):
            break
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return frames
