"""Summaries of a week's report: the totals and extremes that are asked for, in a few sentences that
hold nothing else. The level is how many shops report.

A summary is checked by what it has to name and by what it may not make up. What this module does
not do: judge style.
"""

from __future__ import annotations

import json
from random import Random

from ...records import GroundedText
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (2, 10)
ASKED = {
    "best": "the shop that sold most",
    "worst": "the shop that sold least",
    "total": "how many were sold in all",
    "returns": "the shop with the most returns",
}


def draw(level: int, rng: Random) -> list[str]:
    return sorted(rng.sample(sorted(ASKED), rng.randint(2, 4)), key=list(ASKED).index)


def generate(composition: str, rng: Random) -> Draft:
    level, _, asked = parted(composition)
    shops = rng.sample(WORDS, level)
    sold = dict(zip(shops, rng.sample(range(21, 900), level)))
    returned = dict(zip(shops, rng.sample(range(20), level)))
    answers = {
        "best": max(shops, key=sold.__getitem__),
        "worst": min(shops, key=sold.__getitem__),
        "total": str(sum(sold.values())),
        "returns": max(shops, key=returned.__getitem__),
    }
    sentences = {
        "best": f"Of all the shops, {answers['best']} sold the most.",
        "worst": f"The fewest items were sold by {answers['worst']}.",
        "total": f"In total there were {answers['total']} items in this week.",
        "returns": f"Most of the returns came from {answers['returns']}.",
    }
    report = "\n".join(f"{shop}: {sold[shop]} sold, {returned[shop]} returned" for shop in shops)
    facts = ", ".join(ASKED[name] for name in asked)
    prompt = f"Report of the week:\n{report}\n\nSummarize it in at most 60 words. Say {facts}. "
    prompt += "Name no other shop and no other number."
    verifier = GroundedText(
        record=json.dumps({"answers": [answers[name] for name in asked]}),
        must_mention=tuple(answers[name] for name in asked),
        min_words=6,
        max_words=60,
        shown=prompt,
        language="en",
        call_to_action=False,
    )
    return Draft(ask(prompt), " ".join(sentences[name] for name in asked), verifier)


FAMILY = Family(
    "summaries",
    "general_chat",
    compositions("summaries", LEVELS, ("week",), draw, count=20),
    generate,
    levels=LEVELS,
)
