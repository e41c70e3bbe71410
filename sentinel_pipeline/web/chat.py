"""The chat server: a page for people who are logged in and an OpenAI-compatible API for their
programs, behind one guard.

``python -m sentinel_pipeline.web.chat`` (``sentinel chat``). Every request asks the guard again.
What a model says is text: it becomes neither markup nor a path. What this module does not do:
decode (``chat.model_process``) or decide (``chat.guard``).
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..chat.flagged import ChatAnswer, send_to_review
from ..chat.models import Models
from ..chat.suggested import Suggested
from ..chat.turn import Turn
from ..errors import BadInput, SentinelError
from ..ports import names, proxies
from ..records.printable import visible
from ..records.stages import BASE
from ..review.database import Database, database_url
from ..review.importing import plain
from ..review.review_queue import ReviewQueue, Unknown
from ..review.users import Session
from ..store import find_home
from . import openai_api
from .answering import MOST_TOKENS, Answer, Streamed, conversation, line, number, whole
from .answering import ReviewQueue as Answers
from .described import chat_description, describes
from .guard import Guard, json_response
from .limits import LoginLimit
from .login import Endpoint, Server, json_endpoint, login_routes, status_of

REMEMBERED = 4_000_000
"""Characters of answers, with their conversations, that may still be sent to review."""
REST_S = 5.0
"""How often the server looks whether somebody trains, and gives its memory back."""


class Chat:
    """What every request needs: people, models, and what was said lately."""

    def __init__(self, server: Server, models: Models) -> None:
        self.server = server
        self.models = models
        self.answers = Answers(models)
        self.suggested = Suggested(models.home)
        self.said: OrderedDict[str, tuple[str, ChatAnswer]] = OrderedDict()
        """By id: who asked, and what was said."""

    def remember(self, who: str, answer: ChatAnswer) -> None:
        """Keep an answer; of the person who has most, the oldest are forgotten first."""
        self.said[answer.id] = (who, answer)
        while len(self.said) > 1:
            sizes: Counter[str] = Counter()
            for person, kept_answer in self.said.values():
                sizes[person] += _size(kept_answer)
            if sizes.total() <= REMEMBERED:
                return
            ((most, _),) = sizes.most_common(1)
            del self.said[next(name for name, (person, _) in self.said.items() if person == most)]


def _size(answer: ChatAnswer) -> int:
    """In characters; a short one costs more than its text."""
    return 2000 + len(answer.text) + sum(len(turn.content) for turn in answer.messages)


def create_app(
    desk: ReviewQueue, models: Models, hosts: frozenset[str], limit: LoginLimit | None = None
) -> Starlette:
    """The application, answering to ``hosts`` (``NAME:PORT`` as clients send them) and to no other
    name."""
    chat = Chat(Server(desk, limit or LoginLimit(), brand="chat", nav=(("/", "Chat"),)), models)
    routes = [
        *login_routes(chat.server),
        Route("/", _page(chat)),
        Route("/api/status", _api(chat, _status)),
        Route("/api/answer", _api(chat, _answer), methods=["POST"]),
        Route("/api/suggestions", _api(chat, _suggestions)),
        Route("/api/check", _api(chat, _check), methods=["POST"]),
        Route("/api/review", _api(chat, _review), methods=["POST"]),
        *openai_api.routes(chat.server, chat.answers),
        Route("/openapi.json", describes(chat_description)),
        Route("/healthz", _health),
        Mount("/static", StaticFiles(directory=str(files("sentinel_pipeline.web") / "static"))),
    ]

    @asynccontextmanager
    async def resting(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_rest(models))
        yield
        task.cancel()
        await run_in_threadpool(models.close)

    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)], lifespan=resting)


async def _rest(models: Models) -> None:
    while True:
        await asyncio.sleep(REST_S)
        with suppress(OSError):
            await run_in_threadpool(models.rest)


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _page(chat: Chat) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        session = await chat.server.session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        common: dict[str, Any] = {"user": session.user, "csrf": session.csrf, "path": "/"}
        try:
            models = await run_in_threadpool(states, chat.models)
        except SentinelError as error:
            return chat.server.page(
                "error.html", status=status_of(error), message=str(error), **common
            )
        return chat.server.page(
            "chat.html", models=models, chosen=first_choice(models), most=MOST_TOKENS, **common
        )

    return endpoint


def first_choice(models: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The model that the page begins with: the last tuned one that is open without a label, else
    the last tuned one."""
    tuned = [model for model in models if not model["name"].endswith(f"/{BASE}")] or list(models)
    clear = [model for model in tuned if model["open"] and not model["experimental"]]
    return next(reversed(clear or tuned), None)


def states(models: Models) -> list[dict[str, Any]]:
    """Every model's name and how things stand with it."""
    return [{"name": name, **look.to_json()} for name, look in models.states().items()]


def _api(chat: Chat, handler: Any) -> Endpoint:
    async def work(request: Request, session: Session, fields: dict[str, Any]) -> Response:
        response: Response = await handler(chat, session, request, fields)
        return response

    return json_endpoint(chat.server, work)


async def _status(
    chat: Chat, session: Session, request: Request, fields: dict[str, Any]
) -> Response:
    return json_response({"models": await run_in_threadpool(states, chat.models)})


async def _answer(
    chat: Chat, session: Session, request: Request, fields: dict[str, Any]
) -> Response:
    """NDJSON: ``{"id", "experimental", "reasons"}``, ``{"piece"}`` …, then ``{"done"}`` or
    ``{"error"}``."""
    turn = Turn(
        messages=conversation(fields.get("messages")),
        max_tokens=whole(fields, "max_tokens", 512, 1, MOST_TOKENS),
        temperature=number(fields, "temperature", 0.0, 0.0, 2.0),
        top_p=number(fields, "top_p", 1.0, 0.01, 1.0),
    )
    name = fields.get("model")
    if not isinstance(name, str):
        raise BadInput("expected a model's name.", field="model")
    who = session.user.name
    answer = Answer(await chat.answers.open(name, who), turn)
    return Streamed(
        _lines(chat, session, request, name, answer), "application/x-ndjson", chat.answers, who
    )


async def _lines(
    chat: Chat, session: Session, request: Request, name: str, answer: Answer
) -> AsyncIterator[bytes]:
    began = time.monotonic()
    clearance = answer.opened.clearance
    chat_answer = ChatAnswer.new(name, answer.opened.target.model_hash, answer.turn.messages)
    try:
        yield line(
            {
                "id": chat_answer.id,
                "experimental": clearance.experimental,
                "reasons": clearance.reasons,
            }
        )
        async for piece in answer.pieces(request):
            yield line({"piece": piece})
        seconds = time.monotonic() - began
        reply = answer.reply
        numbers = {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        yield line({"done": {"finish": reply.finish, "seconds": round(seconds, 3), **numbers}})
    except SentinelError as error:
        yield line({"error": str(error)})
    except Exception as error:  # the status line is sent already: the reason goes into the stream
        yield line({"error": f"the answer broke off: {type(error).__name__}."})
    finally:
        seconds = time.monotonic() - began
        chat.remember(
            session.user.name,
            chat_answer.ended(answer.text, answer.reply.completion_tokens / seconds),
        )


async def _suggestions(
    chat: Chat, session: Session, request: Request, fields: dict[str, Any]
) -> Response:
    """Held-out prompts of the model's recipe."""
    name = str(fields.get("model", ""))
    if name not in await run_in_threadpool(chat.models.names):
        raise Unknown("chat does not offer that model.", field="model")
    chosen = await run_in_threadpool(chat.suggested.of, name)
    return json_response({"suggestions": [each._asdict() for each in chosen]})


def _remembered(chat: Chat, session: Session, fields: dict[str, Any]) -> ChatAnswer:
    """An answer that this server gave to this person."""
    who, answer = chat.said.get(str(fields.get("id")), ("", None))
    if answer is None or who != session.user.name:
        raise Unknown(
            "that answer is not known here any more.",
            field="id",
            fix="Generate it again, then send it.",
        )
    return answer


async def _check(
    chat: Chat, session: Session, request: Request, fields: dict[str, Any]
) -> Response:
    """Judge an answer that this server gave, by the tests of the task whose prompt was asked."""
    answer = _remembered(chat, session, fields)
    task = fields.get("task")
    if not isinstance(task, str):
        raise BadInput("expected SUITE/ITEM.", field="task")
    return json_response(
        await run_in_threadpool(
            chat.suggested.check, answer.model, task, answer.messages, answer.text
        )
    )


async def _review(
    chat: Chat, session: Session, request: Request, fields: dict[str, Any]
) -> Response:
    """Put an answer that this server gave, to this person, into the review queue."""
    answer = _remembered(chat, session, fields)
    who = session.user.name
    note = fields.get("note", "")
    if not isinstance(note, str) or len(note) > 2000:
        raise BadInput("expected text of at most 2000 characters.", field="note")
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    came = await run_in_threadpool(
        send_to_review, chat.server.desk, answer, by=who, note=plain(note), at=now
    )
    return json_response({"sent": came.imported, "known": came.duplicates})


def main(argv: Sequence[str] | None = None) -> int:
    from .serving import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", metavar="RECIPE:STAGE")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--trusted-proxy", action="append", default=[])
    parser.add_argument("--experimental", action="store_true")
    parser.add_argument("--labelled", action="append", default=[], metavar="RECIPE/STAGE")
    args = parser.parse_args(argv)
    home = find_home()
    try:
        hosts = names(args.name, args.port)
        trusted = proxies(args.trusted_proxy)
        models = Models(
            home,
            tuple(args.models) or None,
            experimental=args.experimental,
            labelled=tuple(args.labelled),
        )
        database = Database(database_url(home.review))
        app = create_app(ReviewQueue(db=database), models, hosts)
        return serve(app, args.host, args.port, trusted=trusted)
    except SentinelError as error:
        parser.exit(error.exit_code, f"error: {visible(str(error))}\n")


if __name__ == "__main__":
    raise SystemExit(main())
