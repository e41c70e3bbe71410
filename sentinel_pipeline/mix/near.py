"""Near-duplicates by MinHash: signatures of rows, bands to find candidates by, an estimate of
similarity to decide by.

A row is two sets, what was asked and what was answered, and both must be alike: the same code
under another request teaches another mapping. Each set has ``HALF`` minima (Broder 1997), kept as
their lowest bytes (b-bit minwise hashing, Li and König 2010); bands that hold minima of both
(Indyk and Motwani 1998) are compared as 64-bit hashes. What this module does not do: hold rows, or
decide which of two rows stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .normal import code_of, code_tokens, words

if TYPE_CHECKING:
    import numpy as np

    from ..records import Message

HALF = 64
"""Minima of each of a row's two sets."""
PERMUTATIONS = 2 * HALF
SHINGLE = 3
"""Words of a prompt, or tokens of an answer, that are one element of a row's sets."""
MIN_SHINGLES = 16
"""Rows with fewer are compared exactly only: one changed word makes a short row another row."""
_SEED = 20_260_503


def shingles(
    messages: Sequence[Message], completion: str, tokens: list[str] | None = None
) -> tuple[list[str], list[str]]:
    """What was asked, as words and three words at a time, and what was answered, three tokens at a
    time. Conversations of different turns (a repair trace and its end, say) have nothing in
    common. ``tokens`` are the completion's where they are known already."""
    roles = "".join(turn.role[0] for turn in messages)
    request = [roles]
    for turn in messages:
        turn_words = words(turn.content)
        triples = zip(turn_words, turn_words[1:], turn_words[2:])
        request += [f"{roles} {word}" for word in turn_words]
        request += [f"{roles} {' '.join(triple)}" for triple in triples]
    if tokens is None:
        tokens = code_tokens(code_of(completion))
    triples = zip(tokens, tokens[1:], tokens[2:])
    answer = [" ".join(triple) for triple in triples]
    return request, answer or [" ".join(tokens)]


def signatures(sets: Sequence[tuple[list[str], list[str]]]) -> np.ndarray:
    """``len(sets)`` rows of ``PERMUTATIONS`` 32-bit minima; even columns are of what was asked,
    odd ones of the answer."""
    import numpy as np
    from rensa import RMinHash

    digests = RMinHash.digests_from_token_sets(
        [each for pair in sets for each in pair], HALF, _SEED
    )
    minima = np.array(digests, dtype=np.uint32).reshape(len(sets), 2, HALF)
    return np.ascontiguousarray(minima.transpose(0, 2, 1)).reshape(len(sets), PERMUTATIONS)


def rows_in_band(threshold: float) -> int:
    """Minima a band: 16 bands of 8 find 95 % of pairs that are 0.8 alike, 32 bands of 4 find 99 %
    of those that are 0.6 alike."""
    return 8 if threshold >= 0.8 else 4


def bands(minima: np.ndarray, threshold: float) -> np.ndarray:
    """One 64-bit hash a band, shape (rows, bands); equal bands make two rows candidates for
    near-duplicates."""
    import numpy as np

    width = rows_in_band(threshold)
    parts = minima.reshape(len(minima), PERMUTATIONS // width, width).astype(np.uint64)
    hashed = np.zeros(parts.shape[:2], np.uint64)
    with np.errstate(over="ignore"):
        for column in range(width):
            hashed = (hashed ^ parts[:, :, column]) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(29)
    return hashed


def lowest_bytes(minima: np.ndarray) -> np.ndarray:
    """What is kept of each minimum."""
    import numpy as np

    return (minima & np.uint32(0xFF)).astype(np.uint8)


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of rows of kept bytes, that of the less similar of their two
    sets; equality by chance (1 in 256) is taken off."""
    import numpy as np

    same = (
        (first == second)
        .reshape(*np.broadcast_shapes(first.shape, second.shape)[:-1], HALF, 2)
        .mean(axis=-2)
        .min(axis=-1)
    )
    likeness: np.ndarray = np.clip((same - 1 / 256) / (1 - 1 / 256), 0, 1)
    return likeness
