"""A source's row as what later stages take: answers to learn from, and tasks for a judge.

What this module does not do: write tables (the task bank does).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..candidates.raw import reference
from ..records import CATEGORIES, Candidate, JudgedAnswer, Task
from .rows import SourceRow


def as_answers(row: SourceRow) -> Iterator[Candidate]:
    """A training row's answers that come to the critic beside the tasks' references."""
    yield from row.answers
    if row.task is not None and not row.scorable and row.task.reference.strip():
        yield reference(row.task)


def as_judged(row: SourceRow) -> Task:
    """A training row that only a judge can rank, as a task: by its rubric, else by the general
    one."""
    if row.task is not None:
        return row.task
    answer = row.answers[-1]
    category = answer.category
    if category is None or category not in CATEGORIES:
        category = JudgedAnswer.category
    return Task(
        id=row.id,
        suite="train",
        category=category,
        family=row.id.partition("/")[0],
        messages=answer.messages,
        verifier=JudgedAnswer(),
        reference=answer.completion,
    )
