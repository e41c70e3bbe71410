"""Judging a program that reads standard input: one process for each case, its whole output
compared.

Expected outputs stay in this process. What this module does not do: run the program, or accept a
prefix of the output.
"""

from __future__ import annotations

import os

from ...records import StdioTests
from ..outcomes import Limits, shown
from .finding import Finding
from .python_tests import PASSED, Judgement, in_time, loaded, why_ended
from .sessions import split_frames
from .tools import Tools
from .zygotes import End, Zygote

GUEST = "python"


def judge(
    code: str, verifier: StdioTests, limits: Limits, zygote: Zygote, tools: Tools
) -> Judgement:
    """Grade one program: every case must be right, the first that is not ends the work.

    Raises:
        Lost: the zygote ended; nothing is known about the program.
    """
    cases = list(zip(verifier.inputs, verifier.outputs))
    if not cases or len(verifier.inputs) != len(verifier.outputs):
        counts = f"{len(verifier.inputs)} inputs, {len(verifier.outputs)} outputs"
        return Judgement(Finding("test_error", f"no matching cases: {counts}"), None, False)
    source = code.encode("utf-8", "surrogatepass")
    spent = 0.0
    recycle = False
    for number, (stdin_text, expected) in enumerate(cases, 1):
        finding, end, odd = _one_case(source, stdin_text, expected, limits, zygote)
        spent = spent + end.cpu_seconds
        recycle = recycle or odd
        if finding is not PASSED:
            place = f"case {number} of {len(cases)}: " if len(cases) > 1 else ""
            finding = finding._replace(detail=place + finding.detail)
            break
    return Judgement(finding, end._replace(cpu_seconds=spent), recycle)


def _one_case(
    source: bytes, stdin_text: str, expected_text: str, limits: Limits, zygote: Zygote
) -> tuple[Finding, End, bool]:
    stdin = os.memfd_create("stdin")
    stdout = os.memfd_create("stdout")
    try:
        _fill(stdin, stdin_text.encode("utf-8", "surrogateescape"))
        end, raw, recycle = zygote.run_program(source, stdin, stdout, limits)
        size = os.fstat(stdout).st_size
        printed = os.pread(stdout, min(size, limits.output_kib * 1024 + 1), 0)
    finally:
        os.close(stdin)
        os.close(stdout)
    finding = _how_it_ended(end, raw, limits, size > limits.output_kib * 1024)
    if finding is PASSED:
        expected = expected_text.encode("utf-8", "surrogateescape")
        if meaning(printed) != meaning(expected):
            finding = Finding("output_differs", f"expected {shown(expected)}, got {shown(printed)}")
    return in_time(finding, end, limits), end, recycle


def _fill(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)


def meaning(output: bytes) -> list[bytes]:
    """The lines without white space at their ends, and without empty lines at the end: the rule of
    programming contests."""
    lines = [line.rstrip() for line in output.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _how_it_ended(end: End, raw: bytes, limits: Limits, too_long: bool) -> Finding:
    """Whether the program ended well. It writes this itself: it can only talk itself down."""
    if end.why or end.status or too_long:
        return why_ended(end, limits, too_long)
    answers = split_frames(raw)
    return (loaded(answers[0]) if answers else None) or PASSED
