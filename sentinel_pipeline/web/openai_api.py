"""``/v1/models`` and ``/v1/chat/completions`` as OpenAI's API has them: keys are people's tokens,
errors have its shape.

What is not offered (tools, several choices, log-probabilities) is refused by name, never ignored.
Each answer says under ``sentinel`` whether the checkpoint is experimental, and why. What this
module does not do: decide whether chat is open.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..chat.turn import Turn
from ..errors import BadInput, GateRefused, Infrastructure, SentinelError
from ..review.review_queue import User
from ..review.users import user_of_token
from .answering import MOST_TOKENS, Answer, ReviewQueue, Streamed, conversation, number, whole
from .guard import BadBody, json_response, read_object
from .limits import Busy
from .login import Endpoint, Server, address_of

_READ = {"model", "messages", "stream", "stream_options", "temperature", "top_p", "seed", "stop", "max_tokens",
         "max_completion_tokens"}  # fmt: skip
_WITHOUT_EFFECT = {"user", "metadata", "store"}
_NEUTRAL: dict[str, Any] = {"n": 1}
"""Values that ask for nothing; for every other field: null, false, 0 and what is empty."""
MOST_STOPS = 4


class Problem(NamedTuple):
    """An error as the API tells it."""

    status: int
    message: str
    kind: str
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    def response(self) -> Response:
        return json_response({"error": self.told()}, self.status, self.retry_after)

    def told(self) -> dict[str, Any]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request, read."""

    model: str
    turn: Turn
    stops: tuple[str, ...]
    stream: bool
    usage: bool
    """The stream ends with a chunk that counts tokens."""


def routes(server: Server, answers: ReviewQueue) -> list[Route]:
    """The API's routes."""
    return [
        Route("/v1/models", _keyed(server, answers, _models)),
        Route("/v1/chat/completions", _keyed(server, answers, _complete), methods=["POST"]),
    ]


def _keyed(server: Server, answers: ReviewQueue, handler: Any) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        user = await _user(server, request)
        if isinstance(user, Problem):
            return user.response()
        try:
            response: Response = await handler(server, answers, request, user.name)
            return response
        except (BadBody, Busy, SentinelError) as error:
            return _problem(error).response()

    return endpoint


async def _user(server: Server, request: Request) -> User | Problem:
    """Whose key it is. Wrong ones are counted after they turned out to be wrong: a right one always
    enters."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    user = (
        await run_in_threadpool(user_of_token, server.desk, key.strip())
        if scheme.lower() == "bearer"
        else None
    )
    if user is not None:
        return user
    wait = math.ceil(server.limit.failed(address_of(request))) if key else 0
    if wait > 0:
        await server.limit.pause()
        message = f"No valid key, as several before it: wait {wait} seconds."
        return Problem(429, message, "requests", code="rate_limit_exceeded", retry_after=wait)
    message = "No valid key: send a person's token (sentinel review user add NAME) as 'Authorization: Bearer …'."
    return Problem(401, message, "invalid_request_error", code="invalid_api_key")


def _problem(error: Exception) -> Problem:
    if isinstance(error, Busy):
        return Problem(
            429, str(error), "requests", code="rate_limit_exceeded", retry_after=error.retry_after
        )
    if isinstance(error, GateRefused):
        return Problem(503, f"Chat is closed: {error}", "server_error", code="chat_closed")
    if isinstance(error, BadInput) and error.field == "model":
        return Problem(404, str(error), "invalid_request_error", "model", "model_not_found")
    if isinstance(error, BadInput):
        return Problem(400, str(error), "invalid_request_error", error.field)
    if isinstance(error, BadBody):
        return Problem(error.status, str(error), "invalid_request_error")
    if isinstance(error, Infrastructure):
        return Problem(503, str(error), "server_error")
    return Problem(500, f"The answer broke off: {type(error).__name__}.", "server_error")


async def _models(server: Server, answers: ReviewQueue, request: Request, who: str) -> Response:
    return json_response({"object": "list", "data": await run_in_threadpool(_listed, answers)})


def _listed(answers: ReviewQueue) -> list[dict[str, Any]]:
    head = {"object": "model", "created": 0, "owned_by": "sentinel"}
    states = answers.models.states()
    return [{"id": name, **head, "sentinel": look.to_json()} for name, look in states.items()]


def read(body: dict[str, Any]) -> Wanted:
    """A request's body.

    Raises:
        BadInput: a field is malformed, or asks for what is not offered.
    """
    for name in body.keys() - _READ - _WITHOUT_EFFECT:
        if body[name] and body[name] != _NEUTRAL.get(name):
            raise BadInput("is not offered here.", field=name[:80], fix="Leave it out.")
    if not isinstance(body.get("model"), str):
        raise BadInput("expected a model's name.", field="model")
    options = body.get("stream_options") or {}
    if not isinstance(options, dict) or not isinstance(body.get("stream") or False, bool):
        raise BadInput("stream is true or false, stream_options an object.", field="stream")
    most = (
        "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    )
    seed = None if body.get("seed") is None else whole(body, "seed", 0, -(2**63), 2**63 - 1)
    turn = Turn(
        messages=conversation(_plain_messages(body.get("messages"))),
        max_tokens=whole(body, most, 512, 1, MOST_TOKENS),
        temperature=number(body, "temperature", 1.0, 0.0, 2.0),
        top_p=number(body, "top_p", 1.0, 0.0, 1.0) or 0.01,
        seed=seed,
    )
    return Wanted(
        model=body["model"], turn=turn, stops=_stops(body.get("stop")), stream=bool(body.get("stream")),
        usage=bool(options.get("include_usage")),
    )  # fmt: skip


def _plain_messages(value: Any) -> Any:
    """Contents in parts are joined where every part is text; what else is wrong is for
    ``conversation`` to say."""
    if not isinstance(value, list):
        return value
    messages = []
    for turn in value:
        if isinstance(turn, dict) and isinstance(turn.get("content"), list):
            parts = turn["content"]
            if not all(
                isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts
            ):
                raise BadInput(
                    "only text is understood.", field="messages", fix="Leave out images and sound."
                )
            turn = {**turn, "content": "".join(part["text"] for part in parts)}
        messages.append(
            {**turn, "role": "system"}
            if isinstance(turn, dict) and turn.get("role") == "developer"
            else turn
        )
    return messages


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(s, str) and s for s in stops)
    ):
        raise BadInput(f"expected at most {MOST_STOPS} texts.", field="stop")
    return tuple(stops)


async def _complete(server: Server, answers: ReviewQueue, request: Request, who: str) -> Response:
    completion = read(await read_object(request, server.bodies, who))
    answer = Answer(await answers.open(completion.model, who), completion.turn)
    sent = _Said(completion, answer)
    if completion.stream:
        return Streamed(_events(request, sent), "text/event-stream", answers, who)
    try:
        text = "".join([piece async for piece in sent.pieces(request)])
    finally:
        answers.close(who)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
    }
    return json_response(
        sent.head("chat.completion")
        | {"choices": [choice | {"finish_reason": sent.finish()}], "usage": sent.usage()}
    )


class _Said:
    """One completion: its head, its text up to a stop, its counts."""

    def __init__(self, request: Wanted, answer: Answer) -> None:
        self.wanted = request
        self.answer = answer
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.stopped = False

    def head(self, kind: str) -> dict[str, Any]:
        now = self.answer.opened.clearance
        target = self.answer.opened.target
        return {
            "id": self.id, "object": kind, "created": self.created, "model": self.wanted.model,
            "system_fingerprint": target.model_hash[:16],
            "sentinel": {"experimental": now.experimental, "reasons": list(now.reasons)},
        }  # fmt: skip

    async def pieces(self, request: Request) -> AsyncIterator[str]:
        """The text before the first stop; what may be the start of one is held back until it is
        decided."""
        pending = ""
        hold = max((len(stop) for stop in self.wanted.stops), default=1) - 1
        async for piece in self.answer.pieces(request):
            if self.stopped:
                continue  # only for the counts, which come at the end
            pending += piece
            ends = [at for stop in self.wanted.stops if (at := pending.find(stop)) >= 0]
            if ends:
                self.stopped = True
                pending = pending[: min(ends)]
                self.answer.cancelled.set()
            ready = len(pending) if self.stopped else max(0, len(pending) - hold)
            if ready:
                yield pending[:ready]
            pending = pending[ready:]
        if pending and not self.stopped:
            yield pending

    def finish(self) -> str:
        return "length" if self.answer.reply.finish == "length" and not self.stopped else "stop"

    def usage(self) -> dict[str, int]:
        prompt_tokens = self.answer.reply.prompt_tokens
        completion_tokens = self.answer.reply.completion_tokens
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }


async def _events(request: Request, reply: _Said) -> AsyncIterator[bytes]:
    head = reply.head("chat.completion.chunk") | ({"usage": None} if reply.wanted.usage else {})

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _event(
            head
            | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        )

    try:
        yield chunk({"role": "assistant", "content": ""})
        async for piece in reply.pieces(request):
            yield chunk({"content": piece})
        yield chunk({}, reply.finish())
        if reply.wanted.usage:
            yield _event(head | {"choices": [], "usage": reply.usage()})
    except Exception as error:  # the status line is sent already: the error goes into the stream
        yield _event({"error": _problem(error).told()})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, allow_nan=False).encode() + b"\n\n"
