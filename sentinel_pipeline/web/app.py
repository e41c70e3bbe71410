"""The review server: routes, logins, and the few pages around the card page.

Run by ``python -m sentinel_pipeline.web`` (``sentinel review serve``). What this module does not do: any operation of the
queue; every request ends in one function of ``review``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import BadInput, GateRefused, Infrastructure, SentinelError
from ..review.cards import read_card
from ..review.desk import Conflict, Desk, Refused, Unknown, User
from ..review.importing import plain
from ..review.users import SESSION_SECONDS, Session, log_in, log_out, session_of
from . import api, pages
from .guard import COOKIE, BadBody, Guard, LoginLimit, json_response, read_bytes, read_object, same

Endpoint = Callable[[Request], Awaitable[Response]]
_STATUS: tuple[tuple[type[SentinelError], int], ...] = (
    (Unknown, 404), (Conflict, 409), (Refused, 422), (BadInput, 400), (GateRefused, 403), (Infrastructure, 503),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """What every request needs."""

    desk: Desk
    limit: LoginLimit = field(default_factory=LoginLimit)
    templates: Environment = field(
        default_factory=lambda: Environment(
            loader=PackageLoader("sentinel_pipeline.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )

    def page(self, name: str, *, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(plain(self.templates.get_template(name).render(**values)), status)

    async def session(self, request: Request) -> Session | None:
        secret = request.cookies.get(COOKIE)
        return await run_in_threadpool(session_of, self.desk, secret) if secret else None


def create_app(desk: Desk, hosts: frozenset[str], limit: LoginLimit | None = None) -> Starlette:
    """The application, answering to ``hosts`` (``NAME:PORT`` as browsers send them) and to no other name."""
    server = Server(desk, limit or LoginLimit())
    reading = [Route(f"/api/{name}", _api(server, handler)) for name, handler in api.READING.items()]
    writing = [Route(f"/api/{name}", _api(server, run), methods=["POST"]) for name, run in api.WRITING.items()]
    routes = [
        Route("/login", _login_page(server)),
        Route("/login", _login(server), methods=["POST"]),
        Route("/logout", _logout(server), methods=["POST"]),
        Route("/", _page(server, pages.review)),
        Route("/summary", _page(server, pages.summary_page)),
        Route("/people", _page(server, pages.people)),
        Route("/blind", _page(server, pages.blind_list)),
        Route("/blind/{batch}", _page(server, pages.blind_page)),
        Route("/gap", _page(server, pages.gap_list)),
        Route("/trail", _page(server, pages.trail_page)),
        Route("/response/{card}", _response(server)),
        Route("/healthz", _health),
        *reading,
        *writing,
        Mount("/static", StaticFiles(directory=str(files("sentinel_pipeline.web") / "static"))),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(Guard, hosts=hosts)], exception_handlers={OperationalError: _down}
    )


async def _down(_: Request, error: Exception) -> Response:
    return _refusal("the database does not answer: try again.", 503, kind="infrastructure")


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _api(server: Server, handler: api.Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return _refusal("log in first.", 401)
        if request.method == "POST" and not same(request.headers.get("x-csrf-token"), session.csrf):
            return _refusal("the request has no valid token: reload the page.", 403)
        try:
            fields = await read_object(request) if request.method == "POST" else dict(request.query_params)
            return json_response(await run_in_threadpool(handler, api.Call(server.desk, session.user, fields)))
        except BadBody as error:
            return _refusal(str(error), 413 if "more than" in str(error) else 400)
        except SentinelError as error:
            return _refused(error)

    return endpoint


def _refused(error: SentinelError) -> Response:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    return _refusal(str(error), status, kind=type(error).__name__.lower())


def _refusal(message: str, status: int, kind: str = "refused") -> Response:
    return json_response({"error": message, "kind": kind}, status)


def _page(server: Server, view: Callable[[Desk, User, Request], tuple[str, dict[str, Any]]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        common: dict[str, Any] = {"user": session.user, "csrf": session.csrf, "path": request.url.path}
        try:
            name, values = await run_in_threadpool(view, server.desk, session.user, request)
        except SentinelError as error:
            status = next(code for kind, code in _STATUS if isinstance(error, kind))
            return server.page("error.html", status=status, message=str(error), **common)
        return server.page(name, **common, **values)

    return endpoint


def _login_page(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return server.page("login.html", message="")

    return endpoint


def _login(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        address = request.client.host if request.client else "unknown"
        wait = server.limit.wait(address)
        if wait > 0:
            page = server.page("login.html", status=429, message=f"Too many attempts: wait {math.ceil(wait)} seconds.")
            page.headers["retry-after"] = str(math.ceil(wait))
            return page
        try:
            form = parse_qs((await read_bytes(request)).decode("utf-8", "replace"), max_num_fields=10)
        except (BadBody, ValueError):
            return server.page("login.html", status=400, message="That is no login.")
        secret = await run_in_threadpool(log_in, server.desk, form.get("token", [""])[0].strip())
        if secret is None:
            server.limit.failed(address)
            return server.page("login.html", status=403, message="That token is not known, or its owner was shut out.")
        response = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, secret, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict", secure=secure
        )
        return response

    return endpoint


def _logout(server: Server) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None or not same(request.headers.get("x-csrf-token"), session.csrf):
            return _refusal("the request has no valid token: reload the page.", 403)
        await run_in_threadpool(log_out, server.desk, request.cookies[COOKIE])
        response = json_response({})
        response.delete_cookie(COOKIE)
        return response

    return endpoint


def _response(server: Server) -> Endpoint:
    """A card's whole response as plain text: for what is too long for the page."""

    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return RedirectResponse("/login", 303)

        def read() -> str:
            with server.desk.db.reading() as connection:
                return read_card(
                    connection, server.desk, request.path_params["card"], session.user
                ).record.model_response

        try:
            return PlainTextResponse(plain(await run_in_threadpool(read)))
        except SentinelError as error:
            return _refused(error)

    return endpoint


__all__ = ["Server", "create_app"]
