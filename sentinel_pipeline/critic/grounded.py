"""Judging a short text about a record: length, language, order of words, nothing made up, nothing
copied, nothing denied, nothing improper, what matters said, something asked.

Every number, date, code, name and cause of the text must be in the record, a number in words as
well as in digits, and said of what the record says it of, where the verifier names the words
(``says``). Credit is given only to a text that passes all rules but the last two, so that neither
padding nor a copied prompt nor praise for itself earns anything. What this module does not do:
understand. An invented name that opens a sentence without a comma after it passes, and so does what
``claims`` has no list for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..records import GroundedText
from . import english, portuguese
from .claims import bare, denied, foreign_link, improper, invented_cause, salad, spoken_number
from .graded import Graded
from .numbers import Number, read_number
from .portuguese import words_of

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
_ENGLISH_THOUSANDS = re.compile(r"(?<!\d)[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_NAME = re.compile(r"[^\W\d_][^\W\d_'’-]*")
_WORDS = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_OPENS = re.compile(r"(?:^|[.!?:;\n\"“(•*-])[\s\"“*•-]*$")


class Facts(NamedTuple):
    """A record's content in the forms in which a text may say it."""

    numbers: frozenset[float]
    words: frozenset[str]
    dates: frozenset[str]
    texts: tuple[str, ...]
    """Its texts as they stand, keys after them."""
    keys: dict[float, tuple[str, ...]]
    """Number -> the keys that it stands under."""


class Language(NamedTuple):
    """What the rules ask of a language."""

    name: str
    is_written: Callable[[str], bool]
    """Whether a text is in it."""
    asks_for_action: Callable[[str], bool]
    is_action: Callable[[str], bool]
    number_words: Mapping[str, float]
    openers: frozenset[str]
    capitals: frozenset[str]
    """Words with a capital anywhere that are not names."""
    frames: re.Pattern[str] | None
    """Finds what is said about a text and is not part of it; where the rule of the language finds
    that, there is none."""
    decimal: str
    """The sign before the decimals; the other of point and comma parts thousands."""


LANGUAGES = {
    "pt": Language(
        "Portuguese",
        portuguese.is_portuguese,
        portuguese.asks_for_action,
        portuguese.is_action,
        {},  # ``claims`` reads them, compounds and shares too
        portuguese.OPENERS,
        frozenset(),
        None,
        ",",
    ),
    "en": Language(
        "English",
        english.is_english,
        english.asks_for_action,
        english.is_action,
        english.NUMBER_WORDS,
        english.OPENERS,
        english.CAPITALS,
        english.FRAMES,
        ".",
    ),
}


def judge_grounded(text: str, verifier: GroundedText) -> Graded:
    """Grade a text: ``length``, ``language``, ``grounded``, ``original``, ``coherent``,
    ``affirmed`` facts, ``proper`` words, ``facts`` said, ``action`` asked."""
    facts = _facts(verifier.record)
    language = LANGUAGES[verifier.language]
    wrong_language = f"wrong_language: not {language.name}"
    frame = language.frames.search(text) if language.frames is not None else None
    framed = f"framed: {frame[0].strip()[:60]}" if frame is not None else None
    short = len(text) <= MAX_CHARS
    problems = {
        "length": _length_problem(text, verifier),
        "language": None if language.is_written(text) else wrong_language,
        "grounded": (
            invented(text, facts, language) or _misplaced(text, facts, verifier.says, language)
        )
        if short
        else "too_large",
        "original": framed or _copy_problem(text, verifier.shown),
        **_claims(text, verifier, facts),
    }
    mentioned = [fact for fact in verifier.must_mention if mentions(text, fact, language)]
    missing = [fact for fact in verifier.must_mention if fact not in mentioned]
    acts = not verifier.call_to_action or language.asks_for_action(text)
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
    content = json.loads(record)
    for value in _leaves(content):
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, (int, float)):
            numbers.add(float(value))
            continue
        dates.update(_day(match) for match in _DATE.finditer(value))
        dates.update(_day(match)[:5] for match in _DATE.finditer(value))
        words.update(re.findall(r"\w+", value.casefold()))
        numbers.update(_numbers(_DATE.sub(" ", value)))
    texts = tuple(value for value in _leaves(content) if isinstance(value, str))
    keys: dict[float, tuple[str, ...]] = {}
    for key, value in content.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            keys[float(value)] = (*keys.get(float(value), ()), key)
    names = tuple(" ".join(_WORDS.findall(key)) for key in content)
    return Facts(frozenset(numbers), frozenset(words), frozenset(dates), texts + names, keys)


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


def invented(text: str, facts: Facts, language: Language = LANGUAGES["pt"]) -> str | None:
    """The first number, date, code or name that the record does not have, as ``invented: …``; None
    when there is none."""
    for match in _DATE.finditer(text):
        if _day(match) not in facts.dates:
            return f"invented: the date {match[0]}"
    undated = _DATE.sub(" ", text)
    for match in _CODE.finditer(undated):
        if match[0].casefold() not in facts.words:
            return f"invented: {match[0][:40]}"
    without_codes = _CODE.sub(lambda match: "x" * len(match[0]), undated)
    for match in _NUMBER.finditer(without_codes):
        if not _known_number(match[0], facts.numbers, language.decimal):
            return f"invented: the number {match[0][:40]}"
    for word in words_of(without_codes):
        value = language.number_words.get(word)
        if value is not None and word not in facts.words and value not in facts.numbers:
            return f"invented: the number {word}"
    if language is LANGUAGES["pt"]:
        problem = spoken_number(without_codes, facts.numbers) or invented_cause(text, facts.texts)
        if problem:
            return problem
    blanked = _NUMBER.sub(lambda match: " " * len(match[0]), without_codes)
    return _invented_name(blanked, facts.words, language)


def _claims(text: str, verifier: GroundedText, facts: Facts) -> dict[str, str | None]:
    """What a Portuguese text says beside its facts; of other languages there are no lists, and
    only links are found."""
    if verifier.language != "pt":
        return {"proper": foreign_link(text, facts.texts)}
    if len(text) > MAX_CHARS:
        return {"coherent": "too_large"}
    return {
        "proper": improper(text, facts.texts),
        "affirmed": denied(text, verifier.must_mention, facts.texts, verifier.against),
        "coherent": salad(text),
    }


def _misplaced(text: str, facts: Facts, says: dict[str, str], language: Language) -> str | None:
    """A number of the record in a sentence that does not speak of it."""
    for sentence in _SENTENCE.split(text):
        words = re.findall(r"[^\W\d_]+", bare(sentence))
        for match in _NUMBER.finditer(_CODE.sub(" ", _DATE.sub(" ", sentence))):
            keys = [
                key
                for number, names in facts.keys.items()
                if _known_number(match[0], frozenset({number}), language.decimal)
                for key in names
            ]
            beginnings = [beginning for key in keys for beginning in says.get(key, "").split()]
            bound = beginnings and all(key in says for key in keys)
            if bound and not any(word.startswith(tuple(beginnings)) for word in words):
                return f"invented: {match[0][:40]} is not said of {keys[0][:40]}"
    return None


def _number(text: str, decimal: str) -> Number | None:
    """The number that a text in a language writes; where a point stands before the decimals, commas
    part thousands and nothing else."""
    if decimal == "." and _ENGLISH_THOUSANDS.search(text):
        text = text.replace(",", "")
    elif decimal == "." and "," in text:
        return None
    return read_number(text)


def _known_number(text: str, numbers: frozenset[float], decimal: str) -> bool:
    """In the record, exactly or rounded to the digits that are shown, of which there must be
    two."""
    number = _number(text, decimal)
    if number is None:
        return False
    value = float(number.value)
    if value in numbers:
        return True
    digits = re.sub(r"\D", "", text)
    decimals = len(text.rstrip(" \u00a0%").rpartition(decimal)[2]) if decimal in text else 0
    unit = 10.0 ** -(decimals + (2 if "%" in text else 0))
    return len(digits) > 1 and any(abs(value - number) <= unit / 2 + 1e-12 for number in numbers)


def _invented_name(text: str, words: frozenset[str], language: Language) -> str | None:
    for match in _NAME.finditer(text):
        name = match[0]
        if not name[0].isupper() or name.casefold() in words or language.is_action(name):
            continue
        if name.casefold() in language.capitals:
            continue
        if any(part in words for part in re.findall(r"\w+", name.casefold())):
            continue
        opens = (
            _OPENS.search(text[max(0, match.start() - 12) : match.start()]) is not None
            or match.start() == 0
        )
        addressed = text[match.end() : match.end() + 1] in (",", "!")
        common = name.casefold() in language.openers
        if language is LANGUAGES["pt"]:
            common = common or bare(name)[:5] in portuguese.LEXICON
        if (
            not opens
            or (addressed and not common)
            or (name.casefold() not in language.openers and _two_names(text, match))
        ):
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


def mentions(text: str, fact: str, language: Language = LANGUAGES["pt"]) -> bool:
    """Whether the text has a number (rounded at most to the digits it shows) or words, whole."""
    number = read_number(fact)
    if number is not None:
        numbers = frozenset({float(number.value)})
        return any(
            _known_number(match[0], numbers, language.decimal)
            for match in _NUMBER.finditer(_CODE.sub(" ", _DATE.sub(" ", text)))
        )
    return f" {_plain(fact)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    """Its words and digits, one space between them."""
    return " ".join(_WORDS.findall(text.casefold()))
