"""What the review and chat servers offer, as OpenAPI 3.1: each serves its own under
``/openapi.json``, without a log-in.

The descriptions are written beside the routes and tried against them: every route is described,
every description is a route, and answers are of the kinds that are described. What this module does
not do: check a request (the handlers read their fields).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..records.messages import ROLES
from ..records.sft_candidate import STATUSES
from ..review.cards import BANDS, PLACES
from ..review.decisions import DECISIONS
from .answering import MOST_CHARACTERS, MOST_MESSAGES, MOST_TOKENS
from .guard import BODIES, CHEAP, COOKIE, json_response

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_NAME: Schema = {"type": "string", "maxLength": 200}
_CORRECTION: Schema = {"type": "string", "maxLength": 2**21}
_VERSION: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}


def describes(description: Callable[[], Schema]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a description."""
    document = description()

    async def endpoint(_: Request) -> Response:
        return json_response(document)

    return endpoint


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _object(fields: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required}


_TURN = _object({"role": {"enum": list(ROLES)}, "content": _TEXT})
_FILTERS: dict[str, Schema] = {
    "place": {"enum": list(PLACES)},
    "score": {"enum": ["", *BANDS]},
    **dict.fromkeys(("run", "model", "task_type", "status", "text", "recipe"), _NAME),
}
_TEXTS_OF_CARD = (
    "id", "failure_reason", "task_id", "task_type", "task_name", "model_id", "model_name", "source",
    "timestamp", "run", "response",
)  # fmt: skip
_CARD = _object(
    {
**dict.fromkeys(_TEXTS_OF_CARD, _TEXT),
        "status": {"enum": list(STATUSES)},
        "version": _WHOLE,
        "correction": _nullable(_TEXT),
        "checked": _nullable(_TEXT),
        "draft": _nullable(_TEXT),
        "lease_by": _nullable(_TEXT),
        "lease_until": _NUMBER,
        "decided_by": _nullable(_TEXT),
        "decided_at": _nullable(_NUMBER),
        "second": _nullable(_TEXT),
        "blind": _FLAG,
        "prompt": _list(_object({**_TURN["properties"], "content_length": _WHOLE})),
        "response_length": _WHOLE,
        "quality": _nullable(_NUMBER),
        "band": {"enum": [*BANDS, "none"]},
        "tokens_per_sec": _nullable(_NUMBER),
        "suite": _nullable(_TEXT),
        "family": _nullable(_TEXT),
        "tests": _FLAG,
        "recipes": _list(_TEXT),
        "extra": _list(_object({"name": _TEXT, "value": _TEXT})),
        "mine": _FLAG,
    }
)  # fmt: skip
_LINE = _object(
    {
        **dict.fromkeys(("id", "task_id", "task_type", "model_id", "failure_class"), _TEXT),
        "status": {"enum": list(STATUSES)},
        "quality": _nullable(_NUMBER),
        "decided_by": _nullable(_TEXT),
        "lease_by": _nullable(_TEXT),
        "version": _WHOLE,
    }
)
_EVENT = _object(
    {
        "id": _WHOLE,
        "at": _NUMBER,
        "actor": _TEXT,
        "action": _TEXT,
        "card_id": _nullable(_TEXT),
        "undone": _FLAG,
        "detail": _OBJECT,
    }
)
_MADE = _object({"card_id": _TEXT, "status": _TEXT, "version": _WHOLE, "second": _nullable(_TEXT)})
_CHECK = _object(
    {
        "outcome": {"enum": ["pass", "fail", "infra"]},
        "tested": _FLAG,
        "reason": _TEXT,
        "labels": _list(_object({"name": _TEXT, "value": _nullable(_FLAG), "reason": _TEXT})),
    }
)
_ONE_CARD = _object({"card": _nullable(_CARD)})
_STATE = _object({"name": _TEXT, "open": _FLAG, "experimental": _FLAG, "reasons": _list(_TEXT)})
_ERROR = _object({"error": _TEXT, "kind": _TEXT})
_API_ERROR = _object(
    {
        "error": _object(
            {
                "message": _TEXT,
                "type": _TEXT,
                "param": _nullable(_TEXT),
                "code": _nullable(_TEXT),
            }
        )
    }
)
_PLAIN: Schema = {"text/plain": {"schema": _TEXT}}
_PAGE: Schema = {"text/html": {"schema": _TEXT}}
_STATUS_WORDS = {
    200: "Done.",
    303: "Go on to the address in Location.",
    400: "The request is malformed.",
    401: "Nobody is logged in, or the key is wrong.",
    403: "Not for this person, without the page's token, or from another site.",
    404: "There is no such thing.",
    408: "The body came too slowly.",
    409: "Somebody else was faster.",
    413: "The body is too large.",
    421: "The server does not go by that name.",
    422: "The rules forbid it.",
    429: "Too much at once: wait as Retry-After says.",
    503: "The machine failed, or chat is closed: try again.",
}


def _answers(statuses: dict[int, Schema]) -> Schema:
    named = {421: _PLAIN, **statuses}
    return {
        str(status): {
            "description": _STATUS_WORDS[status],
            **({"content": content} if content else {}),
        }
        for status, content in sorted(named.items())
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _reading(
    name: str, what: str, fields: dict[str, Schema], result: Schema, **more: Any
) -> Schema:
    """One ``GET`` of a page's requests."""
    refused = _json(_ERROR)
    return {
        "operationId": name,
        "summary": what,
        "security": [{"session": []}],
        "parameters": [
            {
                "name": field,
                "in": "query",
                "schema": schema,
                "required": field in more.get("required", ()),
            }
            for field, schema in fields.items()
        ],
        "responses": _answers({200: _json(result), **dict.fromkeys((400, 401, 404, 503), refused)}),
    }


def _writing(
    path: str, name: str, what: str, body: Schema, result: Schema, *, content: Schema | None = None
) -> Schema:
    """One ``POST`` of a page's requests."""
    refused = _json(_ERROR)
    statuses: dict[int, Schema] = dict.fromkeys(
        (400, 401, 404, 408, 409, 413, 422, 429, 503), refused
    )
    return {
        "operationId": name,
        "summary": f"{what} The body has at most {BODIES.get(path, CHEAP):,} bytes.",
        "security": [{"session": [], "token": []}],
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _answers({200: content or _json(result), 403: refused | _PLAIN, **statuses}),
    }


def _paged(name: str, what: str, *, path: tuple[str, ...] = ()) -> Schema:
    """A page: HTML, or the way to the log-in."""
    return {
        "get": {
            "operationId": name,
            "summary": what,
            "security": [{"session": []}],
            "parameters": [
                {
                    "name": field,
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "minLength": 1},
                }
                for field in path
            ],
            "responses": _answers(
                {
                    200: _PAGE,
                    303: {},
                    400: _PAGE,
                    403: _PAGE,
                    404: _PAGE | _PLAIN,
                    503: _PAGE | _json(_ERROR),
                }
            ),
        }
    }


def _shared(title: str, paths: dict[str, Schema]) -> Schema:
    """What both servers have: the log-in, the log-out, health, the description itself."""
    refused = _json(_ERROR)
    form = {"application/x-www-form-urlencoded": {"schema": _object({"token": _TEXT})}}
    login = {
        "get": {
            "operationId": "login_page",
            "summary": "The page for the log-in.",
            "responses": _answers({200: _PAGE}),
        },
        "post": {
            "operationId": "login",
            "summary": f"A token for a session. The body has at most {BODIES['/login']:,} bytes.",
            "requestBody": {"required": True, "content": form},
            "responses": _answers(
                {
                    303: {}, 400: _PAGE, 403: _PAGE | _PLAIN, 408: _PAGE, 413: _PAGE, 429: _PAGE,
                    503: refused,
                }
            ),
        },
    }  # fmt: skip
    logout = {
        "post": {
            "operationId": "logout",
            "summary": "End the session.",
            "security": [{"session": [], "token": []}],
            "responses": _answers({200: _json(_OBJECT), 403: refused | _PLAIN, 503: refused}),
        }
    }
    described = {
        "get": {
            "operationId": "description",
            "summary": "This description.",
            "responses": _answers({200: _json(_OBJECT)}),
        }
    }
    health = {
        "get": {
            "operationId": "health",
            "summary": "Whether the server is up.",
            "responses": _answers({200: _PLAIN}),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "components": {
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "token": {"type": "apiKey", "in": "header", "name": "x-csrf-token"},
                "key": {"type": "http", "scheme": "bearer"},
            }
        },
        "paths": {
            "/login": login,
            "/logout": {**logout},
            "/healthz": health,
            "/openapi.json": described,
            **paths,
        },
    }


def review_description() -> Schema:
    """The review server."""
    card = {"id": _NAME}
    whole_text = {
        "get": {
            "operationId": "response",
            "summary": "A card's whole response as plain text.",
            "security": [{"session": []}],
            "parameters": [
                {"name": "card", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            ],
            "responses": _answers(
                {
                    200: _PLAIN, 303: {}, 404: _json(_ERROR) | _PLAIN, 429: _json(_ERROR),
                    503: _json(_ERROR),
                }
            ),
        }
    }  # fmt: skip
    choices = _object({name: _list(_TEXT) for name in ("run", "model", "task_type", "recipe")})
    item = _object(
        {
            "seq": _WHOLE,
            "batch": _TEXT,
            "messages": _list(_TURN),
            "response": _TEXT,
            "done": _WHOLE,
            "total": _WHOLE,
        }
    )
    batch = _object({"item": _nullable(item), "labels": _list(_TEXT)})
    recent = _object(
        {"card_id": _TEXT, "action": _TEXT, "status": _TEXT, "at": _NUMBER, "task_id": _TEXT}
    )
    around = _object(
        {
            "similar": _list(_LINE),
            "history": _list(_EVENT),
            "opinions": _list(_object({"who": _TEXT, "status": _TEXT})),
        }
    )
    counts = ("pending", "drafts", "done", "second", "disputed", "mine_today", "mine")
    decided = _object(
        {
            "id": _NAME,
            "version": _VERSION,
            "decision": {"enum": list(DECISIONS)},
            "text": _CORRECTION,
            "change": _FLAG,
        },
        optional=("text", "change"),
    )
    signed = _object(
        {
            "recipe": _NAME,
            "subject_hash": _NAME,
            "verdict": {"enum": ["pass", "fail"]},
            "note": {"type": "string", "maxLength": 400},
        },
        optional=("note",),
    )
    reading = {
        "recent": _reading("recent", "The person's last decisions.", {}, _object({"recent": _list(recent)})),
        "list": _reading("list", "Cards in a place of the queue.", _FILTERS, _object({"cards": _list(_LINE)})),
        "around": _reading("around", "What stands beside a card.", card, around, required=("id",)),
        "choices": _reading("choices", "What the filters can be set to.", {}, _object({"choices": choices})),
        "progress": _reading("progress", "Counts for the page.", {}, _object(dict.fromkeys(counts, _WHOLE))),
        "blind": _reading("blind_next", "The next item to label blind.", {"batch": _NAME}, batch, required=("batch",)),
    }  # fmt: skip
    text = _object({"id": _NAME, "text": _CORRECTION})
    writing = {
        "next": ("next", "Take the next card.", _object(_FILTERS, optional=tuple(_FILTERS)), _ONE_CARD),
        "open": ("open", "Open a card.", _object(card), _ONE_CARD),
        "renew": ("renew", "Stay with a card.", _object(card), _object({"lease_until": _NUMBER})),
        "skip": ("skip", "Let a card go.", _object(card), _OBJECT),
        "draft": ("draft", "Keep a text.", text, _object({"saved_at": _NUMBER})),
        "check": ("check", "Check a text; one at a time for each person.", text, _CHECK),
        "decide": ("decide", "Decide a card.", decided, _object({"made": _MADE})),
        "undo": ("undo", "Take the last decision back.", _OBJECT, _ONE_CARD),
        "blind": ("blind_label", "Label an item blind.", _object({"item": _VERSION, "label": _NAME}), _OBJECT),
        "sign": ("sign", "Sign a gap proof.", signed, _object({"verdict": _TEXT, "reason": _TEXT})),
    }  # fmt: skip
    paths: dict[str, Schema] = {
        "/": _paged("queue", "The card page."),
        "/summary": _paged("summary", "Counts by model, task and failure."),
        "/people": _paged("people", "Who may log in; for leads."),
        "/trail": _paged("trail", "Who did what; for leads."),
        "/blind": _paged("blind_batches", "Batches of blind labels."),
        "/blind/{batch}": _paged("blind_batch", "One batch.", path=("batch",)),
        "/gap": _paged("gap", "Gap proofs to sign."),
        "/response/{card}": whole_text,
        **{f"/api/{name}": {"get": operation} for name, operation in reading.items()},
    }
    for name, arguments in writing.items():
        path = f"/api/{name}"
        paths[path] = paths.get(path, {}) | {"post": _writing(path, *arguments)}
    return _shared("sentinel review", paths)


def chat_description() -> Schema:
    """The chat server."""
    turns = {
        "type": "array",
        "items": _TURN,
        "minItems": 1,
        "maxItems": MOST_MESSAGES,
        "description": f"At most {MOST_CHARACTERS:,} characters; the last turn is the user's.",
    }
    tokens = {"type": "integer", "minimum": 1, "maximum": MOST_TOKENS}
    temperature = {"type": "number", "minimum": 0, "maximum": 2}
    asked_for = _object(
        {
            "model": _TEXT,
            "messages": turns,
            "max_tokens": tokens,
            "temperature": temperature,
            "top_p": {"type": "number", "minimum": 0.01, "maximum": 1},
        },
        optional=("max_tokens", "temperature", "top_p"),
    )
    completion = _object(
        {
            "model": _TEXT,
            "messages": turns,
            "max_tokens": tokens,
            "max_completion_tokens": tokens,
            "temperature": temperature,
            "top_p": {"type": "number", "minimum": 0, "maximum": 1},
            "seed": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
            "stop": {"anyOf": [_TEXT, {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 4}]},
            "stream": _FLAG,
            "stream_options": _object({"include_usage": _FLAG}, optional=("include_usage",)),
        },
        optional=("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop", "stream", "stream_options"),
    )  # fmt: skip
    choice = _object(
        {
            "index": _WHOLE,
            "message": _object({"role": {"const": "assistant"}, "content": _TEXT}),
            "finish_reason": {"enum": ["stop", "length"]},
        }
    )
    completed = _object(
        {
            "id": _TEXT,
            "object": {"const": "chat.completion"},
            "created": _WHOLE,
            "model": _TEXT,
            "choices": _list(choice),
            "usage": _OBJECT,
            "sentinel": _object({"experimental": _FLAG, "reasons": _list(_TEXT)}),
        }
    )
    refused = _json(_API_ERROR)
    models = _object(
        {
            "object": {"const": "list"},
            "data": _list(
                _object({"id": _TEXT, "object": {"const": "model"}, "created": _WHOLE, "owned_by": _TEXT, "sentinel": _OBJECT})
            ),
        }
    )  # fmt: skip
    note = _object({"id": _TEXT, "note": {"type": "string", "maxLength": 2000}}, optional=("note",))
    sent = _object({"sent": _WHOLE, "known": _WHOLE})
    suggestion = _object({"id": _TEXT, "family": _TEXT, "text": _TEXT})
    task = _object({"id": _TEXT, "task": _TEXT})
    checked = _object(
        {"outcome": {"enum": ["pass", "fail", "infra"]}, "reason": _TEXT, "reference": _TEXT}
    )
    lines = {"application/x-ndjson": {"schema": _TEXT}}
    paths: dict[str, Schema] = {
        "/": _paged("chat", "The chat page."),
        "/api/status": {
            "get": _reading("status", "How things stand with each model.", {}, _object({"models": _list(_STATE)}))
        },
        "/api/answer": {
            "post": _writing(
                "/api/answer", "answer", "An answer, line by line as JSON.", asked_for, _TEXT, content=lines
            )
        },
        "/api/suggestions": {
            "get": _reading(
                "suggestions", "Held-out prompts of a model's recipe.", {"model": _NAME},
                _object({"suggestions": _list(suggestion)}), required=("model",),
            )
        },
        "/api/check": {
            "post": _writing("/api/check", "check", "Judge an answer by the tests of the task that it is to.", task, checked)
        },
        "/api/review": {
            "post": _writing("/api/review", "review", "Put an answer into the review queue.", note, sent)
        },
        "/v1/models": {
            "get": {
                "operationId": "models",
                "summary": "The models, as OpenAI's API lists them.",
                "security": [{"key": []}],
                "responses": _answers(
                    {200: _json(models), 401: refused, 429: refused, 503: refused}
                ),
            }
        },
        "/v1/chat/completions": {
            "post": {
                "operationId": "complete",
                "summary": "An answer, as OpenAI's API gives it; whole, or as events. The body has "
                f"at most {BODIES['/v1/chat/completions']:,} bytes.",
                "security": [{"key": []}],
                "requestBody": {"required": True, "content": _json(completion)},
                "responses": _answers(
                    {
                        200: _json(completed) | {"text/event-stream": {"schema": _TEXT}},
                        403: _PLAIN,
                        **dict.fromkeys((400, 401, 404, 408, 413, 429, 503), refused),
                    }
                ),
            }
        },
    }  # fmt: skip
    return _shared("sentinel chat", paths)
