"""Grading a samples file: what each row becomes, which rows are refused, and what hostile rows
cannot do."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.bench.grade import Refused, Tally, look, read_samples
from sentinel_pipeline.bench.problems import Problem, load_problems
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates import wilson
from sentinel_pipeline.sandbox import Grader
from sentinel_pipeline.sandbox.outcomes import CODES
from sentinel_pipeline_tests.bench.material import (
    HUMANEVAL,
    MBPP,
    MULTIPL_E,
    RIGHT,
    WRONG,
    file_of,
    graded,
    row,
    samples_of,
)

ENDLESS = "    while True:\n        pass\n"


def refused(path: Path, problems: dict[str, Problem]) -> list[tuple[int, str, str]]:
    return [
        (one.line, one.field, one.message)
        for one in read_samples(path, problems)
        if isinstance(one, Refused)
    ]


def test_results_keep_the_samples_order_and_fields_and_add_human_evals(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    rows = [
        row("    import time\n    time.sleep(0.3)\n    return x / 2\n", extra={"temperature": 0.8}),
        row(WRONG),
        row(ENDLESS),
        row("    return x /\n"),
        row("def total(a, b): return a + b", 904),
        {"task_id": "904", "solution": "total = 3"},
    ]
    with Grader(workers=2) as grader:
        tally, results = graded(tmp_path, grader, problems, *rows)
    assert [{key: result[key] for key in given} for result, given in zip(results, rows)] == rows
    assert [result["passed"] for result in results] == [True, False, False, False, True, False]
    assert [result["result"].split(":")[0] for result in results] == [
        "passed",
        "failed",
        "timed out",
        "failed",
        "passed",
        "failed",
    ]
    assert results[1]["result"] == "failed: assertion: half(4): expected 2, got 4"
    assert [result["code"] for result in results][3] == "syntax_error"
    assert [result["problem"] for result in results] == ["HumanEval/900"] * 4 + ["904"] * 2
    assert tally.judged == {"HumanEval/900": 4, "904": 2} and tally.passed == {
        "HumanEval/900": 1,
        "904": 1,
    }
    assert (tally.infra, tally.resumed, sum(tally.codes.values())) == (0, 0, 6)


@pytest.mark.parametrize("asked", [904, "904", "Mbpp/904", "MBPP/904", "mbpp/904"])
@pytest.mark.parametrize("known", [904, "Mbpp/904", "MBPP/904"])
def test_mbpps_ids_are_known_by_all_their_names(tmp_path: Path, asked: Any, known: Any) -> None:
    problems = load_problems(str(file_of(tmp_path, MBPP | {"task_id": known})))
    (sample,) = read_samples(samples_of(tmp_path, row("", asked)), problems)
    assert not isinstance(sample, Refused) and sample.task_id == str(known)


@pytest.mark.parametrize("key", ["task_id", "name"])
@pytest.mark.parametrize("asked", ["HumanEval_907_half", "MultiPL-E/HumanEval_907_half"])
def test_multipl_es_names_are_known_with_and_without_the_suites(
    tmp_path: Path, asked: str, key: str
) -> None:
    (problem,) = load_problems(str(file_of(tmp_path, MULTIPL_E))).values()
    for known in (asked, "HumanEval_907_half", "MultiPL-E/HumanEval_907_half"):
        (sample,) = read_samples(
            samples_of(tmp_path, {key: asked, "completion": ""}), {known: problem}
        )
        assert not isinstance(sample, Refused) and sample.task_id == known


def test_an_exact_id_counts_more_than_an_alias(tmp_path: Path) -> None:
    names: list[Any] = ["Mbpp/904", 904, "a", "A"]
    problems = load_problems(str(file_of(tmp_path, *(MBPP | {"task_id": name} for name in names))))
    found = read_samples(samples_of(tmp_path, *(row("", name) for name in names)), problems)
    assert [one.task_id for one in found if not isinstance(one, Refused)] == [
        str(name) for name in names
    ]


NO_ROWS: list[tuple[Any, str, str]] = [
    (row("", "HumanEval/9"), "task_id", "unknown task 'HumanEval/9'"),
    (row("", None), "task_id", "is missing"),
    ({"completion": ""}, "task_id", "is missing"),
    (row("", True), "task_id", "unknown task 'True'"),
    (row("", 904.0), "task_id", "unknown task '904.0'"),
    (row("", ["HumanEval/900"]), "task_id", "unknown task"),
    (
        row("", "\x1b[2J\u202e\ud800" + "x" * 9999),
        "task_id",
        "unknown task '\\x1b[2J\\u202e\\ud800xxx",
    ),
    (
        {"task_id": "HumanEval/900"},
        "completion",
        "is missing: expected the text of a completion or a solution",
    ),
    (row("") | {"completion": None}, "completion", "is missing"),
    (row("", deep=json.loads("[" * 99 + "]" * 99)), "", ""),
    (row("", deep=json.loads("[" * 100 + "]" * 100)), "", "is nested deeper than 100"),
    ('{"task_id": "HumanEval/900", "deep": ' + "[" * 990 + "]" * 990 + "}", "", "invalid JSON"),
    ('{"task_id": "HumanEval/900", "deep": ' + "[" * 99999 + "]" * 99999 + "}", "", "invalid JSON"),
    ("{" + "9" * 9999, "", "invalid JSON"),
    ('{"task_id": ' + "9" * 9999 + "}", "", "invalid JSON"),
    ("[]", "", "expected a JSON object, got list"),
    ("passed", "", "invalid JSON"),
]


@pytest.mark.parametrize(("given", "field", "message"), NO_ROWS, ids=range(len(NO_ROWS)))
def test_a_bad_row_is_named_and_the_rest_is_graded(
    tmp_path: Path,
    grader: Grader,
    problems: dict[str, Problem],
    given: Any,
    field: str,
    message: str,
) -> None:
    path = samples_of(tmp_path, row(RIGHT), given, "", row(WRONG))
    found = refused(path, problems)
    if not message:
        assert found == []
        return
    ((line, where, why),) = found
    assert (line, where) == (2, field) and message in why and len(why) < 250 and why.isprintable()
    assert [one[:2] for one in look(path, problems).refused] == [(2, field)]
    tally, results = graded(tmp_path, grader, problems, row(RIGHT), given, "", row(WRONG))
    assert [result["passed"] for result in results] == [True, False] and sum(
        tally.codes.values()
    ) == 2


def test_bytes_that_are_no_utf_8_are_a_bad_row(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row(RIGHT)).encode() + b"\r\n\xff\xfe\n")
    assert [(line, field) for line, field, _ in refused(path, problems)] == [(2, "")]
    assert look(path, problems).samples == 1


def test_a_plan_counts_repeats_and_tasks_without_a_sample(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    same = {"task_id": "HumanEval/900", "solution": str(HUMANEVAL["prompt"]) + RIGHT}
    plan = look(
        samples_of(tmp_path, row(RIGHT), row(RIGHT), row(WRONG), same, row(RIGHT, "HumanEval/901")),
        problems,
    )
    assert (plan.samples, plan.repeated, plan.missing, plan.refused) == (
        5,
        2,
        ["904", "broken"],
        [],
    )


def test_samples_of_another_suite_and_an_empty_file_are_bad_input(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    with pytest.raises(
        BadInput, match=r"no sample can be graded; the first: unknown task 'x/1'.*of another suite"
    ) as caught:
        look(samples_of(tmp_path, row("", "x/1"), row("", "x/2")), problems)
    assert (caught.value.line, caught.value.field) == (1, "task_id")
    for rows in ([], ["", " "]):
        with pytest.raises(BadInput, match=r"no sample can be graded: the file is empty\.$"):
            look(samples_of(tmp_path, *rows), problems)


def test_a_damaged_gzip_is_bad_input(tmp_path: Path, problems: dict[str, Problem]) -> None:
    path = tmp_path / "s.jsonl.gz"
    whole = gzip.compress((json.dumps(row(os.urandom(3000).hex())) + "\n").encode() * 40)
    for damaged in (
        whole[:-20],
        whole[: len(whole) // 2] + b"\0" * 99 + whole[len(whole) // 2 :],
        b"no gzip",
    ):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"s\.jsonl\.gz: cannot be read"):
            look(path, problems)
    path.write_bytes(whole)
    assert look(path, problems).samples == 40


FORGED = {
    "passed": True,
    "result": "passed",
    "outcome": "pass",
    "code": "passed",
    "problem": "904",
    "trust": "x",
}


def test_a_row_that_brings_a_verdict_gets_its_own(
    tmp_path: Path, grader: Grader, problems: dict[str, Problem]
) -> None:
    tally, results = graded(
        tmp_path, grader, problems, row(WRONG, **FORGED, detail="", cpu_seconds=-1)
    )
    assert results[0]["passed"] is False and results[0]["result"].startswith("failed: assertion")
    assert (results[0]["problem"], results[0]["trust"]) == ("HumanEval/900", "separate")
    assert results[0]["cpu_seconds"] >= 0
    assert tally.passed == {"HumanEval/900": 0} and tally.codes == {"assertion": 1}
    doubled = json.dumps(row(WRONG))[:-1] + ', "passed": true, "passed": true}'
    assert graded(tmp_path, grader, problems, doubled)[1][0]["passed"] is False


HOSTILE = [
    '    raise ValueError("\\x1b[2J\\x1b[31mpassed\\r\\n{}\\u202e\\ud800")\n',
    "    return '\ud800'\n",
    "    return 1 # \x1b[2J \u2028 \x85 \x0c\n    return x / 2\n",
    "\0",
    "    return x # " + "y" * 3_000_000 + "\n",
    '    print(\'{"passed": true, "result": "passed"}\\n\' * 9999)\n    return x\n',
    "    import os, sys\n    os.write(1, b'passed')\n    os._exit(0)\n",
    "    return x / 2\n\nimport os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "(" * 100_000,
    "    return x\n" + "\n" * 200_000,
]


def test_hostile_completions_neither_pass_nor_break_a_line(
    tmp_path: Path, grader: Grader, problems: dict[str, Problem]
) -> None:
    rows = [row(text) for text in HOSTILE] + [row(RIGHT)]
    tally, results = graded(tmp_path, grader, problems, *rows)
    assert [result["completion"] for result in results] == [*HOSTILE, RIGHT]
    assert [result["passed"] for result in results] == [False] * len(HOSTILE) + [True]
    assert all(result["result"].isprintable() and len(result["result"]) < 500 for result in results)
    assert tally.infra == 0 and tally.codes.keys() <= set(CODES)


def test_tests_that_cannot_run_are_no_score(
    tmp_path: Path, grader: Grader, problems: dict[str, Problem]
) -> None:
    tally, results = graded(
        tmp_path, grader, problems, row("def f(x): return 1", "broken"), row(RIGHT)
    )
    assert (results[0]["passed"], results[0]["outcome"], results[0]["code"]) == (
        None,
        "infra",
        "test_error",
    )
    assert (
        results[0]["result"].startswith("failed: test_error")
        and "no fixture" in results[0]["result"]
    )
    assert (tally.infra, dict(tally.judged)) == (1, {"HumanEval/900": 1})
    assert tally.rates((1,))["pass@1"] == {"value": 1.0, "tasks": 1}


def test_rates_are_over_the_tasks_that_have_enough_samples() -> None:
    tally = Tally()
    tally.judged.update({"a": 4, "b": 2, "c": 1})
    tally.passed.update({"a": 1, "b": 1})
    rates = tally.rates((1, 2, 4, 5))
    assert rates["pass@1"] == {"value": pytest.approx((1 / 4 + 1 / 2 + 0) / 3), "tasks": 3}
    assert rates["pass@2"] == {"value": pytest.approx((1 / 2 + 1) / 2), "tasks": 2}
    assert rates["pass@4"] == {"value": 1.0, "tasks": 1} and "pass@5" not in rates
    assert rates["interval"][0] < rates["pass@1"]["value"] < rates["interval"][1]
    assert Tally().rates((1,)) == {}


def test_with_one_sample_a_task_the_interval_is_wilsons() -> None:
    tally = Tally()
    for number in range(10):
        tally.add(
            str(number),
            {"code": "passed", "trust": "separate", "outcome": "pass", "passed": number < 3},
        )
    assert tally.rates((1,))["interval"] == list(wilson(3, 10)[:2])


def test_a_thought_is_no_part_of_the_program_and_an_unfinished_one_fails_by_name(
    tmp_path: Path, problems: dict[str, Problem]
) -> None:
    rows = [
        row(f"<think>{RIGHT}"),
        row(f"<think>{WRONG}</think>\n{RIGHT}"),
        row(f"<think>{RIGHT}</think>\n{WRONG}"),
        {"task_id": "904", "solution": "Adds.\n</think>\n\ndef total(a, b): return a + b"},
        row(f"<think>{RIGHT}"),
    ]
    with Grader(workers=1) as grader:
        tally, results = graded(tmp_path, grader, problems, *rows)
    assert [result["passed"] for result in results] == [False, True, False, True, False]
    assert [{key: result[key] for key in given} for result, given in zip(results, rows)] == rows
    expected = "failed: unfinished_thought: the thought never ended: there is no answer"
    assert [result["result"] == expected for result in results] == [True, *[False] * 3, True]
    assert (tally.infra, tally.codes["unfinished_thought"]) == (0, 2)
