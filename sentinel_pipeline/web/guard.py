"""What stands before every page: the Host check, the security headers, CSRF tokens, and bodies
bounded by size for each route, by time and by what they hold.

Everything that is shown is hostile until proven otherwise, so the policy allows scripts, styles,
images and connections of this server alone and no inline code. What this module does not do: TLS;
put a proxy before it where others can listen.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limits import Places

COOKIE = "sentinel_session"
CHEAP = 64 * 2**10
"""Bytes of a body where nothing else is said."""
BODIES = {
    "/login": 4 * 2**10,
    "/logout": 4 * 2**10,
    "/api/draft": 4 * 2**20,
    "/api/check": 4 * 2**20,
    "/api/decide": 4 * 2**20,
    "/api/answer": 2 * 2**20,
    "/v1/chat/completions": 2 * 2**20,
}
"""Bytes of a body by route."""
KEPT_BODIES = 8 * 2**20
"""Bytes of bodies that a server keeps at once, of everybody."""
BODY_S = 10.0
SLOWEST = 64 * 2**10
"""A body is whole after ``BODY_S`` and a second for each ``SLOWEST`` bytes of it, or it is
refused."""
MOST_VALUES = 20_000
"""Values of a body beyond ``CHEAP``: an empty list is two bytes, and thirty times that in
memory."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware: refuses foreign hosts and origins, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if message["status"] == 408:
                    headers["connection"] = "close"
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
            await send(message)

        headers = Headers(scope=scope)
        body = _Body(receive, headers, BODIES.get(scope["path"], CHEAP))
        refusal = self._refusal(scope, headers)
        # A client that goes away in the middle of its request is nothing to tell of.
        with suppress(ClientDisconnect):
            await (refusal or self._app)(scope, body, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if (
            headers.getlist("host") != [headers.get("host")]
            or headers.get("host", "").lower() not in self._hosts
        ):
            return PlainTextResponse("This server does not go by that name.", 421)
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin")
            foreign = origin is not None and origin.partition("://")[2].lower() not in self._hosts
            if foreign or headers.get("sec-fetch-site", "same-origin") not in (
                "same-origin",
                "none",
            ):
                return PlainTextResponse("Requests of other sites are refused.", 403)
        return None


def same(token: str | None, expected: str) -> bool:
    """Compare secrets in constant time."""
    return secrets.compare_digest((token or "").encode("utf-8", "replace"), expected.encode())


class BadBody(ValueError):
    """A request's body is too large, too slow or not a JSON object; ``status`` says which."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class _Body:
    """What a client sends, bounded in size and in time while it is read."""

    def __init__(self, receive: Receive, headers: Headers, most: int) -> None:
        self._receive = receive
        self._most = most
        length = headers.get("content-length", "")
        countable = length.isascii() and length.isdecimal() and len(length) < 20
        self._length = int(length) if countable else 0
        self._size = 0
        self._began = 0.0
        self._whole = False

    async def __call__(self) -> Message:
        """
        Raises:
            BadBody: more bytes than the route takes, or they come too slowly.
        """
        if self._whole:
            return await self._receive()
        self._require(self._length)
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        try:
            async with asyncio.timeout_at(self._began + BODY_S + self._size / SLOWEST):
                message = await self._receive()
        except TimeoutError:
            raise BadBody("the body came too slowly.", 408) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._require(self._size)
            self._whole = not message.get("more_body", False)
        return message

    def _require(self, size: int) -> None:
        if size > self._most:
            raise BadBody(f"the body has more than {self._most} bytes.", 413)


async def read_bytes(request: Request) -> bytes:
    """
    Raises:
        BadBody: too large for its route, or too slow.
    """
    return b"".join([chunk async for chunk in request.stream()])


async def read_object(request: Request, bodies: Places, who: str) -> dict[str, Any]:
    """A JSON object; while it is read it counts as bytes of ``who``.

    Raises:
        BadBody: too large, too slow, too many values, or no JSON object.
        Busy: the bodies of this person, or of all, are more than the server keeps at once.
    """
    parts = []
    size = 0
    try:
        async for chunk in request.stream():
            bodies.take(who, len(chunk))
            size += len(chunk)
            parts.append(chunk)
        return object_from(b"".join(parts))
    finally:
        bodies.give(who, size)


def object_from(data: bytes) -> dict[str, Any]:
    """
    Raises:
        BadBody: no JSON object, or one of so many values that it would take many times its bytes.
    """
    if len(data) > CHEAP:
        bare = _STRING.sub(b"", data)
        if sum(bare.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
            raise BadBody(f"the body has more than {MOST_VALUES} values.", 413)
    try:
        value = json.loads(data.decode("utf-8")) if data else {}
    except (ValueError, RecursionError) as error:
        raise BadBody("the body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise BadBody("expected a JSON object.")
    return value


def json_response(value: Any, status: int = 200, retry_after: int | None = None) -> Response:
    """JSON in ASCII: lone surrogates, which models do write, are not UTF-8."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    text = json.dumps(value, allow_nan=False)
    return Response(text, status, headers, media_type="application/json")
