"""The closed word list that every task family draws its names and values from.

Short common words on purpose: a small tokenizer holds each as one token, and the families always
write a name after the same character, so that it stays the *same* token from prompt to answer. One
list for all families: to copy a word is what takes a small model longest to learn, and what it
learns of a word in one family it has in all. Nothing is generated here, and no word carries meaning
for a verifier.
"""

from __future__ import annotations

from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words(
    """
    amber arrow badge beach board bridge candle cedar chain cloud coral crown eagle ember falcon forge frost harbor ivory
    lemon maple mirror ocean olive pearl pilot planet raven river silver stone tiger
    """
)
ARGUMENTS = ("xs", "ns")


def pick(rng: Random, words: tuple[str, ...], count: int) -> list[str]:
    """``count`` different words, in random order."""
    return rng.sample(words, count)
