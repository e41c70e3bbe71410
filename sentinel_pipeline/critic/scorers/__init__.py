"""The scorers, one module a kind of verifier: its language, how it is judged, its wrong answers,
hacks, defects and canaries.

The union ``records.verifiers.Verifier`` is the only list: the scorer of kind ``K`` is ``SCORER``
of the module ``K`` here, and whatever it runs is judged by the module ``K`` of ``sandbox/judge``.
What this package does not do: score a stream (``score``)."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

from ...records.verifiers import Verifier
from .scorer import Scorer

SCORERS: dict[type[Any], Scorer[Any]] = {
    verifier: import_module(f".{verifier.kind}", __name__).SCORER for verifier in get_args(Verifier)
}
"""Class of a verifier -> its scorer, in the order of the union."""


def scorer_of(verifier: Verifier) -> Scorer[Any]:
    """The scorer of a verifier's kind."""
    return SCORERS[type(verifier)]
