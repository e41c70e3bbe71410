"""Text in any script, made comparable: one form for letters that look alike, and words where a
script writes none.

Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces; ICU's dictionaries say
where their words end (``icu4py``). Letters that look like Latin ones come from Unicode's list of
confusable characters (``confusable-homoglyphs``). Both are imported when a text first needs them:
ASCII passes through untouched. What this module does not do: change a row; what it returns is
compared, never written.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Runs of letters of scripts that put no spaces between words."""
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Characters that are drawn as nothing: they can be put into any word unnoticed."""


def plain(text: str) -> str:
    """The text as it looks: compatibility forms composed (NFKC), invisible characters dropped,
    letters that look Latin in a word that has Latin letters made Latin."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text))
    return text if text.isascii() else _MIXED.sub(_as_latin, text)


_MIXED = re.compile(
    "[A-Za-z\u0080-\u024f\u0250-\u02af\u0370-\u058f\u13a0-\u13ff\u1d00-\u1dbf\ua4d0-\ua4ff]*"
    "[\u0250-\u02af\u0370-\u058f\u13a0-\u13ff\u1d00-\u1dbf\ua4d0-\ua4ff]"
    "[A-Za-z\u0080-\u024f\u0250-\u02af\u0370-\u058f\u13a0-\u13ff\u1d00-\u1dbf\ua4d0-\ua4ff]*"
)
"""Words with letters of scripts that share shapes with Latin: Greek, Cyrillic, Armenian, Cherokee,
Lisu, phonetic letters."""


def _as_latin(match: re.Match[str]) -> str:
    """A word as Latin, where its letters are Latin or look so; a Greek or Russian word that holds
    a letter of its own stays what it is."""
    word: str = match[0]
    latin = word.translate(_lookalikes())
    return latin if latin.isascii() else word


@cache
def _lookalikes() -> dict[int, str]:
    """Letters outside of ASCII that look like one ASCII letter."""
    from confusable_homoglyphs.confusables import confusables_data

    table: dict[int, str] = {}
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        for entry in confusables_data.get(letter, ()):
            other = entry["c"]
            if len(other) == 1 and other.isalpha() and not other.isascii():
                table.setdefault(ord(other), letter)
    return table


def separate_words(text: str) -> str:
    """The text with spaces between the words of scripts that write none."""
    if text.isascii() or not _UNSPACED.search(text):
        return text
    return _UNSPACED.sub(_words_of_run, text)


def _words_of_run(match: re.Match[str]) -> str:
    from icu4py.breakers import WordBreaker

    return f" {' '.join(WordBreaker(match[0], 'en'))} "
