"""One warm grader for the room's tests, and short ways to grade one program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from sentinel_pipeline.records import PythonTests, ScriptTests, ShellEffect, SqlAnswer, StdioTests
from sentinel_pipeline.sandbox import Grader, Limits, Program, Result

Grade = Callable[..., Result]


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as warm:
        yield warm


@pytest.fixture
def python(grader: Grader) -> Grade:
    """``python(code, tests, entry_point="f", …)`` -> Result."""

    def run(
        code: str,
        tests: str,
        entry_point: str | None = "f",
        *,
        setup: str = "",
        prefix: str = "",
        limits: Limits | None = None,
    ) -> Result:
        verifier = PythonTests(tests=tests, entry_point=entry_point, setup=setup, prefix=prefix)
        return next(
            iter(list(grader.grade([Program(id="p", code=code, verifier=verifier, limits=limits)])))
        )

    return run


@pytest.fixture
def script(grader: Grader) -> Grade:
    """``script(code, tests, entry_point="f", language=…)`` -> Result; ``assert`` is there without
    asking."""

    def run(
        code: str,
        tests: str,
        entry_point: str | None = "f",
        *,
        language: Literal["typescript", "javascript"] = "typescript",
        limits: Limits | None = None,
    ) -> Result:
        tests = (
            tests
            if "require(" in tests or "import " in tests
            else f"const assert = require('node:assert');\n{tests}"
        )
        verifier = ScriptTests(tests=tests, entry_point=entry_point, language=language)
        return next(
            iter(list(grader.grade([Program(id="t", code=code, verifier=verifier, limits=limits)])))
        )

    return run


@pytest.fixture
def shell(grader: Grader) -> Grade:
    """``shell(command, files, stdout=…, expected_files=…)`` -> Result."""

    def run(
        command: str,
        files: dict[str, str] | None = None,
        *,
        stdout: str | None = None,
        expected_files: dict[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Result:
        verifier = ShellEffect(files=files or {}, stdout=stdout, expected_files=expected_files)
        return next(
            iter(
                list(
                    grader.grade([Program(id="s", code=command, verifier=verifier, limits=limits)])
                )
            )
        )

    return run


@pytest.fixture
def stdio(grader: Grader) -> Grade:
    """``stdio(code, (input, output), …)`` -> Result."""

    def run(code: str, *cases: tuple[str, str], limits: Limits | None = None) -> Result:
        verifier = StdioTests(
            inputs=tuple(case[0] for case in cases), outputs=tuple(case[1] for case in cases)
        )
        return next(
            iter(
                list(grader.grade([Program(id="io", code=code, verifier=verifier, limits=limits)]))
            )
        )

    return run


@pytest.fixture
def sql(grader: Grader) -> Grade:
    """``sql(query, gold, setup=…, ordered=…)`` -> Result."""

    def run(
        query: str,
        gold: str,
        setup: str = "",
        *,
        ordered: bool = False,
        limits: Limits | None = None,
    ) -> Result:
        verifier = SqlAnswer(setup=setup, query=gold, ordered=ordered)
        return next(
            iter(
                list(grader.grade([Program(id="q", code=query, verifier=verifier, limits=limits)]))
            )
        )

    return run
