"""One warm grader for the room's tests, and a short way to judge one completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sentinel_pipeline.bench.problems import Problem
from sentinel_pipeline.sandbox import Grader, Program, Result

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
