"""API handlers in Python and TypeScript: requests in, status and body out, by rules of which the
level is the number.

Expected responses come from ``respond`` below, never from running the reference's text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any, NamedTuple

from ...records import PythonTests, ScriptTests, Verifier
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (1, 6)
Request = tuple[str, str, Any]
Response = tuple[int, Any]


class Rule(NamedTuple):
    """A rule in words and as a branch of each language; ``{p}`` is the collection, ``{k}`` a
    constant."""

    words: str
    python: str
    script: str


RULES: dict[str, Rule] = {
    "name": Rule(
        'POST /{p} whose body has no "name": 400 and {{"error": "name"}}',
        'if method == "POST" and path == "/{p}" and "name" not in body:\n            return 400, {{"error": "name"}}',
        'if (method === "POST" && path === "/{p}" && !("name" in body)) return [400, {{ error: "name" }}];',
    ),
    "full": Rule(
        'POST /{p} when there are {k} items: 409 and {{"error": "full"}}',
        'if method == "POST" and path == "/{p}" and len(items) >= {k}:\n            return 409, {{"error": "full"}}',
        'if (method === "POST" && path === "/{p}" && items.size >= {k}) return [409, {{ error: "full" }}];',
    ),
    "list": Rule(
        "GET /{p}: 200 and the names of all items in the order of their ids",
        'if method == "GET" and path == "/{p}":\n            return 200, [item["name"] for item in items.values()]',
        'if (method === "GET" && path === "/{p}") return [200, [...items.values()].map((item) => item.name)];',
    ),
    "total": Rule(
        'GET /{p}/total: 200 and {{"total": the sum of the items\' counts}}',
        'if method == "GET" and path == "/{p}/total":\n'
        '            return 200, {{"total": sum(item["count"] for item in items.values())}}',
        'if (method === "GET" && path === "/{p}/total") '
        "return [200, {{ total: [...items.values()].reduce((sum, item) => sum + item.count, 0) }}];",
    ),
    "get": Rule(
        "GET /{p}/ID: 200 and the item with that id",
        'if method == "GET" and key in items:\n            return 200, dict(items[key])',
        'if (method === "GET" && items.has(key)) return [200, {{ ...items.get(key) }}];',
    ),
    "delete": Rule(
        "DELETE /{p}/ID: removes the item; 204 and null",
        'if method == "DELETE" and key in items:\n            del items[key]\n            return 204, None',
        'if (method === "DELETE" && items.has(key)) {{ items.delete(key); return [204, null]; }}',
    ),
    "update": Rule(
        'PUT /{p}/ID with {{"count"}}: sets the item\'s count; 200 and the item',
        'if method == "PUT" and key in items:\n            items[key]["count"] = body["count"]\n'
        "            return 200, dict(items[key])",
        'if (method === "PUT" && items.has(key)) {{ items.get(key).count = body.count; return [200, {{ ...items.get(key) }}]; }}',
    ),
}
_PYTHON = """def handle(requests):
    items = {{}}
    made = [0]

    def respond(method, path, body):
        key = path.removeprefix("/{p}/")
        {rules}
        if method == "POST" and path == "/{p}":
            made[0] += 1
            item = {{"id": made[0], "name": body["name"], "count": body["count"]}}
            items[str(made[0])] = item
            return 201, dict(item)
        return 404, None

    return [list(respond(*request)) for request in requests]"""
_SCRIPT = """function handle(requests: [string, string, any][]): [number, any][] {{
  const items = new Map<string, any>();
  let made = 0;
  function respond(method: string, path: string, body: any): [number, any] {{
    const key = path.startsWith("/{p}/") ? path.slice("/{p}/".length) : path;
    {rules}
    if (method === "POST" && path === "/{p}") {{
      made += 1;
      const item = {{ id: made, name: body.name, count: body.count }};
      items.set(String(made), item);
      return [201, {{ ...item }}];
    }}
    return [404, null];
  }}
  return requests.map(([method, path, body]) => respond(method, path, body));
}}"""


def respond(requests: Iterable[Request], rules: list[str], p: str, k: int) -> list[Response]:
    """What a handler of these rules answers."""
    items: dict[str, dict[str, Any]] = {}
    responses: list[Response] = []
    number = 0
    for method, path, body in requests:
        item = items.get(path.removeprefix(f"/{p}/"))
        response: Response = (404, None)
        if (method, path) == ("POST", f"/{p}"):
            if "name" in rules and "name" not in body:
                response = (400, {"error": "name"})
            elif "full" in rules and len(items) >= k:
                response = (409, {"error": "full"})
            else:
                number += 1
                items[str(number)] = {"id": number} | body
                response = (201, dict(items[str(number)]))
        elif (method, path) == ("GET", f"/{p}") and "list" in rules:
            response = (200, [each["name"] for each in items.values()])
        elif (method, path) == ("GET", f"/{p}/total") and "total" in rules:
            response = (200, {"total": sum(each["count"] for each in items.values())})
        elif item is not None and method == "GET" and "get" in rules:
            response = (200, dict(item))
        elif item is not None and method == "DELETE" and "delete" in rules:
            del items[str(item["id"])]
            response = (204, None)
        elif item is not None and method == "PUT" and "update" in rules:
            item["count"] = body["count"]
            response = (200, dict(item))
        responses.append(response)
    return responses


def sessions(rules: list[str], p: str, k: int, rng: Random) -> list[list[Request]]:
    """Requests in which every rule has something to say, and what no rule allows."""
    every = []
    for _ in range(3):
        requests: list[Request] = [("GET", f"/{p}", None), ("GET", f"/{p}/total", None)]
        for _ in range(k + 1):
            body = {"name": rng.choice(WORDS), "count": rng.randint(1, 40)}
            requests.append(("POST", f"/{p}", body))
            if "name" in rules and rng.random() < 0.5:
                requests.append(("POST", f"/{p}", {"count": rng.randint(1, 9)}))
        for _ in range(6):
            key = rng.randint(1, k + 2)
            method = rng.choice(("GET", "DELETE", "PUT"))
            requests.append(
                (method, f"/{p}/{key}", {"count": rng.randint(41, 90)} if method == "PUT" else None)
            )
        # Whatever was drawn: one of each, of an item that is there in the beginning.
        requests += [("PUT", f"/{p}/1", {"count": 7}), ("GET", f"/{p}/1", None)]
        requests += [("GET", f"/{p}", None), ("GET", f"/{p}/total", None)]
        requests += [("DELETE", f"/{p}/2", None), ("GET", f"/{p}", None)]
        requests += [("PATCH", f"/{p}/1", None), ("GET", "/other", None)]
        every.append(requests)
    return [*every, []]


def draw(level: int, rng: Random) -> list[str]:
    return sorted(rng.sample(sorted(RULES), level), key=list(RULES).index)


def generate(composition: str, rng: Random) -> Draft:
    _, kind, rules = parted(composition)
    p = f"{rng.choice(WORDS)}s"
    k = rng.randint(2, 4)
    words = [RULES[rule].words.format(p=p, k=k) for rule in rules]
    words.append(
        f'POST /{p} with {{"name", "count"}}: makes an item with the next id, from 1; 201 and {{"id", "name", "count"}}'
    )
    words.append("anything else: 404 and null")
    language = "TypeScript" if kind == "typescript" else "Python"
    empty = "null" if kind == "typescript" else "None for null"
    prompt = (
        f"Write a {language} function handle(requests), the handler of a small API. Each request is [method, path, body], the body "
        f"an object or null. It returns a list of [status, body], {empty}, one for each request, and begins without items. "
        "The first rule that applies answers:\n" + "\n".join(f"- {rule}" for rule in words)
    )
    calls = [(requests, respond(requests, rules, p, k)) for requests in sessions(rules, p, k, rng)]
    verifier: Verifier
    if kind == "typescript":
        branches = "\n    ".join(RULES[rule].script.format(p=p, k=k) for rule in rules)
        code = _SCRIPT.format(p=p, rules=branches)
        lines = ["import { strict as assert } from 'node:assert';"]
        lines += [
            f"assert.deepEqual(handle({json.dumps(requests)}), {json.dumps(responses)});"
            for requests, responses in calls
        ]
        verifier = ScriptTests(tests="\n".join(lines) + "\n", entry_point="handle")
    else:
        branches = "\n        ".join(RULES[rule].python.format(p=p, k=k) for rule in rules)
        code = _PYTHON.format(p=p, rules=branches)
        tests = "\n".join(
            f"assert handle({[list(request) for request in requests]}) == {[list(response) for response in responses]}"
            for requests, responses in calls
        )
        verifier = PythonTests(tests=tests, entry_point="handle")
    return Draft(ask(prompt), code, verifier)


FAMILY = Family(
    "handlers",
    "executable_code",
    compositions("handlers", LEVELS, ("python", "typescript"), draw),
    generate,
    levels=LEVELS,
)
