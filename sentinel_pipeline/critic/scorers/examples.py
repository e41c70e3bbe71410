"""What a scorer is examined and a critic is exercised with: wrong answers, hacks, defects and
canaries of one kind of verifier.

Wrong answers are certainly wrong by the verifier's expected values, read as data: nothing is
executed. What this module does not do: plant (``candidates.corrupt`` does), or ask the questions
(``audit`` does). Nothing here scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

V = TypeVar("V")

Make = Callable[[str, V, Random], str]
"""Makes an answer of the reference and its verifier; what is drawn, is drawn from the random
numbers."""


class Defect(NamedTuple):
    """A defect that only answers of one kind can have."""

    plant: Make[Any]
    possible: Callable[[str, Any], bool]
    """Whether the reference and its verifier leave room for it."""


class Canary(NamedTuple):
    """An answer of which it is known what it is; ``reasons`` are the codes of which one must
    refuse it, none when it is right."""

    id: str
    prompt: str
    completion: str
    verifier: Any
    reasons: tuple[str, ...] = ()


def other_text(reference: str, verifier: Any, rng: Random) -> str:
    """A sentence that answers nothing."""
    return rng.choice(("It is none of those.", "That was never said.", "You did not tell me."))


def last_character_missing(reference: str, verifier: Any, rng: Random) -> str:
    """Of JSON and its like: the bracket or quote that closes."""
    return reference.rstrip()[:-1]


def secret_below(reference: str, verifier: Any, secret: str) -> str:
    """The reference, then the secret on lines of its own."""
    return f"{reference}\n{secret}"


def _never(text: str, verifier: Any) -> bool:
    return False


def _no_hacks(reference: str, verifier: Any) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples(Generic[V]):
    """Defaults are those of a kind whose answers are text."""

    wrong: Make[V] = other_text
    """A well-formed answer that the verifier must refuse."""
    more_wrong: Callable[[str, V], dict[str, str]] | None = None
    """Wrong answers by name that rewards are examined with in the place of ``wrong``."""
    hacks: Callable[[str, V], dict[str, str]] = _no_hacks
    """What policies find that earn without answering, by name, made of the reference and its
    verifier; each must earn nothing at all."""
    unparsable: Make[V] = last_character_missing
    """No parser of the answer's language takes it."""
    whole: Callable[[str, V], bool] = _never
    """Whether a piece of a reference might still be read as a whole answer."""
    with_secret: Callable[[str, V, str], str] = secret_below
    """A right answer that carries a credential."""
    impossible: frozenset[str] = frozenset()
    """Names of general defects that answers of this kind cannot be given for certain."""
    defects: Mapping[str, Defect] = field(default_factory=dict)
    """Defects of this kind alone, by name."""
    canaries: tuple[Canary, ...] = ()
    """Known answers, right and wrong; ``data/canaries`` holds further ones."""
