"""The closed word lists that the task families draw from.

Short common words on purpose: a small tokenizer holds each as one token, and the families always write a name after the same
character, so that it stays the *same* token from prompt to answer and a small model can learn to copy it.
Nothing is generated here, and no word carries meaning for a verifier.
"""

from __future__ import annotations

from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words(
    """
    amber apple arrow badge beach berry board brick bridge candle canoe cedar chain cloud coral crane creek crown daisy
    delta eagle ember falcon fence flame forge frost ginger grain hammer harbor honey island ivory jacket kettle lemon
    linen lotus maple marble mirror needle ocean olive orbit pearl pepper pilot planet quartz raven ribbon river rocket
    saddle signal silver stone storm sugar tiger tower velvet
    """
)
ARGUMENTS = ("xs", "ns")
PEOPLE = _words("Ana Ben Carla Davi Elena Gina Hugo Ines Karl Lara Nina Otto")
CITIES = _words("Lima Quito Recife Lisbon Porto Berlin Madrid Paris Rome Oslo Cairo Tokyo")
ITEMS_EN = _words("bread milk rice soap paper glass cheese salt flour tea beans oil")
ITEMS_PT = _words("arroz leite queijo carne vinho papel vidro sal farinha milho suco bolo")


def pick(rng: Random, words: tuple[str, ...], count: int) -> list[str]:
    """``count`` different words, in random order."""
    return rng.sample(words, count)
