"""Refactors over several files, answered by a unified diff: a function is renamed wherever it is
called, or gets a further argument. The level is the number of files that call it.

The files that must result are known exactly.
"""

from __future__ import annotations

from random import Random

from ...records import PatchApplies
from ..families.family import Draft, Family, ask
from .material import OPERATIONS, WORDS, compositions, diff_of, fenced, parted, steps_of

LEVELS = (1, 5)
KINDS = ("rename", "argument")


def draw(level: int, rng: Random) -> list[str]:
    """What the function does, and what is done to its result in each file."""
    return rng.sample(sorted(OPERATIONS), level + 1)


def generate(composition: str, rng: Random) -> Draft:
    _, kind, parts = parted(composition)
    steps = steps_of(parts, rng)
    moved = steps[0]
    new = rng.choice([word for word in WORDS if word not in {step.name for step in steps}])
    extra = rng.randint(2, 9)
    before = {"core.py": moved.python()}
    after = {"core.py": moved.python().replace(f"def {moved.name}(", f"def {new}(")}
    order = f"Rename the function {moved.name} to {new} wherever it is written."
    called = f"{new}(xs)"
    if kind == "argument":
        after = {"core.py": moved.python().replace("(xs):", f"(xs, {new}):", 1)}
        order = (
            f"Give the function {moved.name} a second argument, {new}, which it does not use yet, "
            f"and pass {extra} for it in every call."
        )
        called = f"{moved.name}(xs, {extra})"
    for number, step in enumerate(steps[1:], start=1):
        text = (
            f"from core import {moved.name}\n\n\ndef {step.name}(xs):\n    xs = {moved.name}(xs)\n"
        )
        text += f"    return {step.operation.python.format(k=step.k)}\n"
        path = f"use{number}.py"
        before[path] = text
        after[path] = text.replace(f"xs = {moved.name}(xs)", f"xs = {called}")
        if kind == "rename":
            after[path] = after[path].replace(f"import {moved.name}", f"import {new}")
    shown = "\n\n".join(f"{path}:\n{fenced(text, 'python')}" for path, text in before.items())
    prompt = f"{shown}\n\n{order} Answer with a unified diff."
    return Draft(ask(prompt), diff_of(before, after), PatchApplies(files=before, expected=after))


FAMILY = Family(
    "refactors",
    "code_editing",
    compositions("refactors", LEVELS, KINDS, draw),
    generate,
    levels=LEVELS,
)
