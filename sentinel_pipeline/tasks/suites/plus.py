"""HumanEval+ and MBPP+ as suites: EvalPlus's releases, or the hub's rows that hold whole tests. The
formats are ``evalplus``'s."""

from __future__ import annotations

from dataclasses import replace

from ...records import Message, PythonTests, Task
from . import evalplus, humaneval, mbpp
from .rows import SuiteRow


def humaneval_plus(row: SuiteRow) -> Task:
    """A HumanEval task with more tests."""
    checked = (
        evalplus.verifier(row)
        if evalplus.fits(row)
        else evalplus.without_numpy(humaneval.verifier(row))
    )
    return _task(
        row,
        "humaneval_plus",
        humaneval.ASK + checked.prefix,
        checked,
        row.text("canonical_solution", "", empty=True),
    )


def mbpp_plus(row: SuiteRow) -> Task:
    """An MBPP task with more tests. A release's prompt is a docstring with a sentence and one
    assert; the sentence is asked."""
    if not evalplus.fits(row):
        checked = evalplus.mbpp_verifier(row)
        return _task(row, "mbpp_plus", mbpp.prompt(row, checked), checked, mbpp.solution(row))
    checked = replace(evalplus.verifier(row), prefix="")
    sentence = row.text("prompt").strip().strip('"').partition("\nassert")[0].strip()
    prompt = f"{sentence}\nName the function {checked.entry_point}."
    return _task(row, "mbpp_plus", prompt, checked, row.text("canonical_solution"))


def _task(row: SuiteRow, suite: str, prompt: str, checked: PythonTests, reference: str) -> Task:
    return Task(
        id=str(row.fields.get("task_id", row.line)),
        suite=suite,
        category="executable_code",
        family=suite,
        messages=(Message("user", prompt),),
        verifier=checked,
        reference=reference,
    )
