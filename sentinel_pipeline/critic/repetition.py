"""Loops, boilerplate, filler and invalid characters: what a model writes when it has nothing to
say. Made for code.

Ordinary code repeats itself in short lines and in regular tables, so only *consecutive* repetition
counts, and only where it is long. What this module does not do: score style, compare rows
(``mix.dedup`` does), or read meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

from .mentions import only_named

_INVALID = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f\ufffd\ufffe\uffff\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_SPECIAL = re.compile(
    r"<\|[a-z0-9_]{2,32}\|>|<(?:unk|pad|mask|bos|eos)>|\[(?:UNK|PAD|MASK|CLS|SEP)\]|<0x[0-9A-F]{2}>"
)

FILLER = (
    "as an ai", "as a language model", "as a large language model", "i am just an ai", "i'm just an ai",
    "i cannot assist with", "i can't assist with", "i hope this message finds you well", "this is a great question",
    "i am happy to help", "i'd be happy to help", "i hope this helps", "let me know if you have any", "feel free to reach out",
    "feel free to ask", "it is important to note that", "it's important to note that", "it is important to remember",
    "please note that results may vary", "there are many ways to", "in conclusion, it depends", "in today's fast-paced",
    "in the world of", "at the end of the day", "delve into", "as previously mentioned", "needless to say",
    "como um modelo de linguagem", "espero ter ajudado", "fico à disposição", "é importante ressaltar", "é importante lembrar",
)  # fmt: skip
"""Phrases that say nothing: two different ones, or one that makes up much of a short text, are
filler."""
STUBS = (
    "your code here", "your code goes here", "code goes here", "implementation goes here", "implementation here",
    "rest of the code", "rest of code", "rest of your code", "existing code", "remaining code", "add your logic here",
    "todo: implement", "implement this function", "lorem ipsum dolor", "insert code here", "same as before",
)  # fmt: skip
"""What stands where an answer should stand."""
BOILERPLATE = (
    "all rights reserved", "subscribe to our newsletter", "accept all cookies", "we use cookies", "terms of service",
    "privacy policy", "click here to", "sign up for free", "page not found", "enable javascript", "advertisement",
)  # fmt: skip
"""Pieces of web pages: three different ones are boilerplate."""


_STUB_LINE = re.compile(r"^[ \t]*(?:#|//|/\*|--|<!--|\.\.\.|\[|<)", re.MULTILINE)

MIN_LOOP_CHARS = 80
"""A loop shorter than this may be a table, a drawing or an ordinary idiom."""
MIN_REPEATS = 6
MIN_RULE = 400
"""A run of one or two characters that is longer is not a ruled line."""
MAX_PERIOD = 24
"""Longest repeated unit that is looked for, in lines or words."""


def invalid_text(text: str) -> str | None:
    """Characters and tokens that no tokenizer should emit: NUL, control, bidi, replacement
    characters, special tokens."""
    match = _INVALID.search(text)
    if match:
        return f"invalid_character: U+{ord(match[0]):04X} at character {match.start()}"
    if "<" in text or "[" in text:
        for special in _SPECIAL.finditer(text):
            if text[special.end() :].strip() and not only_named(text, *special.span()):
                return f"special_token: {special[0]} at character {special.start()}"
    return None


def repetition(text: str) -> str | None:
    """Loops over lines, words or characters that never stop: ``CODE: detail``, or None."""
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    words = text.split()
    return _line_loop(lines) or _word_loop(words) or _char_loop(words)


def _line_loop(lines: list[str]) -> str | None:
    if not _often(lines, lines):
        return None
    run = _longest_run(lines, bare=True)
    if run is None:
        return None
    period, repeats, chars = run
    return (
        f"line_loop: {period} lines repeat {repeats} times"
        if chars >= MIN_LOOP_CHARS // 2
        else None
    )


def _word_loop(words: list[str]) -> str | None:
    if len(words) < 12:
        return None
    if not _often(words, list(zip(words, words[1:], words[2:]))):
        return None
    run = _longest_run(words, bare=False)
    if run is None:
        return None
    period, repeats, chars = run
    long = chars >= MIN_LOOP_CHARS or repeats >= 20
    return f"word_loop: {period} words repeat {repeats} times" if long else None


def _often(items: list[str], grams: Sequence[Hashable]) -> bool:
    """Whether some gram stands often enough for a loop; cheap where few items repeat, as in most
    texts."""
    if len(items) - len(set(items)) < MIN_REPEATS - 2:
        return False
    spare = len(grams) - len(set(grams))
    return spare >= MIN_REPEATS - 2 and Counter(grams).most_common(1)[0][1] >= MIN_REPEATS - 1


def _longest_run(items: list[str], *, bare: bool) -> tuple[int, int, int] | None:
    """(period, repeats, characters) of the longest stretch that repeats, at the shortest period
    that has one.

    ``bare``: a unit without a letter counts as well, from 16 repeats.
    """
    for period in range(1, min(MAX_PERIOD, len(items) // MIN_REPEATS) + 1):
        run = longest = end = 0
        for index, same in enumerate(map(str.__eq__, items[period:], items)):
            run = run + 1 if same else 0
            if run > longest:
                longest = run
                end = index + period + 1
        worded = (bare and longest >= 15 * period) or any(map(_wordy, items[end - period : end]))
        if longest >= period * (MIN_REPEATS - 1) and worded:
            return period, longest // period + 1, sum(map(len, items[end - period - longest : end]))
    return None


def _wordy(item: str) -> bool:
    return any(char.isalpha() for char in item)


_CHAR_LOOP = re.compile(r"([^\W\d_]{1,8}?|[^\W_][\W_]{1,3}?|[\W\d_]{2,6}?[^\W\d_]{1,4}?)\1{19,}")


def _char_loop(words: list[str]) -> str | None:
    """Unbroken words that go round: only long words can."""
    for word in [word for word in words if len(word) >= 40]:
        if len(word) >= MIN_RULE and len(set(word)) <= 2:
            return f"char_loop: {len(word)} characters of {len(set(word))} kinds"
        if len(set(word[:400])) <= 12:
            match = _CHAR_LOOP.search(word[:4000])
            if match and _wordy(match[1]):
                return f"char_loop: {len(match[1])} characters repeat"
    return None


def filler(text: str, *, code: bool) -> str | None:
    """Stubs, generic phrases and web boilerplate. In code a phrase alone, as a docstring may hold,
    is not enough."""
    folded = text.casefold()
    for stub in _held(STUBS, folded):
        if _is_stub(folded, folded.index(stub)):
            return f"stub: '{stub}'"
    phrases = _held(FILLER, folded)
    if len(phrases) >= 2 or (phrases and not code and len(folded) < 5 * len(phrases[0])):
        return f"filler: {len(phrases)} empty phrases, '{phrases[0]}'"
    pieces = _held(BOILERPLATE, folded)
    return f"boilerplate: {len(pieces)} pieces of a web page" if len(pieces) >= 3 else None


def _held(phrases: tuple[str, ...], folded: str) -> list[str]:
    return [phrase for phrase in phrases if phrase in folded]


def _is_stub(folded: str, at: int) -> bool:
    start = folded.rfind("\n", 0, at) + 1
    head = folded[start:at]
    return (
        "#" in head
        or "//" in head
        or "..." in head
        or bool(_STUB_LINE.match(folded, start))
        or not head.strip()
    )
