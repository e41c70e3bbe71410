"""What the servers for people share: templates, the session that a cookie names, log-in and
log-out, and refusals as JSON.

What this module does not do: serve a page of its own beside the log-in.
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..errors import BadInput, GateRefused, Infrastructure, SentinelError
from ..review.importing import plain
from ..review.review_queue import Conflict, Refused, ReviewQueue, Unknown
from ..review.users import SESSION_SECONDS, Session, log_in, log_out, session_of
from .guard import (
    BODIES,
    COOKIE,
    KEPT_BODIES,
    BadBody,
    json_response,
    read_bytes,
    read_object,
    same,
)
from .limits import Busy, LoginLimit, Places

Endpoint = Callable[[Request], Awaitable[Response]]
_STATUS: tuple[tuple[type[SentinelError], int], ...] = (
    (Unknown, 404), (Conflict, 409), (Refused, 422), (BadInput, 400), (GateRefused, 403), (Infrastructure, 503),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """What every request needs."""

    desk: ReviewQueue
    limit: LoginLimit = field(default_factory=LoginLimit)
    bodies: Places = field(default_factory=lambda: kept_bodies())
    """Bytes of requests' bodies that are being read."""
    requests: Places = field(default_factory=lambda: requests_at_once())
    """Requests of pages that are being answered."""
    brand: str = "review"
    nav: tuple[tuple[str, str], ...] = ()
    """Address and name of each page in the head of every page."""
    front: str = field(default_factory=lambda: os.environ.get("SENTINEL_FRONT", ""))
    """Address of the landing page, where ``sentinel ui`` serves one."""
    templates: Environment = field(default_factory=lambda: environment())

    def page(self, name: str, *, status: int = 200, **values: Any) -> Response:
        shared = {"brand": self.brand, "nav": self.nav, "front": self.front}
        return HTMLResponse(
            plain(self.templates.get_template(name).render(**shared, **values)), status
        )

    async def session(self, request: Request) -> Session | None:
        secret = request.cookies.get(COOKIE)
        return await run_in_threadpool(session_of, self.desk, secret) if secret else None


def kept_bodies() -> Places:
    """One person may send the largest body there is, two at once."""
    return Places(
        KEPT_BODIES,
        max(BODIES.values()),
        full="The server reads as many large texts as it keeps at once: try again soon.",
        mine="You send more at once than the server keeps for one person: try again soon.",
        retry_after=2,
    )


def requests_at_once() -> Places:
    """A page asks for a few things at once; nobody's asking fills the line of all."""
    return Places(
        128,
        8,
        full="The server answers as many requests as it can: try again soon.",
        mine="You have asked for more at once than is answered: try again soon.",
        retry_after=1,
    )


def environment() -> Environment:
    """The templates; what is put into one is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("sentinel_pipeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_number(params: QueryParams) -> int:
    """The ``page`` of an address, from 1; anything but a plain number is the first."""
    page = params.get("page", "1")
    return int(page) if page.isascii() and page.isdecimal() and len(page) < 8 else 1


def login_routes(server: Server) -> list[Route]:
    """The way in and the way out."""
    return [
        Route("/login", _login_page(server)),
        Route("/login", _login(server), methods=["POST"]),
        Route("/logout", _logout(server), methods=["POST"]),
    ]


def status_of(error: SentinelError) -> int:
    """The HTTP status that says what kind of error it is."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def refused(error: SentinelError) -> Response:
    return refusal(str(error), status_of(error), kind=type(error).__name__.lower())


def refusal(
    message: str, status: int, kind: str = "refused", retry_after: int | None = None
) -> Response:
    return json_response({"error": message, "kind": kind}, status, retry_after)


def address_of(request: Request) -> str:
    """Who a request is counted for."""
    return request.client.host if request.client else "unknown"


Work = Callable[[Request, Session, dict[str, Any]], Awaitable[Response]]
"""What a request of a page does: for whom, with which fields (a body's, or a query's)."""


def json_endpoint(server: Server, work: Work) -> Endpoint:
    """A page's request: only for who is logged in, a change only with their token, errors as
    JSON."""

    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return refusal("log in first.", 401)
        if request.method == "POST" and not same(request.headers.get("x-csrf-token"), session.csrf):
            return refusal("the request has no valid token: reload the page.", 403)
        who = session.user.name
        try:
            with server.requests.hold(who):
                if request.method == "POST":
                    fields = await read_object(request, server.bodies, who)
                    return await work(request, session, fields)
                return await work(request, session, dict(request.query_params))
        except BadBody as error:
            return refusal(str(error), error.status)
        except Busy as error:
            # Who asks again and again at once waits for the answer: others are asking, too.
            await server.limit.pause()
            return refusal(str(error), 429, kind="busy", retry_after=error.retry_after)
        except SentinelError as error:
            return refused(error)

    return endpoint


def _login_page(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return server.page("login.html", message="")

    return endpoint


def _login(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            text = (await read_bytes(request)).decode("utf-8", "replace")
            form = parse_qs(text, max_num_fields=10)
        except BadBody as error:
            return server.page("login.html", status=error.status, message=f"Not a login: {error}")
        except ValueError:
            return server.page("login.html", status=400, message="That is not a login.")
        # The key is looked at first: however many wrong ones came, a right one enters.
        secret = await run_in_threadpool(log_in, server.desk, form.get("token", [""])[0].strip())
        if secret is None:
            wait = math.ceil(server.limit.failed(address_of(request)))
            if wait > 0:
                await server.limit.pause()
                message = f"That token is not known either. Too many attempts: wait {wait} seconds."
                page = server.page("login.html", status=429, message=message)
                page.headers["retry-after"] = str(wait)
                return page
            return server.page(
                "login.html",
                status=403,
                message="That token is not known, or its owner was deactivated.",
            )
        response = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(SESSION_SECONDS),
            httponly=True,
            samesite="strict",
            secure=secure,
        )
        return response

    return endpoint


def _logout(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None or not same(request.headers.get("x-csrf-token"), session.csrf):
            return refusal("the request has no valid token: reload the page.", 403)
        await run_in_threadpool(log_out, server.desk, request.cookies[COOKIE])
        response = json_response({})
        response.delete_cookie(COOKIE)
        return response

    return endpoint
