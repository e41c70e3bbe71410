"""Dirty variants of right answers, each with one known defect: real work for the critic, and its exam.

The defect is recorded as ``planted``, which the critic never reads. Everything secret-like is drawn at run time: this
repository holds no such string. Nothing is executed, and no defect is claimed that the answer need not have.
"""

from __future__ import annotations

import ast
import base64
import json
import string
from collections.abc import Callable, Iterable, Iterator
from random import Random

from sentinel_pipeline.records import (
    Candidate,
    GroundedText,
    JsonAnswer,
    PatchApplies,
    PythonTests,
    ShellEffect,
    SqlAnswer,
    Task,
    TextAnswer,
)

from .mutate import wrong
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


def wrong_answer(task: Task, rng: Random) -> str:
    return wrong(task, rng)


def unparsable(task: Task, rng: Random) -> str:
    """A piece of syntax is missing: no parser of the answer's language takes it."""
    if isinstance(task.verifier, PythonTests):
        broken = task.reference.replace(":\n", "\n", 1)
        return task.reference + "\n    ((" if _stands(task, broken) else broken
    if isinstance(task.verifier, PatchApplies):
        return "\n".join(line for line in task.reference.split("\n") if not line.startswith("@@"))
    if isinstance(task.verifier, ShellEffect):
        return f"{task.reference} | '"
    if isinstance(task.verifier, SqlAnswer):
        return f"{task.reference} AND ("
    return task.reference.rstrip()[:-1]


def truncated(task: Task, rng: Random) -> str:
    """Cut off between 40 and 80 per cent, at a place where what is left is not a whole answer."""
    text = task.reference
    cuts = list(range(max(1, len(text) * 2 // 5), max(2, len(text) * 4 // 5)))
    rng.shuffle(cuts)
    return next((text[:cut] for cut in cuts if not _stands(task, text[:cut])), text[:1])


def _stands(task: Task, text: str) -> bool:
    """Whether ``text`` might still be read as a whole answer."""
    if isinstance(task.verifier, PythonTests):
        try:
            ast.parse(task.verifier.prefix + text)
        except SyntaxError:
            return False
        return True
    return isinstance(task.verifier, TextAnswer) and text.strip() in task.verifier.accepted


def secret(task: Task, rng: Random) -> str:
    """A right answer that carries something that looks like a credential."""
    token = fake_secret(rng)
    if isinstance(task.verifier, PythonTests) and not task.verifier.prefix:
        return f'KEY = """{token}"""\n\n\n{task.reference}'
    if isinstance(task.verifier, PythonTests):
        return "\n".join(
            [task.reference.rstrip("\n"), *(f"    # {line}" for line in token.split("\n"))]
        )
    if isinstance(task.verifier, ShellEffect):
        return f"export TOKEN='{token}'; {task.reference}"
    return f"{task.reference}\n{token}"


def fake_secret(rng: Random) -> str:
    """A random string of a credential's form: an AWS access key, a private-key block, a Hugging Face or a GitHub token."""
    letters = string.ascii_letters + string.digits
    kind = rng.randrange(4)
    if kind == 0:
        return "AK" + "IA" + "".join(rng.choices(string.ascii_uppercase + "234567", k=16))
    if kind == 1:
        dashes, words = "-" * 5, " ".join(("RSA", "PRIVATE", "KEY"))
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


def wrong_entry_point(task: Task, rng: Random) -> str:
    """The right code under another name."""
    assert isinstance(task.verifier, PythonTests) and task.verifier.entry_point
    name = task.verifier.entry_point
    return task.reference.replace(
        f"def {name}(", f"def {rng.choice(('solve', 'my_' + name, name + '2'))}("
    )


def bad_hunk(task: Task, rng: Random) -> str:
    """A hunk header whose counts are not those of its body."""
    lines = task.reference.split("\n")
    at = next(index for index, line in enumerate(lines) if line.startswith("@@"))
    head, _, count = lines[at].removesuffix(" @@").rpartition(",")
    lines[at] = f"{head},{int(count) + rng.randint(1, 3)} @@"
    return "\n".join(lines)


def wrong_field(task: Task, rng: Random) -> str:
    """A right value under a wrong name."""
    call = json.loads(task.reference)
    names = call.get("arguments", call)
    old = rng.choice(sorted(names))
    renamed = {(f"{name}_" if name == old else name): value for name, value in names.items()}
    return json.dumps(
        call | {"arguments": renamed} if "arguments" in call else renamed, ensure_ascii=False
    )


def wrong_type(task: Task, rng: Random) -> str:
    """Numbers as text: ``"4,5"`` for 4.5, what a careless reader of Portuguese leaves behind."""

    def loosen(value: object) -> object:
        if isinstance(value, dict):
            return {name: loosen(one) for name, one in value.items()}
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return str(value).replace(".", ",") if is_number else value

    return json.dumps(loosen(json.loads(task.reference)), ensure_ascii=False)


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
SPECIAL: dict[str, Callable[[Task, Random], str]] = {
    "wrong_entry_point": wrong_entry_point,
    "bad_hunk": bad_hunk,
    "wrong_field": wrong_field,
    "wrong_type": wrong_type,
}
DEFECTS = (*EVERYWHERE, *SPECIAL)


def defects_of(task: Task) -> tuple[str, ...]:
    """The defects that can be planted in an answer to ``task``; none when it has no reference."""
    if not task.reference.strip():
        return ()
    verifier = task.verifier
    if isinstance(verifier, PythonTests):
        named = bool(verifier.entry_point) and f"def {verifier.entry_point}(" in task.reference
        return (*EVERYWHERE, *(("wrong_entry_point",) if named else ()))
    if isinstance(verifier, PatchApplies):
        return (*EVERYWHERE, "bad_hunk")
    if isinstance(verifier, JsonAnswer):
        expected = json.loads(verifier.expected)
        names = expected.get("arguments", expected) if isinstance(expected, dict) else None
        numbers = isinstance(names, dict) and any(
            type(value) in (int, float) for value in names.values()
        )
        return (
            *EVERYWHERE,
            *(("wrong_field",) if names else ()),
            *(("wrong_type",) if numbers else ()),
        )
    if isinstance(verifier, TextAnswer):
        return tuple(name for name in EVERYWHERE if name != "unparsable")
    if isinstance(verifier, GroundedText):
        return tuple(name for name in EVERYWHERE if name not in ("unparsable", "truncated"))
    return tuple(EVERYWHERE)


def plant(task: Task, defect: str, rng: Random) -> Candidate:
    """One corrupted candidate.

    Args:
        task: has a reference.
        defect: one of ``defects_of(task)``.
        rng: what is drawn, is drawn from it.
    """
    completion = (EVERYWHERE | SPECIAL)[defect](task, rng)
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
    """``share`` variants of each task on average, never two of one defect; streaming, the same for the same seed."""
    for task in tasks:
        rng = Random(f"corrupt|{seed}|{task.id}")
        defects = defects_of(task)
        count = min(int(share) + (rng.random() < share % 1), len(defects))
        for defect in rng.sample(defects, count):
            yield plant(task, defect, rng)
