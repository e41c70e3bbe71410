"""The landing page of ``sentinel ui``: where everything is, whether it answers, and what the last
night and run came to.

``python -m sentinel_pipeline.web.front``. Without a log-in it shows what Dagster shows on the same
address, and nothing of the queue. What this module does not do: serve the pages that it links, but
for comparisons and digests, which are files.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..chat.models import Models
from ..errors import SentinelError
from ..pages.charts import climb
from ..pages.results import results, running
from ..ports import names
from ..records.printable import visible
from ..review.importing import plain
from ..store import Home, Store, find_home
from ..store.marks import hidden, name_of
from .chat import states
from .data import data_routes
from .guard import Guard
from .login import Endpoint, environment
from .samples import sample_routes, suites_of
from .training import training_routes

NEWEST = 30
"""Digests that are linked."""
FRESH_S = 3.0
"""How old the line about chat may be before it is looked at again."""
PATIENCE_S = 0.3
"""How long the first page waits for that line."""
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
    templates = environment()
    templates.globals |= {"brand": "start", "nav": (), "front": "", "climb": climb}
    routes = [
        Route("/", _landing(home, links, templates)),
        Route("/comparison/{recipe}", _comparison(home)),
        Route("/digest/{night}", _digest(home, templates)),
        Route("/go/sample", _sample(home)),
        Route("/go/{door}", _door(links)),
        *training_routes(home, templates),
        *sample_routes(home, templates),
        *data_routes(home, templates),
        Route("/healthz", _health),
        Mount("/static", StaticFiles(directory=str(files("sentinel_pipeline.web") / "static"))),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)])


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _landing(home: Home, links: Links, templates: Environment) -> Endpoint:
    look = ChatLook(home)

    async def endpoint(request: Request) -> Response:
        values = await run_in_threadpool(standing, home, links, look)
        return HTMLResponse(plain(templates.get_template("front.html").render(**values)))

    return endpoint


def _door(links: Links) -> Endpoint:
    """The way to a server beside this one, by its name: every page's head links it so, without
    knowing its port."""

    async def endpoint(request: Request) -> Response:
        address = links._asdict().get(request.path_params["door"])
        if address is None:
            return PlainTextResponse("There is no such page.", 404)
        return RedirectResponse(address, 303)

    return endpoint


class ChatLook:
    """How chat stands with every checkpoint, looked at in the background: the first look reads the
    scorers' sources and the newest reports, and no page waits seconds for one line of it."""

    def __init__(self, home: Home) -> None:
        self._models = Models(home, None, experimental=False)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="chat-look")
        self._lock = threading.Lock()
        self._look: Future[list[dict[str, Any]]] | None = None
        self._began = 0.0
        self._last: list[dict[str, Any]] | None = None

    def states(self) -> list[dict[str, Any]] | None:
        """The newest that is known, at most a few seconds old while somebody asks; None while the
        first look goes on.

        Raises:
            SentinelError: the look failed.
        """
        if not self._models.names():
            return []
        with self._lock:
            done = self._look is not None and self._look.done()
            if self._look is None or (done and time.monotonic() - self._began > FRESH_S):
                self._look = self._pool.submit(states, self._models)
                self._began = time.monotonic()
            look = self._look
        try:
            self._last = look.result(timeout=PATIENCE_S if self._last is None else 0.05)
        except TimeoutError:
            return self._last
        return self._last


def standing(home: Home, links: Links, look: ChatLook) -> dict[str, Any]:
    """What the page shows."""
    trouble = ""
    chat: list[dict[str, Any]] | None = []
    try:
        chat = look.states()
    except SentinelError as error:
        trouble = str(error)
    nights = digests(home)
    return {
        "links": links,
        "up": {name: answers(address) for name, address in links._asdict().items()},
        "results": results(home),
        "running": running(home),
        "chat": None if chat is None else _alike(chat),
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
    """Recipe -> when its newest comparison was made (UTC), the newest first; archived and
    superseded ones are left out."""
    newest = {}
    left_out = hidden(home)
    for path in home.runs.glob("*/comparison/current"):
        comparison = Store.reading(home, path.parents[1].name).find("comparison")
        if comparison is None or name_of(home, comparison) in left_out:
            continue
        if (comparison.folder / "comparison.html").is_file():
            newest[path.parents[1].name] = comparison.manifest.created_at[:16].replace("T", " ")
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
        page = _with_head(page, recipe)
        return HTMLResponse(page, headers={"content-security-policy": _ITS_OWN_STYLE})

    return endpoint


def _recipes_of(home: Home, night: str) -> list[str]:
    """The recipes that ran in a night, as its digest's data say."""
    try:
        data = json.loads((home.digests / f"{night}.json").read_text(encoding="utf-8"))
        return sorted({str(run["recipe"]) for run in data["runs"]})
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _sample(home: Home) -> Endpoint:
    """From a card of the review queue, which knows its run and its item, to every checkpoint's
    answer to it: ``/go/sample?run=RUN&suite=SUITE&item=ITEM``."""

    def recipe_of_run(run: str) -> str | None:
        # Compared, never joined: a name from outside reaches no path.
        folders = home.runs.glob("*/*_report/*/manifest.json")
        return next((path.parents[2].name for path in folders if path.parent.name == run), None)

    async def endpoint(request: Request) -> Response:
        run, suite, item = (request.query_params.get(name, "") for name in ("run", "suite", "item"))
        recipe = await run_in_threadpool(recipe_of_run, run)
        if recipe is None or not suite or not item:
            return PlainTextResponse("The answers of that run are no longer here.", 404)
        return RedirectResponse(f"/samples/{quote(recipe)}/{quote(suite)}/{quote(item)}", 303)

    return endpoint


_HEAD = Markup(
    '<nav aria-label="Pages" style="display: flex; flex-wrap: wrap; gap: 1rem; padding-bottom: 1rem">'
    '<a href="/" style="color: inherit"><b>sentinel</b></a>{}</nav>'
)


def _with_head(page: str, recipe: str) -> str:
    """The comparison's file with the links of every page before it; the file itself stays as the
    run made it."""
    links = [("/training", "Training"), (f"/training/{recipe}", f"Curves of {recipe}")]
    links += [(f"/samples/{recipe}", "Every answer"), (f"/data/{recipe}", "Every row")]
    links += [("/go/review", "Review"), ("/go/chat", "Chat"), ("/go/dagster", "Dagster")]
    head = _HEAD.format(
        Markup("").join(
            Markup('<a href="{}" style="color: inherit">{}</a>').format(address, name)
            for address, name in links
        )
    )
    before, body, rest = page.partition("<body>")
    if not body:
        return f"{head}{page}"
    if "<main>" not in rest:  # made by an earlier version
        rest = f"<main>{rest.replace('</body>', '</main></body>')}"
    return f"{before}{body}{head}{rest}"


def _digest(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        night = request.path_params["night"]
        if night not in digests(home):
            return PlainTextResponse("There is no digest of that night.", 404)
        page = templates.get_template("digest.html").render(
            night=night,
            digest=rendered(_read(home, night)),
            recipes=[name for name in _recipes_of(home, night) if suites_of(home, name)],
        )
        return HTMLResponse(plain(page))

    return endpoint


def main(argv: Sequence[str] | None = None) -> int:
    from .serving import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    for name in Links._fields:
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args(argv)
    links = Links(args.dagster, args.review, args.chat)
    try:
        app = create_app(find_home(), links, names((), args.port))
        return serve(app, args.host, args.port)
    except SentinelError as error:
        parser.exit(error.exit_code, f"error: {visible(str(error))}\n")


if __name__ == "__main__":
    raise SystemExit(main())
