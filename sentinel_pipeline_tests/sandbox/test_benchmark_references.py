"""References of public benchmarks pass, and no mutant passes that its tests, run plainly, fail."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Limits, Outcome, Program, grade
from sentinel_pipeline_tests.sandbox.mutants import mutants, passes_plainly

GENEROUS = Limits(cpu_seconds=20, wall_seconds=120)


def humaneval(folder: Path) -> Iterator[Program]:
    with gzip.open(folder / "humaneval" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            verifier = PythonTests(
                tests=row["test"], entry_point=row["entry_point"], prefix=row["prompt"]
            )
            yield Program(
                id=row["task_id"], code=row["prompt"] + row["canonical_solution"], verifier=verifier
            )


def mbpp(folder: Path) -> Iterator[Program]:
    with open(folder / "mbpp" / "mbpp.jsonl", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            verifier = PythonTests(tests="\n".join(row["test_list"]), setup=row["test_setup_code"])
            yield Program(id=str(row["task_id"]), code=row["code"], verifier=verifier)


def test_every_humaneval_reference_passes_in_a_process_without_its_tests(
    benchmarks_dir: Path,
) -> None:
    results = list(grade(humaneval(benchmarks_dir), limits=GENEROUS))
    assert Counter((result.code, result.trust) for result in results) == {
        ("passed", "separate"): 164
    }


@pytest.mark.slow
def test_mbpp_references_pass(benchmarks_dir: Path) -> None:
    results = list(grade(mbpp(benchmarks_dir), limits=GENEROUS))
    failed = {result.id: result.reason for result in results if result.outcome is not Outcome.PASS}
    assert len(results) == 974 and len(failed) <= 2, failed
    assert sum(result.trust == "shared" for result in results) <= 2


@pytest.mark.slow
def test_no_mutant_passes_that_plain_execution_fails(benchmarks_dir: Path) -> None:
    originals = [
        *humaneval(benchmarks_dir),
        *list(mbpp(benchmarks_dir))[::3],
    ]  # a third keeps it to minutes
    programs: list[Program] = []
    plain: list[str] = []
    for original in originals:
        tests = original.verifier
        assert isinstance(tests, PythonTests)
        call = f"\ncheck({tests.entry_point})" if tests.entry_point else ""
        for number, code in enumerate(mutants(original.code, 8, tests.prefix.count("\n"))):
            programs.append(Program(id=f"{original.id}#{number}", code=code, verifier=tests))
            plain.append(f"{code}\n{tests.setup}\n{tests.tests}{call}")
    results = list(grade(programs, limits=Limits(cpu_seconds=1)))
    assert len(results) >= 2000
    ended = [place for place, result in enumerate(results) if result.outcome is not Outcome.TIMEOUT]
    honest = passes_plainly([plain[place] for place in ended])
    results = [results[place] for place in ended]
    fooled = [
        result.id
        for result, passes in zip(results, honest)
        if result.code == "passed" and not passes
    ]
    wronged = [
        (result.id, result.reason)
        for result, passes in zip(results, honest)
        if passes and result.code != "passed"
    ]
    assert fooled == []
    assert len(wronged) <= 12, wronged
    assert not any(result.outcome is Outcome.INFRA for result in results)
