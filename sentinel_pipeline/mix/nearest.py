"""What is nearest: training rows to a benchmark item, and items of a suite to texts that a person wrote.

The first explains a failed item; the second finds the items that a correction retires from later gates. What this
module does not do: decide that an item is contaminated (``decontam``), or retire it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..records import Candidate, Row, Task
from .normal import prompt_of, words
from .suite_index import Hit, Set, SuiteIndex, answer_features, prompt_features


class Near(NamedTuple):
    """A row and how much of it is the item's: Jaccard similarity of requests and of answers (names apart), 0 to 1."""

    id: str
    similarity: float
    prompt: float
    answer: float
    row: Row


def nearest_rows(task: Task, rows: Iterable[Row], most: int = 5) -> list[Near]:
    """The ``most`` rows that are most like an item, streaming; the larger of the two similarities counts, then their sum."""
    asked = prompt_features(words(prompt_of(task.messages)))
    answered = answer_features(task.reference)
    best: list[tuple[float, float, int, Near]] = []
    for number, row in enumerate(rows):
        prompt = _jaccard(asked, prompt_features(words(prompt_of(row.messages))))
        answer = _jaccard(answered, answer_features(row.completion))
        found = Near(row.id, max(prompt, answer), prompt, answer, row)
        entry = (found.similarity, prompt + answer, -number, found)
        if len(best) < most:
            heapq.heappush(best, entry)
        elif entry[:3] > best[0][:3]:
            heapq.heapreplace(best, entry)
    return [entry[3] for entry in sorted(best, key=lambda entry: entry[:3], reverse=True)]


def near_items(texts: Iterable[Row | Candidate], tasks: Sequence[Task]) -> dict[str, list[Hit]]:
    """Row id -> items of ``tasks`` that the row is, overlaps or is a near-duplicate of; rows without any are absent.

    An item whose request is another's up to a word is found as well: retiring one must retire its twins.
    """
    index = SuiteIndex(tasks)
    twins = [prompt_features(words(prompt_of(task.messages))) for task in tasks]
    numbers = {(task.suite, task.id): number for number, task in enumerate(tasks)}
    found: dict[str, list[Hit]] = {}
    for row in texts:
        hit = index.find(row)
        if hit is None:
            continue
        own = numbers[hit.suite, hit.task_id]
        others = [
            Hit(row.id, task.id, task.suite, "near_prompt", round(score, 4))
            for number, task in enumerate(tasks)
            if number != own and (score := _jaccard(twins[own], twins[number])) >= TWINS
        ]
        found[row.id] = [hit, *others]
    return found


TWINS = 0.7
"""Jaccard similarity from which two items are twins."""


def _jaccard(first: Set, second: Set) -> float:
    both = len(first | second)
    return len(first & second) / both if both else 0.0
