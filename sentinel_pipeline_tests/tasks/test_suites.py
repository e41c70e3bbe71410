"""Suites: every known one loads, its references answer it, and a malformed file names file, line
and field."""

from __future__ import annotations

import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records import JsonAnswer, PythonTests, Task
from sentinel_pipeline.store import write_jsonl, write_parquet
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.suites.mbpp import EntryPoint, infer_entry_point
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.bench.checking import passes

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "canonical_solution": "    return x / 2\n",
    "entry_point": "half",
    "test": "def check(candidate):\n    assert candidate(4) == 2\n",
}
MBPP = {
    "text": "Write a function to add.",
    "code": "def total(a, b):\r\n  return a + b",
    "task_id": 7,
    "test_setup_code": "",
    "test_list": ["assert total(1, 2) == 3"],
    "challenge_test_list": [],
}


def file_of(folder: Path, *rows: Any, name: str = "suite.jsonl") -> Path:
    path = folder / name
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    return path


def without(row: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != field}


def test_the_smoke_suite_has_eight_tasks_whose_references_pass() -> None:
    tasks = load_suite("smoke")
    assert len(tasks) == 8 and [task.id for task in tasks if not passes(task, task.reference)] == []


def test_an_empty_body_fails_every_smoke_task() -> None:
    assert [task.id for task in load_suite("smoke") if passes(task, "    return None\n")] == []


def test_smoke_ids_and_prompts_are_fixed() -> None:
    """The suite is a yardstick over time: renaming or dropping an item breaks the series."""
    assert [task.id.removeprefix("smoke/") for task in load_suite("smoke")] == [
        "running_totals",
        "longest_word",
        "seconds_of",
        "brackets_match",
        "merge_ranges",
        "write_in_base",
        "group_by_length",
        "spiral",
    ]


def test_humaneval_loads_from_its_original_file(
    benchmarks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    tasks = load_suite("humaneval")
    assert len(tasks) == 164 and tasks[0].id == "HumanEval/0"
    for task in tasks:
        assert isinstance(task.verifier, PythonTests)
        assert (
            task.verifier.prefix in task.messages[0].content
            and task.verifier.tests not in task.messages[0].content
        )


def entry_point(task: Task) -> str | None:
    assert isinstance(task.verifier, PythonTests)
    return task.verifier.entry_point


def test_mbpp_loads_from_its_original_file(
    benchmarks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    tasks = load_suite("mbpp")
    assert len(tasks) == 974 and tasks[0].id == "MBPP/1"
    assert [
        task.id
        for task in tasks
        if f"Name the function {entry_point(task)}." not in task.messages[0].content
    ] == []
    assert [task.id for task in tasks if "assert" in task.messages[0].content.split("\n")[-1]] == []


def test_every_mbpp_entry_point_is_defined_by_its_reference(benchmarks_dir: Path) -> None:
    tasks = load_suite("mbpp", data=benchmarks_dir / "mbpp" / "mbpp.jsonl")
    missing = [task.id for task in tasks if f"{entry_point(task)}" not in task.reference]
    assert missing == []


def test_the_heldout_suite_is_the_task_bank(tmp_path: Path) -> None:
    bank = build(1, {}, {"chat": 5, "edits": 5})
    write_parquet(tmp_path / "heldout.parquet", (task.to_row() for task in bank.heldout), "tasks")
    write_jsonl(tmp_path / "heldout.jsonl", (task.to_row() for task in bank.heldout))
    assert load_suite("heldout", data=tmp_path / "heldout.parquet") == list(bank.heldout)
    assert load_suite("heldout", data=tmp_path / "heldout.jsonl") == list(bank.heldout)


def test_heldout_without_a_bank_says_how_to_make_one() -> None:
    with pytest.raises(BadInput, match="sentinel run RECIPE --until task_bank"):
        load_suite("heldout")


def test_a_table_that_holds_no_tasks_is_bad_input(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", [], "quarantine")
    with pytest.raises(BadInput, match="has no task"):
        load_suite("heldout", data=tmp_path / "x.parquet")
    row = {"file": "a", "line": 1, "reason": "r", "excerpt": "e"}
    write_parquet(tmp_path / "y.parquet", [row], "quarantine")
    with pytest.raises(BadInput, match=r"y\.parquet: not a table of tasks"):
        load_suite("heldout", data=tmp_path / "y.parquet")


BAD_HUMANEVAL: list[tuple[Any, str]] = [
    (
        without(HUMANEVAL, "test"),
        r"field 'test': is missing; expected text. Fields here: canonical_solution, entry_point",
    ),
    (without(HUMANEVAL, "task_id"), "field 'task_id': is missing"),
    (HUMANEVAL | {"prompt": 3}, "field 'prompt': expected text, got int"),
    (
        HUMANEVAL | {"entry_point": "third"},
        "field 'entry_point': 'third' is not defined by the prompt's stub",
    ),
    (HUMANEVAL | {"test": "def check("}, "field 'test': invalid Python"),
    ("{nope", "invalid JSON: Expecting property name"),
    ("[1]", "expected a JSON object, got list"),
]


@pytest.mark.parametrize(("row", "message"), BAD_HUMANEVAL, ids=range(len(BAD_HUMANEVAL)))
def test_a_malformed_humaneval_row_names_file_line_and_field(
    tmp_path: Path, row: Any, message: str
) -> None:
    path = file_of(tmp_path, HUMANEVAL | {"task_id": "HumanEval/1"}, row)
    with pytest.raises(BadInput, match=message) as caught:
        load_suite("humaneval", data=path)
    assert (caught.value.file, caught.value.line) == (path, 2)


BAD_MBPP: list[tuple[Any, str]] = [
    (without(MBPP, "code"), "field 'code': is missing"),
    (without(MBPP, "text"), "field 'prompt': is missing"),
    (
        MBPP | {"test_list": "assert total(1, 2) == 3"},
        "field 'test_list': expected a non-empty list of text, got str",
    ),
    (MBPP | {"test_list": ["assert True"]}, "field 'test_list': the asserts call no function"),
    (MBPP | {"task_id": None}, "field 'task_id': expected a number, got NoneType"),
]


@pytest.mark.parametrize(("row", "message"), BAD_MBPP, ids=range(len(BAD_MBPP)))
def test_a_malformed_mbpp_row_names_its_field(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        load_suite("mbpp", data=file_of(tmp_path, row))
    assert caught.value.line == 1


def test_a_task_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="duplicate task id 'MBPP/7'"):
        load_suite("mbpp", data=file_of(tmp_path, MBPP, MBPP))


def test_an_empty_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no task"):
        load_suite("mbpp", data=file_of(tmp_path))


def test_a_missing_data_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.jsonl: cannot be read: No such file"):
        load_suite("mbpp", data=tmp_path / "gone.jsonl")


def test_a_damaged_gzip_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(HUMANEVAL) + "\n").encode() * 500)[:-30])
    with pytest.raises(BadInput, match=r"is damaged.*Fetch it again|duplicate"):
        load_suite("humaneval", data=path)


def test_a_benchmarks_folder_without_the_file_says_what_it_must_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(tmp_path))
    with pytest.raises(
        BadInput,
        match=r"HumanEval\.jsonl\.gz: is not there.*must name a folder that holds humaneval/",
    ):
        load_suite("humaneval")


def fake_hub(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    monkeypatch.delenv("SENTINEL_BENCHMARKS", raising=False)
    module = types.ModuleType("datasets")
    monkeypatch.setattr(module, "load_dataset", load, raising=False)
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_the_hub_is_asked_when_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(
        name: str, configuration: str | None, *, trust_remote_code: bool
    ) -> dict[str, list[dict[str, Any]]]:
        assert (configuration, trust_remote_code) == (None, False)
        asked.append(name)
        return {"train": [MBPP], "test": [MBPP | {"task_id": 8}]}

    fake_hub(monkeypatch, load)
    assert [task.id for task in load_suite("mbpp")] == ["MBPP/7", "MBPP/8"]
    assert asked == ["google-research-datasets/mbpp"]


def test_without_a_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    fake_hub(monkeypatch, load)
    with pytest.raises(
        Infrastructure,
        match=r"openai/openai_humaneval could not be fetched.*Set SENTINEL_BENCHMARKS.*--data",
    ):
        load_suite("humaneval")


def test_an_unknown_suite_names_the_nearest_known_one() -> None:
    with pytest.raises(BadInput, match=r"unknown suite 'humanevil'. Did you mean 'humaneval'\?"):
        load_suite("humanevil")


def test_a_users_own_suite_is_read(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        {
            "prompt": "Add.",
            "tests": "assert add(1, 2) == 3",
            "reference": "def add(a, b):\n    return a + b",
        },
        {
            "task_id": "json",
            "prompt": "Empty.",
            "verifier": {"kind": "json_answer", "expected": "{}"},
            "family": "mine",
        },
        name="mine.jsonl",
    )
    code, data = load_suite("mine", data=path)
    assert (code.id, code.suite, code.category, code.family) == (
        "mine/1",
        "mine",
        "executable_code",
        "mine",
    )
    assert (
        isinstance(code.verifier, PythonTests)
        and code.verifier.entry_point == "add"
        and passes(code, code.reference)
    )
    assert (data.id, data.category, data.verifier) == (
        "json",
        "tool_use",
        JsonAnswer(expected="{}"),
    )
    assert [task.suite for task in load_suite(str(path))] == ["mine", "mine"]


BAD_OWN: list[tuple[Any, str]] = [
    ({"prompt": "x"}, "field 'verifier': is missing: nothing says how an answer is checked"),
    ({"tests": "assert f(1)"}, "field 'prompt': is missing"),
    ({"prompt": "x", "tests": "assert ("}, "field 'tests': invalid Python"),
    (
        {"prompt": "x", "verifier": {"kind": "magic"}},
        "field 'verifier': kind: unknown kind '.*Known: constraints",
    ),
    (
        {"prompt": "x", "verifier": {"kind": "text_answer", "right": "y"}},
        "right: unknown key",
    ),
    (
        {"prompt": "x", "verifier": {"kind": "fields_answer", "expected": "[1]", "schema": "{}"}},
        "expected is not a JSON object",
    ),
    (
        {
            "prompt": "x",
            "verifier": {
                "kind": "grounded_text",
                "record": "{}",
                "must_mention": ["a"],
                "min_words": "1",
            },
        },
        "min_words",
    ),
    (
        {"prompt": "x", "tests": "assert f(1)", "category": "devop"},
        "'devop' is unknown. Did you mean 'devops'",
    ),
    (
        {"messages": [{"role": "assistant", "content": "x"}], "tests": "assert f(1)"},
        "must end with a user turn",
    ),
]


@pytest.mark.parametrize(("row", "message"), BAD_OWN, ids=range(len(BAD_OWN)))
def test_a_malformed_row_of_ones_own_suite_names_its_field(
    tmp_path: Path, row: Any, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        load_suite("mine", data=file_of(tmp_path, row))
    assert caught.value.line == 1


ENTRY_POINTS: list[tuple[str, str, EntryPoint | None]] = [
    ("assert f(1, 2) == 3", "", EntryPoint("f", 2)),
    ("assert set(f([1])) == set([1])", "", EntryPoint("f", 1)),
    ("assert (f(g(1))) == 3", "def g(x): ...\ndef h(): ...", EntryPoint("g", 1)),
    ("assert helper(f(1)) == 3", "def f(x): ...", EntryPoint("f", 1)),
    (
        "root = Node(1)\nassert height(root) == 3",
        "class Node: ...\ndef height(r): ...",
        EntryPoint("height", 1),
    ),
    ("from math import isclose\nassert isclose(f(1), 2.0)", "", EntryPoint("f", 1)),
    ("import math\nassert math.isclose(f(1), 2.0)", "", EntryPoint("f", 1)),
    ("assert f(1) == 1\nassert f(1, 2) == 2", "", EntryPoint("f", None)),
    ("assert f(*[1, 2]) == 1", "", EntryPoint("f", None)),
    ("assert not f()", "", EntryPoint("f", 0)),
    ("assert sum([1, 2]) == 3", "def sum(x): ...", EntryPoint("sum", 1)),
    ("assert sorted([2, 1]) == [1, 2]", "", None),
    ("assert True", "", None),
    ("assert (", "", None),
]


@pytest.mark.parametrize(
    ("tests", "program", "expected"), ENTRY_POINTS, ids=range(len(ENTRY_POINTS))
)
def test_the_entry_point_is_what_the_asserts_are_about(
    tests: str, program: str, expected: EntryPoint | None
) -> None:
    assert infer_entry_point(tests, program) == expected


@given(tests=st.text(), program=st.text())
@settings(deadline=None)
def test_inferring_an_entry_point_never_raises(tests: str, program: str) -> None:
    assert infer_entry_point(tests, program) is None or "assert" in tests


def test_every_loaded_task_survives_its_row() -> None:
    tasks = load_suite("smoke")
    assert [Task.from_row(task.to_row()) for task in tasks] == tasks
