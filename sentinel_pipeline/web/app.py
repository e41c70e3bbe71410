"""The review server: routes, logins, and the few pages around the card page.

Run by ``python -m sentinel_pipeline.web`` (``sentinel review serve``). What this module does not
do: any operation of the queue; every request ends in one function of ``review``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import SentinelError
from ..review.cards import read_card
from ..review.importing import plain
from ..review.review_queue import ReviewQueue, User
from ..review.users import Session
from . import api, pages
from .guard import Guard, LoginLimit, json_response
from .login import Endpoint, Server, json_endpoint, login_routes, refusal, refused, status_of

NAV = (("/", "Queue"), ("/summary", "Summary"), ("/blind", "Blind labels"), ("/gap", "Gap proof"))


def create_app(
    desk: ReviewQueue, hosts: frozenset[str], limit: LoginLimit | None = None
) -> Starlette:
    """The application, answering to ``hosts`` (``NAME:PORT`` as browsers send them) and to no other
    name."""
    server = Server(desk, limit or LoginLimit(), nav=NAV)
    reading = [
        Route(f"/api/{name}", _api(server, handler)) for name, handler in api.READING.items()
    ]
    writing = [
        Route(f"/api/{name}", _api(server, run), methods=["POST"])
        for name, run in api.WRITING.items()
    ]
    routes = [
        *login_routes(server),
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
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={OperationalError: _down},
    )


async def _down(_: Request, error: Exception) -> Response:
    return refusal("the database does not answer: try again.", 503, kind="infrastructure")


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _api(server: Server, handler: api.Handler) -> Endpoint:
    async def work(_: Request, session: Session, fields: dict[str, Any]) -> Response:
        call = api.Call(server.desk, session.user, fields)
        return json_response(await run_in_threadpool(handler, call))

    return json_endpoint(server, work)


def _page(
    server: Server, view: Callable[[ReviewQueue, User, Request], tuple[str, dict[str, Any]]]
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        common: dict[str, Any] = {
            "user": session.user,
            "csrf": session.csrf,
            "path": request.url.path,
        }
        try:
            name, values = await run_in_threadpool(view, server.desk, session.user, request)
        except SentinelError as error:
            return server.page("error.html", status=status_of(error), message=str(error), **common)
        return server.page(name, **common, **values)

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
            return refused(error)

    return endpoint


__all__ = ["Server", "create_app"]
