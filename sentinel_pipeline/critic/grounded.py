"""Judging a short text about a record: length, language, nothing made up, nothing copied, what
matters said, something asked.

Every number, date, code and name of the text must be in the record. Credit is given only to a text
that passes all of length, language, grounding and originality, so that neither padding nor a copied
prompt nor praise for itself earns anything. What this module does not do: understand. A true number
said of the wrong thing passes, and so does an invented name that opens a sentence without a comma
after it; both are known limits.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from ..records import GroundedText
from .graded import Graded
from .numbers import read_number
from .portuguese import NUMBER_WORDS, OPENERS, asks_for_action, is_action, is_portuguese, words_of

FACTS_SHARE = 0.7
"""Of the credit; the call to action has the rest."""
MAX_CHARS = 4000
_RUN = 6
_COPIED = 0.5
"""A text of whose words this share stands in runs of so many words that the prompt has as well is a
copy."""
_VARIED = 0.45
"""Least share of different words in a text."""
_DATE = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?\b|\b(\d{4})-(\d{2})-(\d{2})\b")
_CODE = re.compile(r"(?<![\w$])(?=\w*\d)(?=\w*[^\W\d])\w+")
_NUMBER = re.compile(r"[-+]?(?:(?:R\$|US\$|\$|€)[ \u00a0]*)?[-+]?\d(?:[\d.,]*\d)?(?:[ \u00a0]?%)?")
_NAME = re.compile(r"[^\W\d_][^\W\d_'’-]*")
_WORDS = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_OPENS = re.compile(r"(?:^|[.!?:;\n\"“(•*-])[\s\"“*•-]*$")


class Facts(NamedTuple):
    """A record's content in the forms in which a text may say it."""

    numbers: frozenset[float]
    words: frozenset[str]
    dates: frozenset[str]


def judge_grounded(text: str, verifier: GroundedText) -> Graded:
    """Grade a text: ``length``, ``language``, ``grounded``, ``original``, ``facts`` said,
    ``action`` asked."""
    facts = _facts(verifier.record)
    problems = {
        "length": _length_problem(text, verifier),
        "language": None if is_portuguese(text) else "wrong_language: not Portuguese",
        "grounded": invented(text, facts) if len(text) <= MAX_CHARS else "too_large",
        "original": _copy_problem(text, verifier.shown),
    }
    mentioned = [fact for fact in verifier.must_mention if mentions(text, fact)]
    missing = [fact for fact in verifier.must_mention if fact not in mentioned]
    acts = not verifier.call_to_action or asks_for_action(text)
    share = len(mentioned) / len(verifier.must_mention) if verifier.must_mention else 1.0
    parts = {name: float(problem is None) for name, problem in problems.items()}
    parts |= {"facts": share, "action": float(acts)}
    problem = next((problem_text for problem_text in problems.values() if problem_text), None)
    problem = problem or (f"missing_fact: {missing[0][:60]}" if missing else None)
    problem = problem or (None if acts else "no_call_to_action")
    sound = share > 0 and all(problem_text is None for problem_text in problems.values())
    credit = FACTS_SHARE * share + (1 - FACTS_SHARE) * acts if sound else 0.0
    return Graded(parts, 1.0 if problem is None else min(credit, 0.99), problem)


def _length_problem(text: str, verifier: GroundedText) -> str | None:
    words = words_of(text)
    if not verifier.min_words <= len(words) <= verifier.max_words:
        return f"wrong_length: {len(words)} words, expected {verifier.min_words} to {verifier.max_words}"
    if verifier.max_chars is not None and len(text) > verifier.max_chars:
        return f"wrong_length: {len(text)} characters, expected at most {verifier.max_chars}"
    sentences = [
        " ".join(words_of(sentence)) for sentence in _SENTENCE.split(text) if sentence.strip()
    ]
    if len(set(sentences)) < len(sentences) or len(set(words)) < _VARIED * len(words):
        return "repetitive: says the same again"
    return None


def _copy_problem(text: str, shown: str) -> str | None:
    words = words_of(text)
    shown_runs = _runs(shown)
    copied: set[int] = set()
    for at in range(len(words) - _RUN + 1):
        if tuple(words[at : at + _RUN]) in shown_runs:
            copied.update(range(at, at + _RUN))
    return "copied: mostly the prompt's own words" if len(copied) > _COPIED * len(words) else None


@lru_cache(maxsize=512)
def _runs(shown: str) -> frozenset[tuple[str, ...]]:
    words = words_of(shown)
    return frozenset(tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1))


@lru_cache(maxsize=4096)
def _facts(record: str) -> Facts:
    numbers: set[float] = set()
    words: set[str] = set()
    dates: set[str] = set()
    for value in _leaves(json.loads(record)):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            numbers.add(float(value))
            continue
        dates.update(_day(match) for match in _DATE.finditer(value))
        dates.update(_day(match)[:5] for match in _DATE.finditer(value))
        words.update(re.findall(r"\w+", value.casefold()))
        numbers.update(_numbers(_DATE.sub(" ", value)))
    return Facts(frozenset(numbers), frozenset(words), frozenset(dates))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return (
        [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]
    )


def _day(match: re.Match[str]) -> str:
    """``DD/MM`` or ``DD/MM/YYYY``."""
    day, month, year, iso_year, iso_month, iso_day = match.groups()
    if iso_year:
        return f"{iso_day}/{iso_month}/{iso_year}"
    whole = f"/20{year}" if year and len(year) == 2 else f"/{year}" if year else ""
    return f"{int(day):02}/{int(month):02}{whole}"


def _numbers(text: str) -> list[float]:
    numbers = (read_number(match[0]) for match in _NUMBER.finditer(_CODE.sub(" ", text)))
    return [float(number.value) for number in numbers if number is not None]


def invented(text: str, facts: Facts) -> str | None:
    """The first number, date, code or name that the record does not have, as ``invented: …``; None
    when there is none."""
    for match in _DATE.finditer(text):
        if _day(match) not in facts.dates:
            return f"invented: the date {match[0]}"
    bare = _DATE.sub(" ", text)
    for match in _CODE.finditer(bare):
        if match[0].casefold() not in facts.words:
            return f"invented: {match[0][:40]}"
    bare = _CODE.sub(lambda match: "x" * len(match[0]), bare)
    for match in _NUMBER.finditer(bare):
        if not _known_number(match[0], facts.numbers):
            return f"invented: the number {match[0][:40]}"
    for word in words_of(bare):
        if (
            word in NUMBER_WORDS
            and word not in facts.words
            and NUMBER_WORDS[word] not in facts.numbers
        ):
            return f"invented: the number {word}"
    return _invented_name(_NUMBER.sub(lambda match: " " * len(match[0]), bare), facts.words)


def _known_number(text: str, numbers: frozenset[float]) -> bool:
    """In the record, exactly or rounded to the digits that are shown, of which there must be
    two."""
    number = read_number(text)
    if number is None:
        return False
    value = float(number.value)
    if value in numbers:
        return True
    digits = re.sub(r"\D", "", text)
    decimals = len(text.rstrip(" \u00a0%").rpartition(",")[2]) if "," in text else 0
    unit = 10.0 ** -(decimals + (2 if "%" in text else 0))
    return len(digits) > 1 and any(abs(value - number) <= unit / 2 + 1e-12 for number in numbers)


def _invented_name(text: str, words: frozenset[str]) -> str | None:
    for match in _NAME.finditer(text):
        name = match[0]
        if not name[0].isupper() or name.casefold() in words or is_action(name):
            continue
        if any(part in words for part in re.findall(r"\w+", name.casefold())):
            continue
        opens = (
            _OPENS.search(text[max(0, match.start() - 12) : match.start()]) is not None
            or match.start() == 0
        )
        addressed = text[match.end() : match.end() + 1] in (",", "!")
        if not opens or (addressed and name.casefold() not in OPENERS) or _two_names(text, match):
            return f"invented: the name {name[:40]}"
    return None


def _two_names(text: str, match: re.Match[str]) -> bool:
    """``Maria Souza`` opens a sentence: two capitals in a row are a name even there."""
    after = _NAME.match(text, match.end() + 1)
    return (
        after is not None
        and after[0][0].isupper()
        and not after[0].isupper()
        and text[match.end()] == " "
    )


def mentions(text: str, fact: str) -> bool:
    """Whether the text has a number (rounded at most to the digits it shows) or words, whole."""
    number = read_number(fact)
    if number is not None:
        numbers = frozenset({float(number.value)})
        return any(
            _known_number(match[0], numbers)
            for match in _NUMBER.finditer(_CODE.sub(" ", _DATE.sub(" ", text)))
        )
    return f" {_plain(fact)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    """Its words and digits, one space between them."""
    return " ".join(_WORDS.findall(text.casefold()))
