"""The review server: routes, logins, and the few pages around the card page.

Run by ``python -m sentinel_pipeline.web`` (``sentinel review serve``). What this module does not
do: any operation of the queue; every request ends in one function of ``review``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
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
from starlette.types import Receive, Scope, Send

from ..errors import SentinelError
from ..review.cards import read_card
from ..review.checking import judge
from ..review.importing import plain
from ..review.review_queue import ReviewQueue, User
from ..review.users import Session
from . import api, pages
from .described import describes, review_description
from .guard import Guard, json_response
from .limits import Busy, Checks, LoginLimit, Places
from .login import Endpoint, Server, json_endpoint, login_routes, refusal, refused, status_of

NAV = (("/", "Queue"), ("/summary", "Summary"), ("/blind", "Blind labels"), ("/gap", "Gap proof"))


PLACES = max(1, (os.cpu_count() or 1) // 2)
"""Checks that run at once: each has a sandbox, and pages need the machine too."""


def create_app(
    desk: ReviewQueue,
    hosts: frozenset[str],
    limit: LoginLimit | None = None,
    checks: Checks | None = None,
) -> Starlette:
    """The application, answering to ``hosts`` (``NAME:PORT`` as browsers send them) and to no other
    name; ``checks`` run in this process where nothing is said."""
    server = Server(desk, limit or LoginLimit(), nav=NAV)
    pool = checks or Checks(judge, PLACES)
    reading = [
        Route(f"/api/{name}", _api(server, pool, handler)) for name, handler in api.READING.items()
    ]
    writing = [
        Route(f"/api/{name}", _api(server, pool, run), methods=["POST"])
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
        Route("/openapi.json", describes(review_description)),
        Route("/healthz", _health),
        *reading,
        *writing,
        Mount("/static", StaticFiles(directory=str(files("sentinel_pipeline.web") / "static"))),
    ]

    @asynccontextmanager
    async def ending_checks(_: Starlette) -> AsyncIterator[None]:
        yield
        pool.close()

    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={OperationalError: _down},
        lifespan=ending_checks,
    )


async def _down(_: Request, error: Exception) -> Response:
    return refusal("the database does not answer: try again.", 503, kind="infrastructure")


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _api(server: Server, pool: Checks, handler: api.Handler) -> Endpoint:
    async def work(_: Request, session: Session, fields: dict[str, Any]) -> Response:
        call = api.Call(server.desk, session.user, fields, pool.judge)
        if handler is api.check_:
            return json_response(await pool.run(session.user.name, partial(handler, call)))
        if handler is api.decide_ and await run_in_threadpool(api.unchecked, call):
            await pool.run(session.user.name, partial(api.check_, call))
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
    """A card's whole response as plain text: for what is too long for the page. Few at once, since
    each is in memory until it is read."""
    texts = Places(
        4,
        1,
        full="Several whole texts are being read: try again soon.",
        mine="The text that you opened before is still being read: try again soon.",
    )

    async def endpoint(request: Request) -> Response:
        session = await server.session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        who = session.user.name

        def read() -> str:
            with server.desk.db.reading() as connection:
                return read_card(
                    connection, server.desk, request.path_params["card"], session.user
                ).record.model_response

        try:
            texts.take(who)
        except Busy as error:
            return refusal(str(error), 429, kind="busy", retry_after=error.retry_after)
        try:
            return _Whole(plain(await run_in_threadpool(read)), lambda: texts.give(who))
        except SentinelError as error:
            texts.give(who)
            return refused(error)
        except BaseException:
            texts.give(who)
            raise

    return endpoint


class _Whole(PlainTextResponse):
    """A text whose place is given back when it was read, or nobody reads it any more."""

    def __init__(self, text: str, give: Callable[[], None]) -> None:
        super().__init__(text)
        self._give = give

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give()


__all__ = ["Server", "create_app"]
