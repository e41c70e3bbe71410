"""TypeScript and JavaScript code that is run under tests of its language in the sandbox."""

from __future__ import annotations

import re

from ...records.verifiers import ScriptTests
from ..extract import script_defines
from .examples import Canary, Examples
from .scorer import Scorer, run_program

_COMMENT = re.compile(r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/")
_DEFINITION = re.compile(r"(?:export\b|function\b|class\b|const\b)")


def compose(code: str, verifier: ScriptTests) -> str:
    """The whole program. What defines the entry point is one already, after whatever the prefix
    defines before it; anything else continues the prefix."""
    name = verifier.entry_point
    if not verifier.prefix or (name is None and _DEFINITION.match(code)):
        return code
    defines = script_defines(name) if name else None
    if defines is None or not defines.search(code):
        return verifier.prefix + code
    in_prefix = defines.search(verifier.prefix)
    before = verifier.prefix[: in_prefix.start()] if in_prefix else ""
    return before + code if _COMMENT.sub("", before).strip() else code


_VERIFIER_1 = ScriptTests(
    tests=(
        "import { strict as assert } from 'node:assert';\n"
        "assert.deepEqual(double([1, 2]), [2, 4]);\n"
        "assert.deepEqual(double([]), []);\n"
    ),
    entry_point="double",
)
_PROMPT_1 = "Write a TypeScript function double that doubles every number of an array."
CANARIES = (
    Canary(
        id="script-wrong",
        prompt=_PROMPT_1,
        completion=(
            "function double(values: number[]): number[] {\n"
            "  return values.map((value) => value + 2);\n}\n"
        ),
        verifier=_VERIFIER_1,
        reasons=("assertion",),
    ),
    Canary(
        id="script-prefix",
        prompt=_PROMPT_1,
        completion=(
            "function double(values: number[]): number[] {\n"
            "  return values.slice(0, 1).map((value) => value * 2);\n}\n"
        ),
        verifier=_VERIFIER_1,
        reasons=("assertion",),
    ),
    Canary(
        id="script-throws-away",
        prompt=_PROMPT_1,
        completion=(
            "function double(values: number[]): any {\n"
            "  return { valueOf: () => [2, 4], length: 2 };\n}\n"
        ),
        verifier=_VERIFIER_1,
        reasons=("assertion",),
    ),
)

SCORER = Scorer(
    verifier=ScriptTests,
    language="typescript",
    judge=run_program,
    entry_point=lambda verifier: verifier.entry_point,
    whole=compose,
    dialect=lambda verifier: verifier.language,
    examples=Examples(canaries=CANARIES),
)
