"""What a task family is: a closed set of compositions, and a recipe that turns one into a task's
draft.

A composition is what a task is *made of* (``sum|square|even``); names, constants and wording are
drawn freely. Whether a composition trains or is held out is a fixed hash of its own name: no seed,
recipe or count moves one across. This module makes no tasks (``task_bank``) and runs none
(``critic``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ...records import Message, Verifier

HELDOUT_SHARE = 0.2
WINDOW_SHARE = 0.25


class Draft(NamedTuple):
    """A task without its name: the prompt, a gold answer, and how an answer is checked."""

    messages: tuple[Message, ...]
    reference: str
    verifier: Verifier


class Family(NamedTuple):
    """One family. Both functions are pure: same composition and generator state, same result."""

    name: str
    category: str
    """One of ``records.CATEGORIES``."""
    compositions: tuple[str, ...]
    generate: Callable[[str, Random], Draft]
    raw: Callable[[str, Random], str] | None = None
    """A document of the same material with no instruction in it, for pretraining; only the families
    of ``tiny`` have one."""
    levels: tuple[int, int] | None = None
    """Least and most difficult; None: of one difficulty. A composition of a family with levels
    begins with its own: ``3|…``."""

    def level_of(self, composition: str) -> int:
        """1 where the family has no levels."""
        return int(composition.partition("|")[0]) if self.levels else 1

    def split(self, *, heldout: bool) -> tuple[str, ...]:
        """The compositions of one side, in their listed order."""
        return tuple(
            composition
            for composition in self.compositions
            if is_heldout(self.name, composition) == heldout
        )


def is_heldout(family: str, composition: str) -> bool:
    """True for the fixed fifth of the compositions that no training task or raw document may
    use."""
    return _place(f"{family}:{composition}") < HELDOUT_SHARE


def is_window(family: str, composition: str) -> bool:
    """True for the fixed quarter of the held-out compositions that training windows use and no
    suite does."""
    return (
        is_heldout(family, composition) and _place(f"window:{family}:{composition}") < WINDOW_SHARE
    )


def _place(name: str) -> float:
    """A fixed number in [0, 1) of a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def ask(text: str) -> tuple[Message, ...]:
    """A prompt of one user turn."""
    return (Message("user", text),)
