"""Dirty variants of right answers, each with one known defect: real work for the critic, and its
exam.

The defect is recorded as ``planted``, which the critic never reads. Everything secret-like is
drawn at run time: this repository holds no such string. Nothing is executed, and no defect is
claimed that the answer need not have. What is particular to one kind of verifier is in
``critic/scorers``."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from ..critic.scorers import SCORERS
from ..critic.scorers.examples import Examples
from ..records import Candidate, Task
from .shapes import candidate_id

FILLERS = (
    "As a language model I try to be helpful in everything I do. Please note that results may vary. ",
    "I hope this message finds you well! This is a great question, and I am happy to help you with it. ",
    "It is important to remember that there are many ways to see this. In conclusion, it depends. ",
)
PROSE = (
    "You would first look at what is there, then think about what is wanted, and at last write it down step by step.",
    "There are several good ways to do this, and which of them is best depends on what you need it for.",
)


def _examples(task: Task) -> Examples[Any]:
    return SCORERS[type(task.verifier)].examples


def wrong_answer(task: Task, rng: Random) -> str:
    """A well-formed answer that the verifier must refuse."""
    return _examples(task).wrong(task.reference, task.verifier, rng)


def unparsable(task: Task, rng: Random) -> str:
    """A piece of syntax is missing: no parser of the answer's language takes it."""
    return _examples(task).unparsable(task.reference, task.verifier, rng)


def truncated(task: Task, rng: Random) -> str:
    """Cut off between 40 and 80 per cent, at a place where what is left is not a whole answer."""
    text = task.reference
    whole = _examples(task).whole
    cuts = list(range(max(1, len(text) * 2 // 5), max(2, len(text) * 4 // 5)))
    rng.shuffle(cuts)
    parts = (text[:cut] for cut in cuts)
    return next((part for part in parts if not whole(part, task.verifier)), text[:1])


def secret(task: Task, rng: Random) -> str:
    """A right answer that carries something that looks like a credential."""
    return _examples(task).with_secret(task.reference, task.verifier, fake_secret(rng))


def fake_secret(rng: Random) -> str:
    """A random string of a credential's form: an AWS access key, a private-key block, a Hugging
    Face or a GitHub token."""
    letters = string.ascii_letters + string.digits
    kind = rng.randrange(4)
    if kind == 0:
        return "AK" + "IA" + "".join(rng.choices(string.ascii_uppercase + "234567", k=16))
    if kind == 1:
        dashes = "-" * 5
        words = " ".join(("RSA", "PRIVATE", "KEY"))
        lines = [base64.b64encode(rng.randbytes(48)).decode() for _ in range(3)]
        return "\n".join([f"{dashes}BEGIN {words}{dashes}", *lines, f"{dashes}END {words}{dashes}"])
    prefix, length = ("hf" + "_", 34) if kind == 2 else ("gh" + "p_", 36)
    return prefix + "".join(rng.choices(letters, k=length))


def repetitive(task: Task, rng: Random) -> str:
    """The answer, then its last line over and over: a loop that never stopped."""
    last = task.reference.rstrip().split("\n")[-1]
    return "\n".join([task.reference.rstrip(), *[last] * rng.randint(20, 40)])


def filler(task: Task, rng: Random) -> str:
    """Phrases in the place of an answer."""
    return "".join(rng.sample(FILLERS, 2)).strip()


def prose_around(task: Task, rng: Random) -> str:
    """The answer in the midst of unfenced sentences."""
    opening = rng.choice(("Sure, here's what you asked for:", "Of course, that's easily done:"))
    closing = rng.choice(("Tell me if it isn't right.", "Let me know if it doesn't work."))
    return f"{opening}\n{task.reference}\n{closing}"


def prose_instead(task: Task, rng: Random) -> str:
    return rng.choice(PROSE)


def invalid_characters(task: Task, rng: Random) -> str:
    """NUL, the replacement character or a control character in the middle."""
    at = rng.randrange(1, len(task.reference))
    return (
        task.reference[:at]
        + rng.choice(("\x00", "\ufffd", "\ufffd\ufffd", "\x07", "\x1b[0m"))
        + task.reference[at:]
    )


EVERYWHERE: dict[str, Callable[[Task, Random], str]] = {
    "wrong": wrong_answer,
    "unparsable": unparsable,
    "truncated": truncated,
    "secret": secret,
    "repetitive": repetitive,
    "filler": filler,
    "prose_around": prose_around,
    "prose_instead": prose_instead,
    "invalid_characters": invalid_characters,
}
DEFECTS = (
    *EVERYWHERE,
    *(name for scorer in SCORERS.values() for name in scorer.examples.defects),
)


def defects_of(task: Task) -> tuple[str, ...]:
    """The defects that can be planted in an answer to ``task``; none when it has no reference."""
    if not task.reference.strip():
        return ()
    examples = _examples(task)
    general = (name for name in EVERYWHERE if name not in examples.impossible)
    special = (
        name
        for name, defect in examples.defects.items()
        if defect.possible(task.reference, task.verifier)
    )
    return (*general, *special)


def plant(task: Task, defect: str, rng: Random) -> Candidate:
    """One corrupted candidate.

    Args:
        task: has a reference.
        defect: one of ``defects_of(task)``.
        rng: what is drawn, is drawn from it.
    """
    if defect in EVERYWHERE:
        completion = EVERYWHERE[defect](task, rng)
    else:
        special = _examples(task).defects[defect]
        completion = special.plant(task.reference, task.verifier, rng)
    return Candidate(
        id=candidate_id("corrupted", f"{task.id}/{defect}", 0, task.messages, completion),
        source="corrupted",
        messages=task.messages,
        completion=completion,
        category=task.category,
        task_id=task.id,
        verifier=task.verifier,
        planted=defect,
    )


def corrupted(tasks: Iterable[Task], share: float, seed: int) -> Iterator[Candidate]:
    """``share`` variants of each task on average, never two of one defect; streaming, the same for
    the same seed."""
    for task in tasks:
        rng = Random(f"corrupt|{seed}|{task.id}")
        defects = defects_of(task)
        count = min(int(share) + (rng.random() < share % 1), len(defects))
        for defect in rng.sample(defects, count):
            yield plant(task, defect, rng)
