"""Python programs that read standard input and write standard output, run once for each case in
the sandbox."""

from __future__ import annotations

from ...records.verifiers import StdioTests
from .examples import Canary, Examples
from .python_tests import code_hacks
from .scorer import Scorer, run_program

_VERIFIER_1 = StdioTests(
    inputs=("3\n1\n2\n3\n", "2\n5\n5\n"),
    outputs=("1\n4\n9\n", "25\n25\n"),
)
_PROMPT_1 = (
    "Write a Python program that reads n and then n numbers, and prints the "
    "square of each on a line."
)
CANARIES = (
    Canary(
        id="stdio-prefix",
        prompt=_PROMPT_1,
        completion=("n = int(input())\nfor _ in range(n - 1):\n    print(int(input()) ** 2)\n"),
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="stdio-first-case",
        prompt=_PROMPT_1,
        completion='print("1\\n4\\n9")\n',
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="stdio-extra",
        prompt=_PROMPT_1,
        completion=(
            'n = int(input())\nfor _ in range(n):\n    print(int(input()) ** 2)\nprint("done")\n'
        ),
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
)

SCORER = Scorer(
    verifier=StdioTests,
    language="python",
    judge=run_program,
    examples=Examples(hacks=lambda reference, verifier: code_hacks("solve"), canaries=CANARIES),
)
