"""The closed word lists that the task families draw from.

Short common words on purpose: a small tokenizer holds each as one or two tokens, so a small model can learn to copy them.
Nothing is generated here, and no word carries meaning for a verifier.
"""

from __future__ import annotations

from random import Random

NAMES = tuple(
    """
    able acorn agent alarm amber angle apple apron arrow atlas badge baker banjo basin beach berry blaze board bonus
    brick bridge brush cabin cable camel candle canoe cargo cedar chain chart chest cider clock cloud clover coast
    comet coral cotton crane creek crown daisy delta dough drift eagle earth ember fable falcon feast fence field
    flame flask flint flute forge fossil frost garden ginger glove grain grape gravel hammer harbor hazel heron
    honey island ivory jacket jewel jungle kettle kite ladder lantern lemon level lilac linen lodge lotus magnet
    maple marble meadow melon mirror mosaic motor needle nickel oasis ocean olive onion opal orbit orchid otter
    paddle panel pearl pebble pepper pilot planet plaza pocket pollen pond prism quartz quill radar raven reef
    ribbon river robin rocket saddle salmon shell signal silver spark spiral stone storm sugar summit swan table
    temple thread tiger timber torch tower trail tulip tunnel valley velvet violet walnut willow winter zebra
    """.split()
)
ARGUMENTS = ("xs", "ns", "nums", "items", "values", "data", "row", "seq", "marks", "list1", "points", "sizes")
PEOPLE = tuple(
    "Ana Ben Carla Davi Elena Felix Gina Hugo Ines Joana Karl Lara Marco Nina Otto Paula Rita Sara Tiago Vera".split()
)
CITIES = tuple(
    "Lima Quito Recife Lisbon Porto Berlin Madrid Paris Rome Oslo Cairo Delhi Tokyo Boston Natal Vienna Prague "
    "Dublin Havana Athens".split()
)
ITEMS_EN = tuple("bread milk rice soap paper glass chair lamp shirt coffee cheese salt flour tea beans oil".split())
ITEMS_PT = tuple(
    "arroz leite queijo carne vinho papel vidro mesa sal farinha milho suco bolo peixe azeite sopa".split()
)
ROOMS = ("kitchen", "office", "garage", "studio", "hall", "attic")
ROOMS_PT = ("sala", "cozinha", "quarto", "garagem", "varanda", "oficina")


def pick(rng: Random, words: tuple[str, ...], count: int) -> list[str]:
    """``count`` different words, in random order."""
    return rng.sample(words, count)
