"""Problem files of every format: what they load as, how their samples are judged, and what a
malformed one says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.problems import load_problems
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.sandbox import Grader, Program
from sentinel_pipeline_tests.bench.material import (
    FORMATS,
    HUB_MBPP,
    HUMANEVAL,
    MBPP,
    MBPP_PLUS,
    PLUS,
    SANITIZED,
    file_of,
    only,
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_passes_what_is_right_and_fails_what_is_wrong(
    tmp_path: Path, grader: Grader, name: str
) -> None:
    row, right, wrong = FORMATS[name]
    problem = only(tmp_path, row)
    assert problem.id == str(row.get("task_id", row.get("name", 1)))
    codes = [
        problem.reference or problem.prefix + right,
        problem.prefix + right,
        problem.prefix + wrong,
    ]
    results = list(
        grader.grade(Program(id="p", code=code, verifier=problem.verifier) for code in codes)
    )
    assert [result.code for result in results[:2]] == ["passed", "passed"], [
        result.reason for result in results
    ]
    assert results[2].code in {"assertion", "output_differs"}, results[2].reason
    assert {result.trust for result in results} == {"separate"}


def test_all_formats_may_stand_in_one_gzipped_file_in_its_order(tmp_path: Path) -> None:
    rows = [row for row, _, _ in FORMATS.values()]
    problems = load_problems(str(file_of(tmp_path, *rows, name="all.jsonl.gz")))
    ids = (
        "HumanEval/900 HumanEval/901 Mbpp/902 HumanEval/903 904 905 906 HumanEval_907_half mine 10"
    )
    assert " ".join(problems) == ids


def test_a_completion_goes_on_from_the_prompt_only_where_the_format_has_a_stub(
    tmp_path: Path,
) -> None:
    stubs = {name: only(tmp_path, row).prefix for name, (row, _, _) in FORMATS.items()}
    assert {name for name, stub in stubs.items() if stub} == {
        "humaneval",
        "humaneval+ release",
        "mbpp+ release",
        "humaneval+ hub",
        "multipl-e",
    }
    assert stubs["humaneval"] == HUMANEVAL["prompt"]


def test_without_a_reference_there_is_none(tmp_path: Path) -> None:
    assert (
        only(
            tmp_path,
            {key: value for key, value in HUMANEVAL.items() if key != "canonical_solution"},
        ).reference
        == ""
    )


def test_sanitized_mbpp_is_read_as_the_array_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sanitized-mbpp.json"
    path.write_text(json.dumps([SANITIZED, SANITIZED | {"task_id": 907}], indent=4))
    assert list(load_problems(str(path))) == ["905", "907"]
    path.write_text(json.dumps([SANITIZED, {"task_id": 907}], indent=4))
    with pytest.raises(BadInput, match="field 'test': has no tests") as caught:
        load_problems(str(path))
    assert caught.value.line == path.read_text().split("907")[0].count(
        "\n"
    )  # the line before: where its brace stands
    path.write_text("[1]")
    with pytest.raises(BadInput, match="expected a JSON object, got int"):
        load_problems(str(path))
    path.write_text("[}")
    with pytest.raises(BadInput, match="invalid JSON"):
        load_problems(str(path))


def test_a_suite_by_name_is_one_even_beside_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smoke").mkdir()
    monkeypatch.chdir(tmp_path)
    problems = load_problems("smoke")
    assert len(problems) == 8 and all(
        one.reference.startswith(one.prefix) and one.prefix for one in problems.values()
    )


BAD: list[tuple[list[Any], str, int | None]] = [
    (
        [HUMANEVAL, {"task_id": "x", "prompt": "def f(): ..."}],
        "field 'test': has no tests; fields here: prompt, task_id",
        2,
    ),
    (
        [HUMANEVAL, {"question": "?"}],
        "field 'test': has no tests; fields here: question.*Expected a problem file of",
        2,
    ),
    ([HUMANEVAL, HUMANEVAL], "field 'task_id': duplicate id 'HumanEval/900'. Make ids unique", 2),
    ([MBPP, MBPP | {"task_id": "904"}], "field 'task_id': duplicate id '904'", 2),
    ([HUMANEVAL, "{nope"], "invalid JSON", 2),
    ([HUMANEVAL, "[1]"], "expected a JSON object, got list", 2),
    ([HUMANEVAL | {"test": "def check("}], "field 'test': invalid Python", 1),
    (
        [HUMANEVAL | {"task_id": None}],
        "field 'task_id': expected a number or printable text, got None",
        1,
    ),
    ([HUMANEVAL | {"task_id": " "}], "field 'task_id': expected a number or printable text", 1),
    (
        [HUMANEVAL | {"task_id": "a\x1b[2J"}],
        r"field 'task_id': expected a number or printable text, got 'a\\x1b",
        1,
    ),
    (
        [HUMANEVAL | {"task_id": "\ud800"}],
        "field 'task_id': expected a number or printable text",
        1,
    ),
    (
        [MBPP | {"task_id": True}],
        "field 'task_id': expected a number or printable text, got True",
        1,
    ),
    ([PLUS | {"base_input": 3}], "field 'base_input': expected a list of argument lists", 1),
    ([PLUS | {"base_input": [1]}], "field 'base_input': expected a list of argument lists", 1),
    ([PLUS | {"plus_input": {"a": 1}}], "field 'plus_input': expected a list of argument lists", 1),
    (
        [PLUS | {"base_input": [], "plus_input": []}],
        "field 'base_input': expected a non-empty list",
        1,
    ),
    ([PLUS | {"atol": "tiny"}], "field 'atol': expected a number from 0 to 1, got 'tiny'", 1),
    ([PLUS | {"atol": float("inf")}], "field 'atol': expected a number from 0 to 1, got inf", 1),
    ([PLUS | {"canonical_solution": "return ("}], "field 'canonical_solution': invalid Python", 1),
    (
        [MBPP_PLUS | {"task_id": "Mbpp/252", "base_input": [["no number"]]}],
        "field 'base_input': complex",
        1,
    ),
    (
        [MBPP_PLUS | {"task_id": "Mbpp/722", "base_input": [[[1]]]}],
        "field 'base_input': .*do not fit Mbpp/722",
        1,
    ),
    (
        [HUB_MBPP | {"test_list": ["assert True"]}],
        "field 'test_list': the asserts call no function",
        1,
    ),
    (
        [{"task_id": "t", "verifier": {"kind": "text_answer", "accepted": ["x"]}}],
        "field 'verifier': 't' is checked by text_answer, which runs no program. One of: python_tests, stdio_tests",
        1,
    ),
    ([], "holds no problem", None),
    (["", "  "], "holds no problem", None),
]


@pytest.mark.parametrize(("rows", "message", "line"), BAD, ids=range(len(BAD)))
def test_a_malformed_problem_file_names_file_line_and_field(
    tmp_path: Path, rows: list[Any], message: str, line: int | None
) -> None:
    path = file_of(tmp_path, *rows)
    with pytest.raises(BadInput, match=message) as caught:
        load_problems(str(path))
    assert (caught.value.file, caught.value.line) == (path, line)


def test_a_missing_problem_file_names_the_suites() -> None:
    with pytest.raises(
        BadInput,
        match="nowhere.jsonl: no such problem file. Give a file, or one of: smoke, heldout, ",
    ):
        load_problems("nowhere.jsonl")
