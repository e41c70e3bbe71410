"""From a session's thread to a response that streams: an answer goes on only while somebody waits
for it.

What this module does not do: know the page or the API, or decide whether chat is open.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..chat.models import Models, Opened
from ..chat.session import Reply, Turn
from ..errors import BadInput
from ..records import Message
from ..records.messages import messages_from

AT_ONCE = 8
"""Answers that are written or wait for their turn; more are turned away."""
MOST_TOKENS = 8192
_POLL_S = 0.5


class Busy(Exception):
    """Too many answers are asked for at once."""


@dataclass(slots=True)
class ReviewQueue:
    """Where answers are asked for: the models, and how many may be at it."""

    models: Models
    free: int = AT_ONCE

    async def open(self, name: str) -> Opened:
        """Ask the guard, load the model if need be, and take a place; give it back by ``close``.

        Raises:
            Busy: every place is taken.
            BadInput, GateRefused: as ``Models.open``.
        """
        if self.free <= 0:
            raise Busy(f"{AT_ONCE} answers are being written or wait: try again later.")
        self.free -= 1
        try:
            return await run_in_threadpool(self.models.open, name)
        except BaseException:
            self.free += 1
            raise

    def close(self) -> None:
        self.free += 1


class Streamed(StreamingResponse):
    """A streamed answer; its place is given back however it ends, also when nobody reads a byte of
    it."""

    def __init__(self, content: AsyncIterator[bytes], media_type: str, desk: ReviewQueue) -> None:
        super().__init__(content, media_type=media_type)
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._desk.close()


@dataclass(slots=True)
class Answer:
    """One answer while it is written. ``text`` and ``reply`` are whole once ``pieces`` has
    ended."""

    opened: Opened
    turn: Turn
    reply: Reply = field(default_factory=Reply)
    text: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)

    async def pieces(self, request: Request) -> AsyncIterator[str]:
        """The text piece by piece; ends, and ends the decoding, when the client went away.

        Raises:
            BadInput: the conversation does not fit the model.
        """
        loop = asyncio.get_running_loop()
        queue = asyncio.Queue[str | Exception | None]()

        def put(item: str | Exception | None) -> None:
            with suppress(RuntimeError):  # the server is stopping: nobody waits any more
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def write() -> None:
            try:
                for piece in self.opened.session.stream(self.turn, self.cancelled, self.reply):
                    put(piece)
            except Exception as error:
                put(error)
            finally:
                put(None)

        threading.Thread(target=write, daemon=True).start()
        try:
            while (item := await self._next(request, queue)) is not None:
                if isinstance(item, Exception):
                    raise item
                self.text += item
                yield item
        finally:
            self.cancelled.set()

    async def _next(
        self, request: Request, queue: asyncio.Queue[str | Exception | None]
    ) -> str | Exception | None:
        while True:
            if await request.is_disconnected():
                self.reply.finish = "cancelled"
                return None
            with suppress(TimeoutError):
                return await asyncio.wait_for(queue.get(), _POLL_S)


def conversation(value: Any) -> tuple[Message, ...]:
    """A conversation that waits for an answer.

    Raises:
        BadInput: malformed, or it does not end with a turn of the user.
    """
    try:
        turns = messages_from(value)
    except ValueError as error:
        raise BadInput(str(error), field="messages") from error
    if turns[-1].role not in ("user", "tool"):
        raise BadInput("expected the last turn to be the user's.", field="messages")
    return turns


def number(fields: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number within bounds; absent or null is the default.

    Raises:
        BadInput: no number, or out of bounds.
    """
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadInput(f"expected a number from {low:g} to {high:g}.", field=name)
    return value


def whole(fields: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    """Like ``number``, for whole numbers.

    Raises:
        BadInput: no whole number, or out of bounds.
    """
    value = number(fields, name, default, low, high)
    if value != int(value):
        raise BadInput("expected a whole number.", field=name)
    return int(value)


def line(value: dict[str, Any]) -> bytes:
    """One line of NDJSON, in ASCII: what models write may be no UTF-8."""
    return json.dumps(value, allow_nan=False).encode() + b"\n"
