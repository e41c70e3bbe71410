"""Multi-step tool use: what earlier calls gave stands in the conversation, and the calls that
follow from it are asked for, in order. File search, terminal work, and restarts of a failed
deployment. The level is how many calls the answer takes beside the last.

No tool is ever called: results are drawn, and the calls follow from them by the request's own
rules.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from ...records import FunctionCalls, Message
from ..families.family import Draft, Family
from .material import WORDS, compositions, parted

LEVELS = (1, 8)
Call = tuple[str, dict[str, Any]]
FUNCTIONS: dict[str, dict[str, str]] = {
    "search": {"word": "string"},
    "move": {"path": "string", "folder": "string"},
    "report": {"count": "integer"},
    "services": {},
    "restart": {"service": "string"},
    "check": {"service": "string"},
    "list": {"folder": "string"},
    "run": {"command": "string"},
}
OFFERED = {
    "find": ("search", "move", "report"),
    "deploy": ("services", "restart", "check"),
    "terminal": ("list", "run", "report"),
}


def draw(level: int, rng: Random) -> list[str]:
    """What is between the results that count: how many there are that do not."""
    return [str(rng.randint(1, 6)), rng.choice(("plain", "mixed", "far"))]


def generate(composition: str, rng: Random) -> Draft:
    level, kind, (others, order) = parted(composition)
    words = rng.sample(WORDS, level + int(others) + 2)
    last = words.pop()
    word = words.pop()
    chosen = words[:level]
    rest = words[level:]
    shown = [*chosen, *rest]
    if order != "plain":
        rng.shuffle(shown)
    if kind == "find":
        request, first, result, calls = _find(word, last, shown, set(chosen), rng)
    elif kind == "deploy":
        request, first, result, calls = _deploy(chosen, rest, rng)
    else:
        request, first, result, calls = _terminal(word, shown, set(chosen), rng)
    names = OFFERED[kind]
    signatures = ", ".join(f"{name}({', '.join(FUNCTIONS[name])})" for name in names)
    turns = [
        Message("user", f"You have these functions: {signatures}. {request}"),
        Message("assistant", _text([first])),
        Message("user", f"Result: {result}"),
    ]
    if order == "far":
        # Something else comes between the result and the calls.
        turns += [
            Message("assistant", "I have the result."),
            Message("user", "Go on, with all calls that are left at once."),
        ]
    functions = [
        {
            "name": name,
            "parameters": {
                "type": "dict",
                "properties": {field: {"type": type_} for field, type_ in FUNCTIONS[name].items()},
                "required": list(FUNCTIONS[name]),
            },
        }
        for name in names
    ]
    expected = [
        {name: {field: [value] for field, value in arguments.items()}} for name, arguments in calls
    ]
    verifier = FunctionCalls(
        functions=json.dumps(functions), expected=json.dumps(expected), ordered=True
    )
    return Draft(tuple(turns), _text(calls), verifier)


def _text(calls: list[Call]) -> str:
    objects = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return json.dumps(objects if len(objects) > 1 else objects[0])


Workflow = tuple[str, Call, str, list[Call]]
"""The request, the call that was made, its result, and the calls that follow."""


def _find(word: str, folder: str, shown: list[str], chosen: set[str], rng: Random) -> Workflow:
    sizes = {name: rng.randint(20, 99) if name in chosen else rng.randint(1, 9) for name in shown}
    listing = "; ".join(f"src/{name}.txt ({size} lines)" for name, size in sizes.items())
    request = (
        f"Search for {word}, move every file of at least 10 lines that holds it to the folder {folder}, in the order of the "
        "result, and then report how many you moved."
    )
    calls: list[Call] = [
        ("move", {"path": f"src/{name}.txt", "folder": folder}) for name in shown if name in chosen
    ]
    calls.append(("report", {"count": len(chosen)}))
    return request, ("search", {"word": word}), listing, calls


def _deploy(chosen: list[str], rest: list[str], rng: Random) -> Workflow:
    states = [
        f"{name}: failed (needs {chosen[place - 1]})" if place else f"{name}: failed"
        for place, name in enumerate(chosen)
    ]
    states += [f"{name}: running" for name in rest]
    rng.shuffle(states)
    request = (
        "Ask for the services, restart every one that failed, each after the one that it needs, and then check the one that was "
        "restarted last."
    )
    calls: list[Call] = [("restart", {"service": name}) for name in chosen]
    calls.append(("check", {"service": chosen[-1]}))
    return request, ("services", {}), "; ".join(states), calls


def _terminal(folder: str, shown: list[str], chosen: set[str], rng: Random) -> Workflow:
    suffixes = {name: ".log" if name in chosen else rng.choice((".txt", ".gz")) for name in shown}
    listing = "; ".join(f"{name}{suffix}" for name, suffix in suffixes.items())
    request = (
        f"List the folder {folder}, run gzip {folder}/FILE for every .log file in the order of the list, and then report how many "
        "there were."
    )
    calls: list[Call] = [
        ("run", {"command": f"gzip {folder}/{name}.log"}) for name in shown if name in chosen
    ]
    calls.append(("report", {"count": len(chosen)}))
    return request, ("list", {"folder": folder}), listing, calls


FAMILY = Family(
    "workflows",
    "tool_use",
    compositions("workflows", LEVELS, tuple(OFFERED), draw),
    generate,
    levels=LEVELS,
)
