"""One warm grader for the room's tests, and a short way to judge one completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.bench.problems import Problem, load_problems
from sentinel_pipeline.sandbox import Grader, Program, Result
from sentinel_pipeline_tests.bench.material import BROKEN_TESTS, HUMANEVAL, MBPP, file_of

Judge = Callable[..., Result]


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as warm:
        yield warm


@pytest.fixture
def judge(grader: Grader) -> Judge:
    """``judge(problem, completion)`` -> Result."""

    def run(problem: Problem, completion: str) -> Result:
        program = Program(id="p", code=problem.prefix + completion, verifier=problem.verifier)
        return next(iter(list(grader.grade([program]))))

    return run


@pytest.fixture
def problems(tmp_path: Path) -> dict[str, Problem]:
    """Two problems of HumanEval's format, one of MBPP's, and one whose tests cannot run."""
    second = HUMANEVAL | {"task_id": "HumanEval/901"}
    return load_problems(str(file_of(tmp_path, HUMANEVAL, second, MBPP, BROKEN_TESTS)))
