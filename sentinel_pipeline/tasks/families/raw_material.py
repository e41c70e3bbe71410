"""Documents of the families' raw material, for pretraining: names, syntax and values, and never a
task.

Every document is built from a *training* composition, and none pairs a request with its answer:
code stands without the words that ask for it, a diff without the file, a sentence without its call,
a note without a question. So a base model learns what the material looks like, not to follow the
prompts. Which texts else are read is the recipe's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from . import FAMILIES


def raw_documents(seed: int, count: int) -> Iterator[str]:
    """``count`` documents; the first ``n`` are the same whatever ``count`` is. Functions make up
    four tenths."""
    sides = [(family, family.split(heldout=False)) for family in FAMILIES]
    weights = [4 if family.name == "functions" else 1.5 for family in FAMILIES]
    for index in range(count):
        rng = Random(f"raw|{seed}|{index}")
        family, compositions = rng.choices(sides, weights)[0]
        assert family.raw is not None, "every family of tiny has raw material"
        yield family.raw(rng.choice(compositions), rng)
