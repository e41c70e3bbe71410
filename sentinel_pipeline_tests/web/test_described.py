"""The OpenAPI descriptions of review and chat against the servers, by Schemathesis: every route is
described, and whatever is sent, answers are of the described kinds and never a 5xx."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from sentinel_pipeline.chat.guard import Clearance
from sentinel_pipeline.chat.models import Models, Opened
from sentinel_pipeline.chat.turn import Reply, Turn
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.review.blind import add_batch
from sentinel_pipeline.review.checking import Check
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home
from sentinel_pipeline.web.app import create_app as review_app
from sentinel_pipeline.web.chat import create_app as chat_app
from sentinel_pipeline.web.described import chat_description, review_description
from sentinel_pipeline.web.limits import Checks, LoginLimit
from sentinel_pipeline_tests.review.material import record, write_lines

schemathesis = pytest.importorskip("schemathesis")

HOST = "described.test:8080"
EXAMPLES = int(os.environ.get("SENTINEL_FUZZ") or 8)
PASSED = Check("pass", False, {"accepted": (True, "ok: toy")})
OPERATIONS = [
    (server, path, method)
    for server, description in (("review", review_description()), ("chat", chat_description()))
    for path, operations in description["paths"].items()
    for method in operations
]


class Toy:
    """A model that says three words."""

    model_hash = "h" * 64
    folder = Path("nowhere")

    def stream(self, turn: Turn, cancelled: threading.Event, reply: Reply) -> Iterator[str]:
        reply.prompt_tokens = 3
        reply.completion_tokens = 2
        yield from ("hello ", "\ud800 there")


class ToyModels(Models):
    """One model, always open."""

    def names(self) -> list[str]:
        return ["tiny/sft"]

    def look(self, name: str) -> Clearance:
        return Clearance(open=True, experimental=True, reasons=("a toy",))

    def states(self) -> dict[str, Clearance]:
        return {name: self.look(name) for name in self.names()}

    def open(self, name: str) -> Opened:
        if name not in self.names():
            raise BadInput("no model.", field="model")
        return Opened(Toy(), Toy(), self.look(name))  # type: ignore[arg-type]  # toys


class Person:
    """Somebody with a session, the page's token and a key."""

    def __init__(self, app: Any, desk: ReviewQueue) -> None:
        self.key = add_user(desk, "ann", "lead")
        self.http = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
        assert self.http.post("/login", data={"token": self.key}).status_code == 303
        page = self.http.get("/").text
        self.csrf = page.partition('data-csrf="')[2].partition('"')[0]

    def headers(self, path: str) -> dict[str, str]:
        if path.startswith("/v1/"):
            return {"authorization": f"Bearer {self.key}"}
        return {} if path in ("/login", "/logout") else {"x-csrf-token": self.csrf}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Person]]:
    folder = tmp_path_factory.mktemp("described")
    people = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENTINEL_HOME", str(folder))
        for name in ("review", "chat"):
            desk = ReviewQueue(db=Database(f"sqlite:///{folder / name}.sqlite"), second_share=0.3)
            rows = [record(number) for number in range(60)]
            import_file(desk, write_lines(folder / "a.jsonl", rows), actor="import")
            items = [
                {
                    "id": str(number),
                    "prompt_messages": [{"role": "user", "content": "x"}],
                    "response": "y",
                    "judge": "good",
                }
                for number in range(9)
            ]
            add_batch(desk, write_lines(folder / "b.jsonl", items), name="batch")
            hosts = frozenset({HOST})
            limit = LoginLimit(pause_s=0)
            checks = Checks(lambda card, text: PASSED)
            app = (
                review_app(desk, hosts, limit, checks)
                if name == "review"
                else chat_app(desk, ToyModels(Home(folder), None, experimental=True), hosts, limit)
            )
            people[name] = Person(app, desk)
        yield people


@pytest.mark.parametrize("server", ["review", "chat"])
def test_every_route_is_described_and_every_description_is_a_route(
    people: dict[str, Person], server: str
) -> None:
    app: Any = people[server].http.app
    routes: set[tuple[str, str]] = set()
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route)
        methods = {method.lower() for method in route.methods or ()} - {"head"}
        routes |= {(route.path, method) for method in methods}
    document = people[server].http.get("/openapi.json").json()
    described = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    assert described == routes
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("server", "path", "method"), OPERATIONS)
def test_answers_are_of_the_described_kinds(
    people: dict[str, Person], server: str, path: str, method: str
) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    person = people[server]
    document = review_description() if server == "review" else chat_description()
    operation = schemathesis.openapi.from_dict(document)[path][method.upper()]
    statuses: set[int] = set()

    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=f"http://{HOST}")
        sent["headers"] = {**(sent.get("headers") or {}), **person.headers(path)}
        for name in ("cookies", "auth", "timeout", "stream"):
            sent.pop(name, None)
        sent["headers"].pop("cookie", None)
        answer = person.http.request(**sent)
        statuses.add(answer.status_code)
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ],
        )

    tried = settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    tried(given(case=operation.as_strategy())(ask))()
    assert max(statuses) < 500


BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("review", "/api/next"): {},
    ("review", "/api/draft"): {"id": "card-000001", "text": "one"},
    ("review", "/api/check"): {"id": "card-000001", "text": "one"},
    ("review", "/api/undo"): {},
    ("chat", "/api/answer"): {"model": "tiny/sft", "messages": [{"role": "user", "content": "x"}]},
    ("chat", "/v1/chat/completions"): {
        "model": "tiny/sft",
        "messages": [{"role": "user", "content": "x"}],
    },
}


@pytest.mark.parametrize(("server", "path"), BODIES)
def test_what_works_answers_as_it_is_described(
    people: dict[str, Person], server: str, path: str
) -> None:
    import jsonschema

    person = people[server]
    answer = person.http.post(path, json=BODIES[server, path], headers=person.headers(path))
    document = person.http.get("/openapi.json").json()
    content = document["paths"][path]["post"]["responses"][str(answer.status_code)]["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    assert answer.status_code in (200, 409), answer.text
    if kind == "application/json":
        jsonschema.validate(answer.json(), content[kind]["schema"])
    assert kind in content


def test_the_log_in_and_the_log_out_go_together(people: dict[str, Person]) -> None:
    person = people["review"]
    session = TestClient(person.http.app, base_url=f"http://{HOST}", follow_redirects=False)
    assert session.post("/logout").status_code == 403
    assert session.post("/login", data={"token": person.key}).status_code == 303
    csrf = session.get("/").text.partition('data-csrf="')[2].partition('"')[0]
    assert session.post("/logout", headers={"x-csrf-token": csrf}).status_code == 200
    assert session.get("/api/recent").status_code == 401
