"""Unit-test repair: a Python module and its failing tests, answered by the corrected module. The
level is how many functions there are; half of them, rounded up, are wrong.

Expected values come from callables, never from running the reference's text.
"""

from __future__ import annotations

from random import Random

from ...records import PythonTests
from ..families.family import Draft, Family, ask
from .bugs import KINDS, asserts, planted
from .material import compositions, draw_steps, fenced, lists, parted, steps_of

LEVELS = (1, 6)


def generate(composition: str, rng: Random) -> Draft:
    level, kind, parts = parted(composition)
    steps = steps_of(parts, rng)
    places = rng.sample(range(len(steps)), (level + 1) // 2)
    bugs = {at: planted(steps[at], kind, lists(rng), rng) for at in sorted(places)}
    standing = [bugs[at].wrong if at in bugs else step for at, step in enumerate(steps)]
    failures = "\n".join(f"FAILED {bug.failure()}" for bug in bugs.values())
    code = "\n\n".join(step.python() for step in standing)
    prompt = f"Tests of this Python module fail:\n\n{fenced(code, 'python')}\n\n{failures}\n\n"
    prompt += "What each function is meant to return:\n"
    prompt += "\n".join(f"- {step.name}: {step.words}" for step in steps)
    prompt += "\n\nWrite the whole module, corrected."
    right = "\n\n".join(step.python() for step in steps)
    tests = asserts(steps, bugs.values(), rng)
    return Draft(ask(prompt), right, PythonTests(tests=tests, entry_point=steps[-1].name))


FAMILY = Family(
    "fixes",
    "executable_code",
    compositions("fixes", LEVELS, KINDS, draw_steps),
    generate,
    levels=LEVELS,
)
