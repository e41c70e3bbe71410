"""Categories, duplicates, decontamination, and the mix built from tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sentinel_pipeline.mix.build import build_mix
from sentinel_pipeline.mix.categories import category_of
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.dedup import deduplicate
from sentinel_pipeline.mix.normal import code_form
from sentinel_pipeline.records import Candidate, Message, PythonTests, RepairTrace, Row, Task
from sentinel_pipeline.records.data_spec import MixSpec
from sentinel_pipeline.store import write_parquet

CODE = "def total(values):\n    result = 0\n    for value in values:\n        result += value * 3\n    return result\n"
SAME = (
    'def total(values):\n    """Sum."""\n    result=0  # start\n\n'
    "    for value in values: result += value*3\n    return result\n"
)
RENAMED = "def agg(xs):\n    acc = 0\n    for item in xs:\n        acc += item * 3\n    return acc\n"


def _candidate(prompt: str, completion: str, name: str = "c", **rest: object) -> Candidate:
    return Candidate(id=name, source="test", messages=(Message("user", prompt),), completion=completion, **rest)  # type: ignore[arg-type]


def _row(name: str, prompt: str, completion: str) -> Row:
    return Row(id=name, category="x", messages=(Message("user", prompt),), completion=completion, origin="candidate")


@pytest.mark.parametrize(
    ("prompt", "completion", "category"),
    [
        ("Sum the values times three.", CODE, "executable_code"),
        ("Sum it", "```typescript\nlet x = 1\n```", "executable_code"),
        ("Fix this:\n```python\ndef f(: pass\n```", f"```python\n{CODE}```", "code_editing"),
        ("Change a to b", "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n", "code_editing"),
        ("Weather?", '{"name": "weather", "arguments": {"city": "Lima"}}', "tool_use"),
        ("Count the lines", "cat a.txt | wc -l", "devops"),
        ("How do I restart nginx on Ubuntu?", "Use the service manager.", "devops"),
        ("What is a good name for a cat?", "Tom.", "general_chat"),
        ("Continue.", "00:00:01,000 --> 00:00:02,000 Hi\n00:00:03,000 --> 00:00:04,000 there", "audio"),
        ("Read this scanned page", "Lorem", "ocr"),
        ("Chapter one", "It was a long night in the old house. " * 100, "prose"),
    ],
)
def test_categories_are_decided_by_evidence(prompt: str, completion: str, category: str) -> None:
    assert category_of(_candidate(prompt, completion)).category == category


def test_the_sources_word_comes_first() -> None:
    assert category_of(_candidate("Chat", CODE, category="devops")) == ("devops", "given")


def test_exact_and_normalised_duplicates_name_the_row_that_stands() -> None:
    rows = [
        _row("1", "Sum it", CODE),
        _row("2", "Sum it", CODE),
        _row("3", "sum  it!", SAME),
        _row("4", "Sum it", RENAMED),
        _row("5", "Add", CODE),
    ]
    found = [(each.row.id, each.stands_for_it, each.kind) for each in deduplicate(rows)]
    assert found == [
        ("1", None, None),
        ("2", "1", "exact"),
        ("3", "1", "normalised"),
        ("4", None, None),
        ("5", None, None),
    ]


def test_renaming_keeps_builtins_apart() -> None:
    assert code_form(CODE, rename=True) == code_form(RENAMED, rename=True) != code_form(CODE)
    assert code_form("x = sum(y)", rename=True) != code_form("x = max(y)", rename=True)


TASK = Task(
    id="t1",
    suite="s",
    category="executable_code",
    family="f",
    messages=(
        Message(
            "user",
            "Return the sum of all values, each of them taken three times, as one whole number, and zero for an empty list.",
        ),
    ),
    verifier=PythonTests(tests="assert total([1]) == 3", entry_point="total"),
    reference=CODE,
)


@pytest.mark.parametrize(
    ("prompt", "completion", "kind"),
    [
        (TASK.messages[0].content.upper(), "anything", "prompt"),
        ("Something else", CODE.replace("\n", " \n"), "solution"),
        ("Something else", f"Sure:\n```python\n{RENAMED}```", "renamed_solution"),
        ("Please: " + TASK.messages[0].content + " Explain.", "no", "ngrams"),
    ],
)
def test_planted_contamination_is_found_by_kind(prompt: str, completion: str, kind: str) -> None:
    report = decontaminate([_candidate(prompt, completion), _candidate("Clean", "x = 1", "d")], [TASK])
    assert (report.rows, report.tasks) == (2, 1)
    assert [(hit.id, hit.task_id, hit.suite, hit.kind) for hit in report.hits] == [("c", "t1", "s", kind)]
    assert report.to_json()["by_kind"] == {kind: 1}
    assert "| c | t1 | s |" in report.to_markdown()


def test_shared_wording_is_no_contamination() -> None:
    wording = "Write a Python function that takes a list of whole numbers and gives back the {} of them as a number."
    tasks = [
        replace(TASK, id=str(n), messages=(Message("user", wording.format(word)),), reference="x")
        for n, word in enumerate(("sum", "mean", "mode", "range"))
    ]
    assert decontaminate([_candidate(wording.format("median"), "y")], tasks).hits == ()


def test_short_answers_recur_and_are_no_contamination() -> None:
    assert decontaminate([_candidate("Other", "ls | wc -l")], [replace(TASK, reference="ls | wc -l")]).hits == ()


def _trace(name: str, failed: str, accepted: str) -> RepairTrace:
    messages = (Message("user", f"q{accepted}"), Message("assistant", "bad"), Message("user", "Correct it."))
    return RepairTrace(
        id=name,
        task_id=None,
        category="tool_use",
        failed_id=failed,
        accepted_id=accepted,
        reason="r",
        messages=messages,
        completion="1",
    )


def test_the_mix_leaves_out_banned_rows_duplicates_and_says_so(tmp_path: Path) -> None:
    accepted, repairs = tmp_path / "a.parquet", tmp_path / "r.parquet"
    rows = [_candidate(f"q{n}", "1", f"c{n}", category="tool_use") for n in range(40)]
    rows.append(_candidate("q1", "1", "again", category="tool_use"))
    write_parquet(accepted, (row.to_row() for row in rows), "candidates")
    traces = [_trace("r1", "f1", "c1"), _trace("r0", "f0", "c0"), _trace("r2", "f2", "c2"), _trace("r3", "f3", "c3")]
    write_parquet(repairs, (trace.to_row() for trace in traces), "repairs")
    spec = MixSpec(shares={"tool_use": 1.0}, repair_share=0.05)
    mix = build_mix(accepted, repairs, banned={"c0"}, spec=spec, seed=1)
    ids = [row.id for row in mix.rows]
    assert {"c0", "r0", "again"}.isdisjoint(ids)
    assert (len(ids), sum(name.startswith("r") for name in ids)) == (41, 2)
    report = mix.report.to_json()
    assert (report["banned"], report["duplicates"], report["stands_for"]) == (2, {"exact": 1}, {"c1": 1})
    assert ids == [row.id for row in build_mix(accepted, repairs, banned={"c0"}, spec=spec, seed=1).rows]
