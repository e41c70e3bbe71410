"""Loops, boilerplate, filler and invalid characters: what a model writes when it has nothing to
say. Made for code.

Ordinary code repeats itself in short lines and in regular tables, so only *consecutive* repetition
counts, and only where it is long and says something: equal numbers, empty cells, staves of tabs and
brackets that close what was opened are data. Words of scripts without spaces are separated first.
What this module does not do: score style, compare rows (``mix.dedup`` does), or read meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .mentions import only_named
from .unicode_text import separate_words

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


_ASKS_FOR_STUB = re.compile(
    r"\b(?:skeletons?|scaffold\w*|stubs?|templates?|placeholders?|starter|boilerplate|lorem ipsum|abstract (?:base )?class\w*"
    r"|dummy text|fill[- ]in|to-?dos?|(?:leave|left) (?:it |them |the \w+ )?(?:empty|unimplemented|blank)|interface)\b",
    re.IGNORECASE,
)
_STUB_LINE = re.compile(r"^[ \t]*(?:#|//|/\*|--|<!--|\.\.\.|\[|<)", re.MULTILINE)

MIN_LOOP_CHARS = 80
"""A loop shorter than this may be a table, a drawing or an ordinary idiom."""
MIN_REPEATS = 6
MIN_RULE = 400
"""A run of one or two characters that is longer is not a ruled line."""
MAX_PERIOD = 24
"""Longest repeated unit, in lines or words, that is looked for at every length; longer ones are
looked for where items come again at their distance."""
LONG_PASSAGE = 150
"""Words of prose that are a loop when they stand three times in a row."""
MAX_BLANK = 40
"""Blank lines in a row from which they are a loop."""
MAX_DATA = 1000
"""Equal lines of a table, of cells or of numbers that may follow each other."""
MAX_LAST_DATA = 128
"""How many of them may end a text: a loop goes on until it is cut off."""
MAX_FENCES = 12
"""Lines of fences with nothing between them, from which they are a loop."""
MAX_CELL = 24
"""Characters of a table's cell; a longer one is a sentence."""
COUNTED = 20
"""Sentences that differ by a counter alone, from which they are a loop."""
MAX_COUNTED = 20_000
"""Words that are looked at for a counter."""

_GAP = re.compile(r"\n\s*\n")
_WIDE_GAP = " " * 1000
_TABS = "\t" * 400
_UNSEEN = re.compile("[\u00a0\u200b-\u200f\u2060\u3000\ufeff]{60,}")
_TERMINAL_CODE = re.compile(
    r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)|[()][A-Z0-9])"
)
"""What a terminal obeys instead of showing: colours, cursor, titles, links."""
_FENCE = re.compile(r"`{3,}\w*|~{3,}\w*")
_FENCED = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.M | re.S)
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|&#?\w{1,10};|\\(?:hline|midrule|\\)")
_CELL = re.compile(r"<(?:td|th|option|col)\b[^<>]{0,80}>([^<>\n]*)</(?:td|th|option|col)>")
_DATA_WORD = re.compile(
    r"\b(?:(?i:null|none|nil|nan|na|true|false|inf|undefined|end|fi|done|endif|esac|0x[0-9a-f]+|f{2,8}|\d[\w.]*)"
    r"|[A-G][#b]?(?:m|maj7?|min|dim|sus[24]?|[5679])?)\b|\"[\w-]{1,24}\"\s*:"
)
"""Values, chords, the words that close a block, and the names of fields."""
_NO_NOTE = re.compile(r"[^\W\d_]{4}")
_SPOKEN = re.compile(r"[^\W\d_]{2}|[^\x00-\x7f]")
_NUMBER = re.compile(r"\d{1,9}")
_CODE_SIGN = re.compile(r"[=(){}\[\];|<>\"]")
_EMOJI_RANGES = (
    "\u263a\u2728\u2764\u2b50\U0001f1e6-\U0001f1ff\U0001f300-\U0001f64f\U0001f680-\U0001f6ff"
    "\U0001f900-\U0001faff"
)
_EMOJI = re.compile(f"[{_EMOJI_RANGES}]")
_EMOJI_LOOP = re.compile(rf"((?:[{_EMOJI_RANGES}][\ufe0f\u200d]* ?){{1,6}}?)\1{{24,}}")


def invalid_text(text: str, *, code: bool = False) -> str | None:
    """Characters and tokens that no tokenizer should emit: NUL, control, bidi, replacement
    characters, special tokens. A terminal's colour and cursor codes in a fenced block are shown
    output, where there is text that they colour; elsewhere, and in a program (``code``), they are a
    broken token."""
    match = _INVALID.search(text)
    shown = match is not None and match[0] in "\x07\x1b" and not code
    if shown and _TERMINAL_CODE.sub(" ", text).strip():
        match = _INVALID.search(_FENCED.sub(lambda part: _TERMINAL_CODE.sub(" ", part[0]), text))
    if match:
        return f"invalid_character: U+{ord(match[0]):04X} at character {match.start()}"
    if "<" in text or "[" in text:
        for special in _SPECIAL.finditer(text):
            if text[special.end() :].strip() and not only_named(text, *special.span()):
                return f"special_token: {special[0]} at character {special.start()}"
    return None


def repetition(text: str, *, code: bool = False, prompt: str = "") -> str | None:
    """Loops over lines, words or characters that never stop, and counting that says nothing else:
    ``CODE: detail``, or None.

    Args:
        text: what was written.
        code: it is a program or data: a long passage may stand in it three times, and lines may
            count.
        prompt: what was asked; to count up to a number that it names is not a loop.
    """
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    words = text.split()
    return (
        _blank_loop(text, lines)
        or _line_loop(lines, text, code=code)
        or _word_loop(words, lines, text, code=code)
        or _char_loop(words, text)
        or (None if code else _count_loop(lines, text, prompt))
    )


def _blank_loop(text: str, lines: list[str]) -> str | None:
    """Nothing at all, at length. The lines are counted first: the pattern is slow."""
    if text.count("\n") - len(lines) >= MAX_BLANK:
        for gap in _GAP.finditer(text):
            blank = gap[0].count("\n") - 1
            if blank >= MAX_BLANK:
                return f"blank_loop: {blank} blank lines"
    if _WIDE_GAP in text or _TABS in text:
        return f"blank_loop: more than {len(_TABS)} spaces or tabs in a row"
    if not text.isascii() and (unseen := _UNSEEN.search(text)):
        return f"blank_loop: {len(unseen[0])} invisible characters in a row"
    return None


class _Run(NamedTuple):
    """A stretch of items in which a unit of ``period`` items stands ``repeats`` times."""

    period: int
    repeats: int
    start: int
    end: int


def _line_loop(lines: list[str], text: str, *, code: bool) -> str | None:
    if not _often(lines, lines):
        return None
    for run in _runs(lines, code=code):
        unit = lines[run.start : run.start + run.period]
        if _nests(unit, text):
            continue
        if all(map(_FENCE.fullmatch, unit)):
            # Some empty blocks may follow each other; a model that cannot stop writes fences.
            if run.repeats < MAX_FENCES:
                continue
        elif all(map(_is_data, unit)):
            # A table or matrix comes to an end; what goes on to the end of the text was cut off.
            most = MAX_LAST_DATA if run.end >= len(lines) - 1 else MAX_DATA
            broken = run.repeats >= 16 and _depth("".join(unit))
            if run.end - run.start <= most and not broken:
                continue
        elif sum(map(len, lines[run.start : run.end])) < MIN_LOOP_CHARS // 2:
            continue
        return f"line_loop: {run.period} lines repeat {run.repeats} times"
    return None


def _word_loop(words: list[str], lines: list[str], text: str, *, code: bool) -> str | None:
    if not text.isascii():
        separated = separate_words(text)
        if separated is not text:
            words = separated.split()
            lines = [line.strip() for line in separated.split("\n") if line.strip()]
    if len(words) < 12 or not _often(words, list(zip(words, words[1:], words[2:]))):
        return None
    words = [
        word for line in lines if not _is_data(line) for word in _MARKUP.sub(" ", line).split()
    ]
    for run in _runs(words, code=code):
        unit = words[run.start : run.start + run.period]
        if not any(map(_wordy, unit)) or _nests(unit, text):
            continue
        chars = sum(map(len, words[run.start : run.end]))
        if chars >= MIN_LOOP_CHARS or run.repeats >= 20:
            return f"word_loop: {run.period} words repeat {run.repeats} times"
    return None


def _often(items: list[str], grams: Sequence[Hashable]) -> bool:
    """Whether some gram stands often enough for a loop; cheap where few items repeat, as in most
    texts."""
    if len(items) - len(set(items)) < MIN_REPEATS - 2:
        return False
    spare = len(grams) - len(set(grams))
    if spare < MIN_REPEATS - 2:
        return False
    long = spare >= max(LONG_PASSAGE, len(grams) // 3)
    return long or Counter(grams).most_common(1)[0][1] >= MIN_REPEATS - 1


def _runs(items: list[str], *, code: bool) -> Iterator[_Run]:
    """The longest stretch that repeats at each period that has one, the shortest period first.

    Short periods are tried one by one, longer ones where an item comes again at their distance.
    """
    short = range(1, min(MAX_PERIOD, len(items) // MIN_REPEATS) + 1)
    gaps: Counter[int] = Counter()
    last: dict[str, int] = {}
    for index, item in enumerate(items):
        if item in last:
            gaps[index - last[item]] += 1
        last[item] = index
    # In a loop of period P each item of the unit comes again after P, most of them first then.
    distances = [gap for gap, count in gaps.most_common(8) if gap > MAX_PERIOD and 3 * count >= gap]
    for period in [*short, *sorted(distances)]:
        least = _least_repeats(period, code=code)
        run = longest = end = 0
        for index, same in enumerate(map(str.__eq__, items[period:], items)):
            run = run + 1 if same else 0
            if run > longest:
                longest = run
                end = index + period + 1
        if longest >= period * (least - 1):
            yield _Run(period, longest // period + 1, end - period - longest, end)


def _least_repeats(period: int, *, code: bool) -> int:
    """How often a unit of so many items must stand to be a loop: a long passage of prose comes
    three times in no song."""
    if code or period < 60:
        return MIN_REPEATS
    return 4 if period < LONG_PASSAGE else 3


def _is_data(line: str) -> bool:
    """Whether a line says nothing in words: numbers, brackets, empty cells, tags, staves, rows of
    short cells. Such lines are equal because the thing is so."""
    if line[0] == line[-1] == "|" and len(line) > 1:
        return max(map(len, map(str.strip, line.split("|")))) <= MAX_CELL
    cell = _CELL.fullmatch(line)
    if cell:
        return len(cell[1].strip()) <= MAX_CELL
    drawn = sum(map(line.count, "-|=_.~*"))
    if drawn >= 5 and drawn >= 0.4 * len(line) and not _NO_NOTE.search(line):
        return True
    return not _wordy(_DATA_WORD.sub("", _MARKUP.sub("", line)))


def _wordy(item: str) -> bool:
    return any(char.isalpha() for char in item) or (
        not item.isascii() and _EMOJI.search(item) is not None
    )


def _nests(unit: list[str], text: str) -> bool:
    """Whether a unit opens or closes brackets in a text that closes all that it opens: calls
    within calls, closing braces."""
    return _depth("".join(unit)) != 0 and abs(_depth(text)) <= 1


def _depth(text: str) -> int:
    """Brackets opened less brackets closed."""
    return sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))


_CHAR_LOOP = re.compile(r"([^\W\d_]{1,8}?|[^\W_][\W_]{1,3}?|[\W\d_]{2,6}?[^\W\d_]{1,4}?)\1{19,}")
_BASES = frozenset("ACGTUNacgtun")


def _char_loop(words: list[str], text: str) -> str | None:
    """Unbroken words that go round: only long words can. Emoji go round with spaces as well."""
    if not text.isascii() and (emoji := _EMOJI_LOOP.search(text)):
        return f"char_loop: {emoji[1]!a} repeats"
    for word in words:
        if len(word) < 40:
            continue
        if "<" in word and word.count("<") <= MAX_LAST_DATA:
            word = _MARKUP.sub("", word)  # cells and line breaks
        if len(word) >= MIN_RULE and len(set(word)) <= 2:
            return f"char_loop: {len(word)} characters of {len(set(word))} kinds"
        if len(set(word[:400])) <= 12:
            match = _CHAR_LOOP.search(word[:4000])
            if match and _wordy(match[1]):
                # Drum tabs and the like are drawn so; they are longer than that when they loop.
                drawn = len(match[0]) < MIN_RULE and set(match[1]) & set("-|=.~*_")
                if not drawn and not _nests([match[1]], text):
                    return f"char_loop: {len(match[1])} characters repeat"
        period = _period(word)
        if period:
            return f"char_loop: {period} characters repeat"
    return None


def _period(word: str) -> int | None:
    """The length of the unit that most of a long word is made of, where it is made of one."""
    for start in (0, len(word) // 2):
        again = word.find(word[start : start + 8], start + 1)
        period = again - start
        if again < 0 or not 2 <= period <= 400:
            continue
        first = start
        while first > 0 and word[first - 1] == word[first - 1 + period]:
            first -= 1
        end = again
        while end < len(word) and word[end] == word[end - period]:
            end += 1
        unit = word[start:again]
        least = MIN_LOOP_CHARS if not unit.isascii() else MIN_RULE
        if end - first >= max(least, 0.8 * len(word)) and (end - first) // period >= MIN_REPEATS:
            bare = _MARKUP.sub("", unit)
            if _wordy(bare) and not _BASES.issuperset(bare) and _depth(unit) == 0:
                return period
    return None


def _count_loop(lines: list[str], text: str, prompt: str) -> str | None:
    """Prose in which nothing changes but a number that goes up or down by one."""
    if len(_NUMBER.findall(text)) < COUNTED:
        return None
    fenced = False
    words: list[str] = []
    for line in lines:
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and not (line[0] == line[-1] == "|"):
            words += separate_words(line).split()
    del words[MAX_COUNTED:]
    forms = [_NUMBER.sub("0", word) for word in words]
    if not _often(forms, forms):
        return None
    for run in _runs(forms, code=True):
        unit = forms[run.start : run.start + run.period]
        spoken = [word for word in unit if _SPOKEN.search(word) and _wordy(word)]
        least = COUNTED if len(spoken) >= 3 else 3 * COUNTED if spoken else 10 * COUNTED
        keys = sum(1 for word in spoken if word[-1] in ":=")
        if run.repeats < least or keys > 1 or any(map(_CODE_SIGN.search, unit)):
            continue
        numbers = [_NUMBER.findall(word) for word in words[run.start : run.end]]
        changes = False
        for place in range(run.period):
            column = [list(map(int, digits)) for digits in numbers[place :: run.period]]
            steps = [[after - before for before, after in zip(*pair)] for pair in pairwise(column)]
            if any(step != steps[0] for step in steps) or any(abs(by) > 1 for by in steps[0]):
                break
            changes = changes or any(steps[0])
        else:
            last = {digits for each in numbers[-run.period :] for digits in each}
            if changes and not last.intersection(_NUMBER.findall(prompt)):
                return f"count_loop: {run.period} words count {run.repeats} times"
    return None


def filler(text: str, *, code: bool, prompt: str = "") -> str | None:
    """Stubs, generic phrases and web boilerplate. In code a phrase alone, as a docstring may hold,
    is not enough. A stub is the answer where ``prompt`` asks for a skeleton."""
    folded = text.casefold()
    for stub in _held(STUBS, folded):
        if _is_stub(folded, folded.index(stub)) and not _ASKS_FOR_STUB.search(prompt):
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
