"""The landing page of ``sentinel ui``: where everything is, whether it answers, and what the last
night and run came to.

``python -m sentinel_pipeline.web.front``. Without a log-in it shows what Dagster shows on the same
address, and nothing of the queue. What this module does not do: serve the pages that it links, but
for comparisons and digests, which are files.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..chat.models import Models
from ..errors import SentinelError
from ..review.importing import plain
from ..store import Home, Store, find_home
from .chat import states
from .data import data_routes
from .guard import Guard
from .login import Endpoint, environment
from .results import results, running
from .samples import sample_routes

NEWEST = 30
"""Digests that are linked."""
_ITS_OWN_STYLE = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)
"""The comparison is one file that people send around: its style is inside, and it has no script."""


class Links(NamedTuple):
    """Addresses of the servers beside this one."""

    dagster: str
    review: str
    chat: str


def create_app(home: Home, links: Links, hosts: frozenset[str]) -> Starlette:
    """The application, answering to ``hosts`` (``NAME:PORT``) and to no other name."""
    routes = [
        Route("/", _landing(home, links)),
        Route("/comparison/{recipe}", _comparison(home)),
        Route("/digest/{night}", _digest(home)),
        *sample_routes(home),
        *data_routes(home),
        Route("/healthz", _health),
        Mount("/static", StaticFiles(directory=str(files("sentinel_pipeline.web") / "static"))),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)])


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _landing(home: Home, links: Links) -> Endpoint:
    templates = environment()

    async def endpoint(request: Request) -> Response:
        values = await run_in_threadpool(standing, home, links)
        template = templates.get_template("front.html")
        return HTMLResponse(plain(template.render(brand="start", nav=(), front="", **values)))

    return endpoint


def standing(home: Home, links: Links) -> dict[str, Any]:
    """What the page shows."""
    try:
        chat = states(Models(home, None, experimental=False))
        trouble = ""
    except SentinelError as error:
        chat = []
        trouble = str(error)
    nights = digests(home)
    return {
        "links": links,
        "up": {name: answers(address) for name, address in links._asdict().items()},
        "results": results(home),
        "running": running(home),
        "chat": _alike(chat),
        "trouble": trouble,
        "comparisons": comparisons(home),
        "nights": nights[:NEWEST],
        "digest": rendered(_read(home, nights[0])) if nights else "",
    }


def _alike(chat: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Checkpoints that chat treats alike, for one line."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for model in chat:
        state = "open" if model["open"] else "closed"
        if model["experimental"]:
            state = "experimental"
        groups.setdefault((state, tuple(model["reasons"])), []).append(model["name"])
    return [
        {"names": names, "state": state, "reasons": reasons}
        for (state, reasons), names in groups.items()
    ]


def answers(address: str) -> bool:
    """Whether somebody listens there."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.5):
            return True
    except OSError:
        return False


def comparisons(home: Home) -> dict[str, str]:
    """Recipe -> when its newest comparison was made (UTC), the newest first."""
    newest = {}
    for path in home.runs.glob("*/comparison/current"):
        comparison = Store.reading(home, path.parents[1].name).find("comparison")
        if comparison and (comparison.folder / "comparison.html").is_file():
            newest[comparison.manifest.recipe] = comparison.manifest.created_at[:16].replace(
                "T", " "
            )
    return dict(sorted(newest.items(), key=lambda item: item[1], reverse=True))


def digests(home: Home) -> list[str]:
    """Nights that left a digest, the newest first."""
    return sorted((path.stem for path in home.digests.glob("*.md")), reverse=True)


def _read(home: Home, night: str) -> str:
    return (home.digests / f"{night}.md").read_text(encoding="utf-8", errors="replace")


def rendered(markdown: str) -> Markup:
    """Headings, lists and tables as HTML, and nothing else: a reason with stars, links or tags in
    it is text."""
    return Markup(MarkdownIt("zero").enable(["heading", "list", "table"]).render(plain(markdown)))


def _comparison(home: Home) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipe = request.path_params["recipe"]
        if recipe not in await run_in_threadpool(comparisons, home):
            return PlainTextResponse("There is no comparison of that recipe.", 404)
        comparison = Store.reading(home, recipe).get("comparison")
        page = comparison.path("comparison.html").read_text(encoding="utf-8", errors="replace")
        return HTMLResponse(page, headers={"content-security-policy": _ITS_OWN_STYLE})

    return endpoint


def _digest(home: Home) -> Endpoint:
    templates = environment()

    async def endpoint(request: Request) -> Response:
        night = request.path_params["night"]
        if night not in digests(home):
            return PlainTextResponse("There is no digest of that night.", 404)
        page = templates.get_template("digest.html").render(
            night=night, digest=rendered(_read(home, night))
        )
        return HTMLResponse(page)

    return endpoint


def main(argv: Sequence[str] | None = None) -> int:
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    for name in Links._fields:
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args(argv)
    links = Links(args.dagster, args.review, args.chat)
    hosts = frozenset(f"{name}:{args.port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    app = create_app(find_home(), links, hosts)
    uvicorn.run(app, host=args.host, port=args.port, log_level="warning", server_header=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
