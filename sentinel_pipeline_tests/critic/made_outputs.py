"""Model outputs made from values that are known: JSON as models write it, by a seed, with what each
of them means.

Also the seed's own parser, written anew from its description, as the peer that it is compared with.
Nothing here is tested itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

WORDS = (
    "fone",
    "entrega atrasada",
    "copo d'água",
    "São Paulo",
    "4,5",
    "R$ 10",
    "a: b, c",
    "{x}",
    "[1]",
    "não",
    'diz "oi"',
    "",
)
KEYS = ("sentiment", "sentiment_score", "preço", "ids", "ok", "obs", "total", "categoria")
STYLES = (
    "strict", "decimal_comma", "money", "percent", "single_quotes", "python", "trailing_comma", "comment", "fenced", "prose",
    "two_objects", "unquoted_keys", "mixed",
)  # fmt: skip


class Made(NamedTuple):
    text: str
    value: Any
    style: str


def made_outputs(count: int, seed: int = 0) -> Iterator[Made]:
    for index in range(count):
        rng = Random(f"made|{seed}|{index}")
        style = STYLES[index % len(STYLES)]
        value = an_object(rng, 2)
        yield Made(write_all(value, style, rng), value, style)


def an_object(rng: Random, depth: int) -> dict[str, Any]:
    return {key: a_value(rng, depth - 1) for key in rng.sample(KEYS, rng.randint(1, 5))}


def a_value(rng: Random, depth: int) -> Any:
    kind = rng.randrange(8 if depth > 0 else 6)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.randint(-50, 5000)
    if kind in (2, 3):
        return rng.choice((4.5, 0.25, 1234.56, 129.9, -3.75, 1234567.89, 10.5))
    if kind == 4:
        return rng.choice((True, False, None))
    if kind == 5:
        return [rng.randint(1, 99) for _ in range(rng.randint(0, 4))]
    if kind == 6:
        return an_object(rng, depth)
    return [an_object(rng, depth) for _ in range(rng.randint(1, 2))]


def write_all(value: Any, style: str, rng: Random) -> str:
    if style == "mixed":
        inner = rng.choice(("decimal_comma", "money", "single_quotes", "trailing_comma"))
        return f"Claro! Segue:\n```json\n{write(value, inner, rng)}\n```\nEspero ter ajudado."
    if style == "fenced":
        return (
            f"```json\n{json.dumps(value, ensure_ascii=False, indent=rng.choice((None, 2)))}\n```"
        )
    if style == "prose":
        return f"Aqui está o resultado: {json.dumps(value, ensure_ascii=False)} Qualquer dúvida, avise."
    if style == "two_objects":
        return f"{json.dumps(value, ensure_ascii=False)}\n{json.dumps({'outro': 1})}"
    if style == "strict":
        return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 2)))
    return write(value, style, rng)


def write(value: Any, style: str, rng: Random, member: bool = False) -> str:
    """``value`` with the quirks of ``style``; ``member`` says that it stands where a comma may be a
    decimal one."""
    if isinstance(value, dict):
        pairs = [
            f"{key(name, style)}: {write(one, style, rng, True)}" for name, one in value.items()
        ]
        comma = "," if style == "trailing_comma" and pairs else ""
        note = "  // nota, do modelo: {" + "\n" if style == "comment" else ""
        return "{" + note + rng.choice((", ", ",", ",\n  ")).join(pairs) + comma + "}"
    if isinstance(value, list):
        comma = "," if style == "trailing_comma" and value else ""
        return (
            "["
            + rng.choice((", ", ",")).join(write(one, style, rng) for one in value)
            + comma
            + "]"
        )
    if isinstance(value, bool) or value is None:
        return str(value) if style in ("python", "single_quotes") else json.dumps(value)
    if isinstance(value, str):
        return text(value, style)
    return number(value, style) if member else json.dumps(value)


def key(name: str, style: str) -> str:
    return name if style == "unquoted_keys" else text(name, style)


def text(value: str, style: str) -> str:
    if style == "single_quotes" or (style == "python" and "'" not in value):
        return "'" + value.replace("\\", "\\\\") + "'"
    return json.dumps(value, ensure_ascii=False)


def number(value: int | float, style: str) -> str:
    if style in ("decimal_comma", "mixed") and isinstance(value, float):
        return json.dumps(value).replace(".", ",")
    if style == "money" and isinstance(value, float):
        return "R$ " + f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    if style == "percent" and isinstance(value, float):
        return f"{value * 100:.6f}".rstrip("0").rstrip(".").replace(".", ",") + "%"
    return json.dumps(value)


def seed_parser(answer: str) -> Any:
    """The V4.1 handoff's way, from its description: fence marks off, then twice (as it is; with
    every ``digits,digits`` outside double quotes turned into a decimal point): the whole text, else
    from the first brace to the last; an object or None."""
    bare = re.sub(r"^```(?:json)?\s*|\s*```$", "", answer.strip(), flags=re.M).strip()
    parts = re.split(r'("(?:[^"\\]|\\.)*")', bare)
    pointed = "".join(
        part if part[:1] == '"' else re.sub(r"(\d+),(\d+)", r"\1.\2", part) for part in parts
    )
    for attempt in (bare, pointed):
        greedy = re.search(r"\{.*\}", attempt, re.S)
        for candidate in (attempt, greedy[0] if greedy else None):
            try:
                found = json.loads(candidate) if candidate else None
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return None
