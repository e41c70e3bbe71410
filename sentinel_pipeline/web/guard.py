"""What stands before every page: the Host check, the security headers, sessions, CSRF tokens, the
login's rate limit, body sizes.

Everything that is shown is hostile until proven otherwise, so the policy allows scripts, styles,
images and connections of this server alone and no inline code. What this module does not do: TLS;
put a proxy before it where others can listen.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "sentinel_session"
MAX_BODY = 8 * 2**20
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
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, guarded)

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


class LoginLimit:
    """At most ``most`` failed logins a minute from one address, and ten times that in all;
    remembers a bounded number."""

    def __init__(
        self, most: int = 5, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._failures: deque[tuple[float, str]] = deque(maxlen=10 * most)
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        with self._lock:
            now = self._clock()
            while self._failures and self._failures[0][0] <= now - self._seconds:
                self._failures.popleft()
            mine = [at for at, who in self._failures if who == address]
            if len(mine) >= self._most:
                return mine[-self._most] + self._seconds - now
            full = len(self._failures) == self._failures.maxlen
            return self._failures[0][0] + self._seconds - now if full else 0.0

    def failed(self, address: str) -> None:
        with self._lock:
            self._failures.append((self._clock(), address))


def same(token: str | None, expected: str) -> bool:
    """Compare secrets in constant time."""
    return secrets.compare_digest((token or "").encode("utf-8", "replace"), expected.encode())


class BadBody(ValueError):
    """A request's body is too large or not a JSON object."""


async def read_bytes(request: Request) -> bytes:
    """
    Raises:
        BadBody: more than ``MAX_BODY`` bytes.
    """
    parts = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise BadBody(f"the body has more than {MAX_BODY} bytes.")
        parts.append(chunk)
    return b"".join(parts)


async def read_object(request: Request) -> dict[str, Any]:
    """
    Raises:
        BadBody: too large, or no JSON object.
    """
    data = await read_bytes(request)
    try:
        value = json.loads(data.decode("utf-8")) if data else {}
    except (ValueError, RecursionError) as error:
        raise BadBody("the body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise BadBody("expected a JSON object.")
    return value


def json_response(value: Any, status: int = 200) -> Response:
    """JSON in ASCII: lone surrogates, which models do write, are not UTF-8."""
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")
