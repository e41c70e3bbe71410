"""Small honest rules about short English texts, as ``portuguese`` has them: is it English, does it
ask for something, which numbers do its words say.

Closed word lists, no model. What this module does not do: grammar, spelling, or tell British from
American English. The rule of language wants two function words of English and more of them than of
Portuguese and Spanish.
"""

from __future__ import annotations

import re

from .portuguese import PARTS, PORTUGUESE, SPANISH, words_of


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _set(
    """
    the of and is are was were to your you with for on in it its this that these those our we us they their have has had
    be been at by from or not but as an a than then so if when which who will can could should would may there here more
    most about into over under up out all any each only also still
    """
)
_ACTIONS = _set(
    """
    act activate add adjust analyse analyze apply arrange ask assess audit avoid book browse build buy call change check
    choose claim click collect compare complete confirm consider contact cut decrease define discover enjoy ensure
    escalate examine expand explore finish fix focus follow get give grab improve increase inspect investigate join keep
    launch learn look lower maintain measure monitor move must negotiate offer open order plan prepare prioritise
    prioritize propose protect raise reach read recommend reduce redeem refund renegotiate repair replace reply request
    review revise save schedule see seek send set shift shop should simplify start stop suggest switch take talk tell
    test track train try update use verify visit watch work write
    """
)
"""Imperatives and words of advice."""
_UNITS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS: dict[str, float] = (
    {word: value for value, word in enumerate(_UNITS.split(), start=2)}
    | {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
    | {"hundred": 100, "thousand": 1000, "million": 1e6, "half": 0.5, "twice": 2, "triple": 3}
)
"""``one`` is a pronoun first and stands for no number here; nor does ``double``, mostly a verb."""
OPENERS = _set(
    """
    act action again also although apart attention but conclusion currently finally first furthermore good great hello
    here hey hi however if instead last later meanwhile moreover next note now once overall perhaps please
    recommendation second since so still suggestion summary then therefore third though thus today tomorrow
    unfortunately until yes yet
    """
)
"""Words that open a sentence and may stand before a comma or colon without being a name."""
CAPITALS = frozenset({"i", "i'm", "i’m", "i'll", "i’ll", "i've", "i’ve", "i'd", "i’d", "ok"})
"""What English writes with a capital anywhere although it is not a name."""
FRAMES = re.compile(
    r"\A\s*(?:sure|of course|certainly|okay|here(?:['’]s| is| are))\b[^\n]*:\s*\n|\b(?:let me know|tell me) if\b",
    re.IGNORECASE,
)
"""What an assistant says before and after a text, and no part of it."""


def is_english(text: str) -> bool:
    """The rule in this module's docstring; no sentence of the text may have two words of another
    language and fewer of its own."""
    native, foreign = _counts(text)
    parts = (_counts(part) for part in PARTS.split(text))
    return (
        native >= 2
        and native > foreign
        and not any(theirs >= 2 and theirs > ours for ours, theirs in parts)
    )


def _counts(text: str) -> tuple[int, int]:
    """Words that speak for English, and for that other language for which most do."""
    words = words_of(text)
    native = sum(word in _ENGLISH for word in words)
    foreign = max(
        sum(word in other and word not in _ENGLISH for word in words)
        for other in (PORTUGUESE, SPANISH)
    )
    return native, foreign


def asks_for_action(text: str) -> bool:
    """A word of the closed list of imperatives and advice."""
    return any(word in _ACTIONS for word in words_of(text))


def is_action(word: str) -> bool:
    return word.casefold() in _ACTIONS
