"""Modules of several functions that build on each other, in Python and TypeScript, from words or
from stubs with docstrings. The level is how many functions there are beside the last.

Expected values come from callables, never from running the reference's text.
"""

from __future__ import annotations

import json
from random import Random

from ...records import PythonTests, ScriptTests, Verifier
from ..families.family import Draft, Family, ask
from .material import Step, compositions, draw_steps, fenced, lists, parted, steps_of, through

LEVELS = (1, 6)


def chained(steps: list[Step]) -> str:
    """``c(b(a(xs)))``."""
    text = "xs"
    for step in steps:
        text = f"{step.name}({text})"
    return text


def generate(composition: str, rng: Random) -> Draft:
    _, kind, parts = parted(composition)
    steps = steps_of([*parts, "sum"], rng)
    name = steps.pop().name  # of the function that calls the others
    inner = steps[:-1]
    python = kind != "typescript"
    language = "Python" if python else "TypeScript"
    if python:
        code = "\n\n".join(step.python() for step in steps)
        code += f"\n\ndef {name}(xs):\n    return {chained(steps)}"
    else:
        code = "\n".join(step.script() for step in inner) + "\n" + steps[-1].script("number")
        code += f"\nfunction {name}(xs: number[]): number {{\n  return {chained(steps)};\n}}"
    whole = f"what {' and then '.join(step.name for step in steps)} give, each for what the one before it gives, beginning with xs"
    if kind == "stubs":
        stubs = "\n\n".join(
            f'def {step}(xs):\n    """Return {words}."""'
            for step, words in [*((step.name, step.words) for step in steps), (name, whole)]
        )
        prompt = f"Complete this Python module. xs is a list of whole numbers.\n\n{fenced(stubs, 'python')}"
    else:
        listing = "\n".join(
            f"- {step}: {words}"
            for step, words in [*((step.name, step.words) for step in steps), (name, whole)]
        )
        prompt = f"Write these {language} functions of one argument xs, a list of whole numbers. Each returns:\n{listing}"
    calls = []
    for values in lists(rng):
        calls += [(step.name, values, step.apply(values)) for step in steps]
        calls.append((name, values, through(steps, values)))
    verifier: Verifier
    if python:
        tests = "\n".join(f"assert {call}({values}) == {result}" for call, values, result in calls)
        verifier = PythonTests(tests=tests, entry_point=name)
    else:
        lines = ["import { strict as assert } from 'node:assert';"]
        lines += [
            f"assert.deepEqual({call}({json.dumps(values)}), {json.dumps(result)});"
            for call, values, result in calls
        ]
        verifier = ScriptTests(tests="\n".join(lines) + "\n", entry_point=name)
    return Draft(ask(prompt), code, verifier)


FAMILY = Family(
    "modules",
    "executable_code",
    compositions("modules", LEVELS, ("python", "typescript", "stubs"), draw_steps),
    generate,
    levels=LEVELS,
)
