"""A failing test to a patch: several files, of which one or more have a bug, answered by a unified
diff that is applied and tested. The level is the number of files.

The files are run together as one program, in the order of their names. Any patch that makes the
tests pass is right.
"""

from __future__ import annotations

from random import Random

from ...records import PatchApplies
from ..families.family import Draft, Family, ask
from .bugs import KINDS, asserts, planted
from .material import OPERATIONS, compositions, diff_of, fenced, lists, parted, steps_of

LEVELS = (1, 5)


def draw(level: int, rng: Random) -> list[str]:
    """Two functions for each file."""
    return rng.sample(sorted(OPERATIONS), 2 * level)


def generate(composition: str, rng: Random) -> Draft:
    level, kind, parts = parted(composition)
    steps = steps_of(parts, rng)
    stems = sorted(
        rng.sample(("alpha", "bravo", "delta", "gamma", "kappa", "omega", "sigma"), level)
    )
    bugs = {
        at: planted(steps[at], kind, lists(rng), rng)
        for at in sorted(rng.sample(range(len(steps)), (level + 1) // 2))
    }
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for number, stem in enumerate(stems):
        pair = range(2 * number, 2 * number + 2)
        wrong = [bugs[at].wrong if at in bugs else steps[at] for at in pair]
        before[f"{stem}.py"] = "\n\n".join(step.python() for step in wrong)
        after[f"{stem}.py"] = "\n\n".join(steps[at].python() for at in pair)
    shown = "\n\n".join(f"{path}:\n{fenced(text, 'python')}" for path, text in before.items())
    failures = "\n".join(f"FAILED {bug.failure()}" for bug in bugs.values())
    meant = "\n".join(f"- {bug.right.name}: {bug.right.words}" for bug in bugs.values())
    prompt = f"{shown}\n\n{failures}\n\nWhat these are meant to return:\n{meant}\n\nCorrect the files by a unified diff."
    verifier = PatchApplies(files=before, expected={}, tests=asserts(steps, bugs.values(), rng))
    return Draft(ask(prompt), diff_of(before, after), verifier)


FAMILY = Family(
    "repairs",
    "code_editing",
    compositions("repairs", LEVELS, KINDS, draw),
    generate,
    levels=LEVELS,
)
