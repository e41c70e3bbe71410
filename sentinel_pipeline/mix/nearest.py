"""The training rows that are nearest to a benchmark item: what the model could have learnt it from.

What this module does not do: decide that an item is contaminated (``decontam``), or retire it
(``review.firewall``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from ..records import Row, Task
from .normal import prompt_of, words
from .suite_index import Set, answer_features, prompt_features


class Near(NamedTuple):
    """A row and how much of it is the item's: Jaccard similarity of requests and of answers (names
    apart), 0 to 1."""

    id: str
    similarity: float
    prompt: float
    answer: float
    row: Row


def nearest_rows(task: Task, rows: Iterable[Row], most: int = 5) -> list[Near]:
    """The ``most`` rows that are most like an item, streaming; the larger of the two similarities
    counts, then their sum."""
    features = prompt_features(words(prompt_of(task.messages)))
    answered = answer_features(task.reference)
    best: list[tuple[float, float, int, Near]] = []
    for number, row in enumerate(rows):
        prompt = _jaccard(features, prompt_features(words(prompt_of(row.messages))))
        answer = _jaccard(answered, answer_features(row.completion))
        nearest = Near(row.id, max(prompt, answer), prompt, answer, row)
        entry = (nearest.similarity, prompt + answer, -number, nearest)
        if len(best) < most:
            heapq.heappush(best, entry)
        elif entry[:3] > best[0][:3]:
            heapq.heapreplace(best, entry)
    return [entry[3] for entry in sorted(best, key=lambda entry: entry[:3], reverse=True)]


def _jaccard(first: Set, second: Set) -> float:
    both = len(first | second)
    return len(first & second) / both if both else 0.0
