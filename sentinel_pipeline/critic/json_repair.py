"""Reading one JSON value that is almost JSON, by one pass over the text; every departure from JSON
is named.

Read so: numbers as Brazil writes them, comments, trailing commas, single and typographic quotes,
unquoted keys, Python's literals and tuples, raw control characters in strings. A comma is a decimal
comma only where an object's member expects its value, and never inside an array. What this module
does not do: close what was cut off unless it is asked to, add a missing comma, colon or quote, or
choose what a key or a string might have meant.
"""

from __future__ import annotations

import re
from typing import Any

from .json_text import QUOTES, Cut, NotJson, read_string
from .numbers import FORM, Number, number_of

MAX_DEPTH = 100
_MEMBER = re.compile(
    r"""\s*(?:"([^"\\\x00-\x1f]*)"|'([^'\\\x00-\x1f]*)'|([^\W\d][\w$-]*))\s*:\s*"""
    r"""(?:"([^"\\\x00-\x1f]*)"|'([^'\\\x00-\x1f]*)'|(-?(?:0|[1-9]\d{0,15}))([.,]\d{1,300})?|(true|false|null|True|False|None))"""
    r"""\s*(?:,(?=\s*["'\w])(?!\s*\d)|(,?)\s*(}))"""
)
"""A plain member, up to its comma or the object's end: most members, in one step. What follows it
says what its comma was."""
_ITEM = re.compile(
    r'\s*(?:"([^"\\\x00-\x1f]*)"|(-?(?:0|[1-9]\d{0,15}))(\.\d{1,300})?(?![.\d])|(true|false|null))\s*(?:,(?!\s*\])|(\]))'
)
"""The same for an item of an array, where a comma is a comma."""
_PLAIN_KEY = re.compile(
    r"""\s*(?:"([^"\\\x00-\x1f]*)"|'([^'\\\x00-\x1f]*)'|([^\W\d][\w$-]*))\s*:\s*"""
)
_BLANK = re.compile(r"\s*")
_COMMENT = re.compile(r"//[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/))*\*/")
_KEY = re.compile(r"[^\W\d][\w$-]*")
_WORD = re.compile(r"[A-Za-z]+")
_WORDS: dict[str, tuple[Any, str | None]] = {
    "true": (True, None),
    "false": (False, None),
    "null": (None, None),
    "True": (True, "python_literal"),
    "False": (False, "python_literal"),
    "None": (None, "python_literal"),
    "NaN": (None, "not_a_number"),
    "nan": (None, "not_a_number"),
    "undefined": (None, "undefined"),
}
_SIMPLE: dict[str, Any] = {"true": True, "false": False, "null": None}


class Mender:
    """One attempt to read a value; ``names`` and ``meant`` are what it found out on the way."""

    __slots__ = ("meant", "names", "repair", "text")

    def __init__(self, text: str, *, repair: bool = False) -> None:
        self.text = text
        self.repair = repair
        self.names: dict[str, None] = {}
        self.meant = False
        """A key and its colon were read, or brackets without end: this was meant, and nothing
        inside of it is the answer instead."""

    def value(self, at: int, depth: int = 0, *, member: bool = True) -> tuple[Any, int]:
        """The value that begins at ``at`` and where it ends; ``member`` says that a comma may be a
        decimal one.

        Raises:
            NotJson: there is none, or it is too deep.
        """
        char = self.text[at : at + 1]
        if char <= " " or char in "/#" or char > "~":
            at = self._blank(at)
            char = self.text[at : at + 1]
        if char == "{":
            return self._object(at + 1, self._deeper(depth))
        if char == "[" or char == "(":
            return self._array(at + 1, "]" if char == "[" else ")", self._deeper(depth))
        if char in QUOTES and char:
            return read_string(self.text, at, self.names)
        return self._scalar(at, member)

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            self.meant = True
            raise NotJson("too_deep")
        return depth + 1

    def _blank(self, at: int) -> int:
        """Past white space and comments."""
        text = self.text
        if text[at : at + 1] in "]},:":
            return at
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]  # matches any text
        while text[at : at + 1] in ("/", "#") and at < len(text):
            comment = _COMMENT.match(text, at)
            if comment is None:
                break
            self.names["comment"] = None
            at = _BLANK.match(text, comment.end()).end()  # type: ignore[union-attr]  # matches any text
        return at

    # -- containers --------------------------------------------------------------------------------

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        try:
            while True:
                member = _MEMBER.match(self.text, at)
                if member is None:
                    at, over = self._odd_member(members, at, depth)
                else:
                    self._plain_member(members, member)
                    at = member.end()
                    self.meant = True
                    over = member[10] is not None
                if over:
                    return members, at
        except Cut:
            self._close()
            return members, len(self.text)

    def _plain_member(self, members: dict[str, Any], member: re.Match[str]) -> None:
        key, single, bare, value, quoted, number, fraction, word, comma, _ = member.groups()
        key = self._name(key, single, bare)
        if value is None:
            if number is not None:
                value = self._plain(number, fraction)
            elif word is not None:
                value, name = _WORDS[word]
                if name:
                    self.names[name] = None
            else:
                value = quoted
                self.names["single_quotes"] = None
        if comma:
            self.names["trailing_comma"] = None
        if key in members:
            self.names["duplicate_key"] = None
        members[key] = value

    def _name(self, double: str | None, single: str | None, bare: str) -> str:
        if double is not None:
            return double
        self.names["unquoted_key" if single is None else "single_quotes"] = None
        return bare if single is None else single

    def _plain(self, whole: str, fraction: str | None) -> int | float:
        if fraction is None:
            return int(whole)
        if fraction[0] == ",":
            self.names["decimal_comma"] = None
        return float(f"{whole}.{fraction[1:]}")

    def _odd_member(self, members: dict[str, Any], at: int, depth: int) -> tuple[int, bool]:
        plain = _PLAIN_KEY.match(self.text, at)
        if plain is not None:
            key = self._name(*plain.groups())
            at = plain.end()
        else:
            at = self._blank(at)
            if self.text.startswith("}", at):
                if members:
                    self.names["trailing_comma"] = None
                return at + 1, True
            key, at = self._key(at)
            at = self._blank(at)
            if not self.text.startswith(":", at):
                raise self._wrong("':'", at)
            at += 1
        self.meant = True
        value, at = self.value(at, depth)
        at = self._blank(at)
        if at >= len(self.text) and not isinstance(value, (dict, list, str)):
            raise self._wrong("',' or '}'", at)
        if key in members:
            self.names["duplicate_key"] = None
        members[key] = value
        return self._after(at, "}")

    def _key(self, at: int) -> tuple[str, int]:
        quote = self.text[at : at + 1]
        if quote in QUOTES and quote:
            return read_string(self.text, at, self.names)
        word = _KEY.match(self.text, at)
        if word is None:
            raise self._wrong("a key", at)
        self.names["unquoted_key"] = None
        return word[0], word.end()

    def _array(self, at: int, close: str, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        if close == ")":
            self.names["python_literal"] = None
        try:
            while True:
                item = _ITEM.match(self.text, at) if close == "]" else None
                if item is None:
                    at, over = self._odd_item(items, at, close, depth)
                else:
                    value, number, fraction, word, ended = item.groups()
                    if value is None:
                        value = _SIMPLE[word] if word else self._plain(number, fraction)
                    items.append(value)
                    at = item.end()
                    over = bool(ended)
                if over:
                    return items, at
        except Cut:
            self._close()
            return items, len(self.text)

    def _odd_item(self, items: list[Any], at: int, close: str, depth: int) -> tuple[int, bool]:
        at = self._blank(at)
        if self.text.startswith(close, at):
            if items and close == "]":
                self.names["trailing_comma"] = None
            return at + 1, True
        value, at = self.value(at, depth, member=False)
        at = self._blank(at)
        if at >= len(self.text) and not isinstance(value, (dict, list, str)):
            raise self._wrong("','", at)
        items.append(value)
        return self._after(at, close)

    def _after(self, at: int, close: str) -> tuple[int, bool]:
        """Past the comma or the end of the container."""
        char = self.text[at : at + 1]
        if char != "," and char != close:
            raise self._wrong(f"',' or '{close}'", at)
        return at + 1, char == close

    def _close(self) -> None:
        """What was cut off inside is left out, since nobody knows how it would have gone on."""
        if not self.repair:
            raise Cut("truncated: the text ends inside a value")
        self.names["truncated"] = None

    # -- scalars -----------------------------------------------------------------------------------

    def _scalar(self, at: int, member: bool) -> tuple[Any, int]:
        form = FORM.match(self.text, at)
        if form is not None:
            return self._number(form, member)
        word = _WORD.match(self.text, at)
        if word is None or word[0] not in _WORDS:
            raise self._wrong(
                "a value", word.end() if word and word.end() == len(self.text) else at
            )
        value, name = _WORDS[word[0]]
        if name:
            self.names[name] = None
        return value, word.end()

    def _number(self, form: re.Match[str], member: bool) -> tuple[int | float, int]:
        core = form["core"]
        end = form.end()
        match = None
        if not member and "," in core:
            if form["currency"]:
                raise NotJson(
                    f"ambiguous_number: a currency's comma inside an array at character {form.start()}"
                )
            core, end = core.partition(",")[0], form.start("core") + core.index(",")
        elif "," in core and self._is_key(end):
            core, end = self._before_key(core, form)
        if core[-1:] == ",":
            core, end = core.rstrip(","), form.start("core") + len(core.rstrip(","))
        if core and end < form.end("core"):
            shorter = FORM.fullmatch(self.text[form.start() : end])
            match = number_of(shorter, core) if shorter else None
        elif core:
            match = number_of(form, core)
        if match is None or self.text[end : end + 1].isalnum():
            raise NotJson(f"not_json: no number at character {form.start()}")
        self._note(match)
        return match.value, end

    def _is_key(self, end: int) -> bool:
        return self.text.startswith(":", _BLANK.match(self.text, end).end())  # type: ignore[union-attr]  # matches any text

    @staticmethod
    def _before_key(core: str, form: re.Match[str]) -> tuple[str, int]:
        """``1,2: 3``: the last comma separates members, what follows it is a key."""
        head = core.rpartition(",")[0]
        return head, form.start("core") + len(head)

    def _note(self, number: Number) -> None:
        for name in number.leniencies:
            self.names[name] = None

    def _wrong(self, expected: str, at: int) -> NotJson:
        if at >= len(self.text):
            return Cut("truncated: the text ends inside a value")
        return NotJson(f"not_json: expected {expected} at character {at}")
