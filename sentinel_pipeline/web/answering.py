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
from ..chat.turn import Reply, Turn
from ..errors import BadInput
from ..records import Message
from ..records.messages import messages_from
from ..review.importing import plain
from .limits import Places

AT_ONCE = 8
"""Answers that are written or wait for their turn; more are turned away."""
OF_ONE = 4
"""Of these, what one person may have."""
MOST_MESSAGES = 1000
MOST_CHARACTERS = 1_000_000
"""Of a conversation: looked at before any template or tokenizer is."""
MOST_TOKENS = 8192
_POLL_S = 0.5


class ReviewQueue:
    """Where answers are asked for: the models, and how many may be at it; a person has a share of
    the places, so that one key never has all of them."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.places = Places(
            AT_ONCE,
            OF_ONE,
            full=f"{AT_ONCE} answers are being written or wait: try again later.",
            mine=f"{OF_ONE} of your answers are being written or wait: let one of them end first.",
        )

    async def open(self, name: str, who: str) -> Opened:
        """Ask the guard, load the model if need be, and take a place; give it back by ``close``.

        Raises:
            Busy: every place is taken, or this person has their share.
            BadInput, GateRefused: as ``Models.open``.
        """
        self.places.take(who)
        try:
            return await run_in_threadpool(self.models.open, name)
        except BaseException:
            self.places.give(who)
            raise

    def close(self, who: str) -> None:
        self.places.give(who)


class Streamed(StreamingResponse):
    """A streamed answer; its place is given back however it ends, also when nobody reads a byte of
    it."""

    def __init__(
        self, content: AsyncIterator[bytes], media_type: str, desk: ReviewQueue, who: str
    ) -> None:
        super().__init__(content, media_type=media_type)
        self._desk = desk
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._desk.close(self._who)


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
    """A conversation that waits for an answer, as text that every tokenizer reads: lone surrogates
    become U+FFFD.

    Raises:
        BadInput: malformed, too long, or it does not end with a turn of the user.
    """
    if isinstance(value, list) and len(value) > MOST_MESSAGES:
        problem = f"{len(value)} messages, the most is {MOST_MESSAGES}."
        raise BadInput(problem, field="messages", fix="Start a new conversation or shorten it.")
    try:
        turns = messages_from(value)
    except ValueError as error:
        raise BadInput(str(error), field="messages") from error
    characters = sum(len(turn.content) for turn in turns)
    if characters > MOST_CHARACTERS:
        problem = f"{characters} characters, the most is {MOST_CHARACTERS}."
        raise BadInput(problem, field="messages", fix="Start a new conversation or shorten it.")
    if turns[-1].role not in ("user", "tool"):
        raise BadInput("expected the last turn to be the user's.", field="messages")
    return tuple(Message(turn.role, plain(turn.content)) for turn in turns)


def number(fields: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number within bounds; absent or null is the default. NaN is within none.

    Raises:
        BadInput: no number, or out of bounds.
    """
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadInput(f"expected a number from {low:g} to {high:g}.", field=name)
    return float(value)


def whole(fields: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    """Like ``number``, for whole numbers.

    Raises:
        BadInput: no whole number, or out of bounds.
    """
    number(fields, name, default, low, high)
    value = fields.get(name)
    if value is None:
        return default
    if value != int(value):
        raise BadInput("expected a whole number.", field=name)
    return int(value)


def line(value: dict[str, Any]) -> bytes:
    """One line of NDJSON, in ASCII: what models write may be no UTF-8."""
    return json.dumps(value, allow_nan=False).encode() + b"\n"
