"""A unified diff that must apply and give the expected files; tests of the patched code run in the
sandbox."""

from __future__ import annotations

from random import Random
from typing import Any

from ...records.verifiers import PatchApplies, PythonTests
from .. import diffs, syntax
from .examples import Canary, Defect, Examples
from .scorer import Finding, Reading, Run, Scorer, problem_of


def _judge(reading: Reading, verifier: PatchApplies) -> Finding:
    """The patched files must equal ``expected``; an empty ``expected`` beside tests leaves it to
    the tests."""
    problem = problem_of(reading)
    if problem is not None:
        return problem
    patched = diffs.apply_diff(reading.found.value, verifier.files)
    if isinstance(patched, str):
        return patched
    if verifier.expected or not verifier.tests:
        problem = diffs.files_difference(patched, verifier.expected)
        if problem or not verifier.tests:
            return problem
    code = "\n\n".join(patched[path] for path in sorted(patched) if path.endswith(".py"))
    parsed = syntax.check(code, "python")
    if parsed is not None and not parsed.ok:
        return parsed.reason
    return Run(code, PythonTests(tests=verifier.tests))


def _form(value: Any, verifier: PatchApplies) -> str | None:
    patched = diffs.apply_diff(value, verifier.files)
    return patched if isinstance(patched, str) else None


# -- examples -------------------------------------------------------------------------------------


def _wrong_diff(reference: str, verifier: PatchApplies, rng: Random) -> str:
    """Applies cleanly and gives another file: an added line gets a longer value, or another line
    is deleted."""
    lines = reference.split("\n")
    added = [
        at for at, line in enumerate(lines) if line.startswith("+") and not line.startswith("+++")
    ]
    if added:
        at = rng.choice(added)
        lines[at] += rng.choice("0123456789")
        return "\n".join(lines)
    deleted = next(
        at for at, line in enumerate(lines) if line.startswith("-") and not line.startswith("---")
    )
    unchanged = [
        at
        for at, line in enumerate(lines)
        if line.startswith(" ") and line[1:] != lines[deleted][1:]
    ]
    other = rng.choice(unchanged)
    lines[deleted] = " " + lines[deleted][1:]
    lines[other] = "-" + lines[other][1:]
    return "\n".join(lines)


def _no_hunk_headers(reference: str, verifier: PatchApplies, rng: Random) -> str:
    return "\n".join(line for line in reference.split("\n") if not line.startswith("@@"))


def _wrong_counts(reference: str, verifier: PatchApplies, rng: Random) -> str:
    """A hunk header whose counts are not those of its body."""
    lines = reference.split("\n")
    at = next(index for index, line in enumerate(lines) if line.startswith("@@"))
    head, _, count = lines[at].removesuffix(" @@").rpartition(",")
    lines[at] = f"{head},{int(count) + rng.randint(1, 3)} @@"
    return "\n".join(lines)


_VERIFIER_1 = PatchApplies(
    files={"f.txt": "one\ntwo\nthree\n"},
    expected={"f.txt": "one\n2\nthree\n"},
)
CANARIES = (
    Canary(
        id="patch-more-than-asked",
        prompt="Change two to 2 in f.txt. Answer with a unified diff.",
        completion=("--- a/f.txt\n+++ b/f.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n-three\n+3\n"),
        verifier=_VERIFIER_1,
        reasons=("files_differ",),
    ),
    Canary(
        id="patch-other-text",
        prompt="Change two to 2 in f.txt. Answer with a unified diff.",
        completion="--- a/f.txt\n+++ b/f.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+22\n three\n",
        verifier=_VERIFIER_1,
        reasons=("files_differ",),
    ),
)

SCORER = Scorer(
    verifier=PatchApplies,
    language="diff",
    judge=_judge,
    form=_form,
    examples=Examples(
        wrong=_wrong_diff,
        unparsable=_no_hunk_headers,
        defects={"bad_hunk": Defect(_wrong_counts, lambda reference, verifier: True)},
        canaries=CANARIES,
    ),
)
