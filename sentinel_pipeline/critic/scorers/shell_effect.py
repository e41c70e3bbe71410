"""A shell command, run in the sandbox: what it prints and what it leaves in a prepared tree is
compared."""

from __future__ import annotations

import re
from random import Random

from ...records.verifiers import ShellEffect
from .examples import Canary, Examples
from .scorer import Finding, Reading, Run, Scorer, problem_of

_FILE_NAME = re.compile(r"\b[\w/]+\.\w+\b")


def _judge(reading: Reading, verifier: ShellEffect) -> Finding:
    """A command that our parser refuses is run all the same: the shell itself decides."""
    return problem_of(reading) or Run(str(reading.code), verifier)


# -- examples -------------------------------------------------------------------------------------


def _wrong_command(reference: str, verifier: ShellEffect, rng: Random) -> str:
    """Prints a word too much, or names a file that is not there."""
    name = _FILE_NAME.search(reference)
    if name is None or rng.random() < 0.5:
        return f"{reference} && echo done"
    return f"{reference[: name.end() - 1]}{reference[name.end() :]}"


_VERIFIER_1 = ShellEffect(
    files={"a.txt": "one\ntwo\n", "b.txt": "three\n"},
    stdout="3\n",
)
_PROMPT_1 = "Count the lines of all text files together by one shell command."
CANARIES = (
    Canary(
        id="shell-wrong",
        prompt=_PROMPT_1,
        completion="cat a.txt | wc -l",
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="shell-extra",
        prompt=_PROMPT_1,
        completion="cat *.txt | wc -l; echo done",
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="shell-side-effect",
        prompt=_PROMPT_1,
        completion="cat *.txt | wc -l; rm b.txt",
        verifier=_VERIFIER_1,
        reasons=("files_differ",),
    ),
    Canary(
        id="shell-unknown",
        prompt=_PROMPT_1,
        completion="countlines *.txt",
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
)

SCORER = Scorer(
    verifier=ShellEffect,
    language="shell",
    quotes=True,
    judge=_judge,
    examples=Examples(
        wrong=_wrong_command,
        unparsable=lambda reference, verifier, rng: f"{reference} | '",
        with_secret=lambda reference, verifier, secret: f"export TOKEN='{secret}'; {reference}",
        canaries=CANARIES,
    ),
)
