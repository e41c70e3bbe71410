"""Four rewards of a shop's tasks as a project would write them: extraction, questions to the
tables, insights, push messages. One file that imports the standard library alone, so that it runs
in the trainer's process and in the sandbox alike.

Numbers may be written as Brazil writes them: a decimal comma stands outside of quotes, behind a
colon. What this module does not do: use anything of the package that it is tested with.
"""

from __future__ import annotations

import json
import re
from typing import Any

SENTIMENTS = {"positive", "neutral", "negative"}
COMPLAINTS = {"delivery", "quality", "price", "service", "none"}
FIELDS = ("sentiment", "sentiment_score", "complaint_category")
_VALUE = re.compile(r'("(?:[^"\\]|\\.)*")|(:\s*-?\d+),(?=\d+\s*[,}\]])')
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_ADVICE = re.compile(
    r"\b(revise|priorize|renegocie|contate|melhore|aproveite|use|garanta|compre)\b", re.I
)
_COMMON = {"o", "a", "os", "as", "de", "da", "do", "que", "com", "para", "em", "e", "seu", "sua"}


def read_object(text: str) -> dict[str, Any] | None:
    """The one JSON object of an answer, in fences or not; None where there is none."""
    start = text.find("{")
    end = text.rfind("}")
    if start < 0 or end < start:
        return None
    inner = text[start : end + 1]
    pointed = _VALUE.sub(lambda match: match[1] or f"{match[2]}.", inner)
    for attempt in (inner, pointed):
        try:
            value = json.loads(attempt)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def extraction(answer: str, reference: str) -> float:
    """A third of the reward for fields and labels, the rest for values that are the reference's."""
    value = read_object(answer)
    if value is None or set(value) != set(FIELDS):
        return 0.0
    form = value["sentiment"] in SENTIMENTS and value["complaint_category"] in COMPLAINTS
    expected = json.loads(reference)
    right = sum(value[name] == expected[name] for name in FIELDS) / len(FIELDS)
    return float(0.3 * form + 0.7 * right)


def sql_qa(answer: str, reference: str) -> float:
    """The numbers of the reference, and no others."""
    numbers = {_plain(number) for number in _NUMBER.findall(answer)}
    expected = {_plain(number) for number in _NUMBER.findall(reference)}
    return len(numbers & expected) / len(numbers | expected) if numbers else 0.0


def insights(answer: str, reference: str) -> float:
    return _about(answer, reference, least=12, most=90)


def push(answer: str, reference: str) -> float:
    return _about(answer, reference, least=5, most=25) if len(answer) <= 160 else 0.0


def _about(answer: str, facts: str, *, least: int, most: int) -> float:
    """A Portuguese text of the right length: half for its facts, half for advice."""
    words = re.findall(r"\w+", answer.casefold())
    if not least <= len(words) <= most or len(_COMMON.intersection(words)) < 2:
        return 0.0
    named = [fact for fact in facts.split(";") if fact.strip().casefold() in answer.casefold()]
    if not named:
        return 0.0
    return 0.5 * len(named) / len(facts.split(";")) + 0.5 * bool(_ADVICE.search(answer))


def _plain(number: str) -> float:
    """``1.234,50`` and ``1234.5`` are one number."""
    if "," in number:
        number = number.replace(".", "").replace(",", ".")
    return float(number)


REWARDS = {"extraction": extraction, "sql_qa": sql_qa, "insights": insights, "push": push}


def commerce(
    prompts: list[Any],
    completions: list[Any],
    family: list[str],
    reference: list[str],
    **_columns: Any,
) -> list[float | None]:
    """Each completion by the reward of its task; None for a task of another kind."""
    return [
        REWARDS[name](turns[-1]["content"], expected) if name in REWARDS else None
        for turns, name, expected in zip(completions, family, reference, strict=True)
    ]
