"""The page on security counts what is there: hostile programs, layers, defaults."""

from __future__ import annotations

import re

import pytest

from sentinel_pipeline.sandbox import Limits
from sentinel_pipeline.sandbox.isolation import EVERY_LAYER
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.sandbox import (
    attacks,
    script_attacks,
    test_answers_are_data,
    test_attacks,
    test_callbacks,
    test_hostile_answers,
    test_module_tests,
    test_script_attacks,
    test_shared_trust,
    test_sql_attacks,
)
from sentinel_pipeline_tests.sandbox import test_stdio_verdicts as stdio

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
SQL = ("OUTSIDE", "UNKNOWN", "STATEMENTS", "SEVERAL", "WRITES", "BOMBS", "SEARCHES")
COUNTS = {
    "Python: forged results (each also tested call by call)": len(attacks.FOOLING),
    f"Python: objects that lie, each under {len(attacks.QUESTIONS)} questions": len(
        attacks.OBJECTS
    ),
    "Python: harm to files, processes, network, kernel interfaces": len(attacks.HARM),
    "Python: bombs": len(attacks.BOMBS),
    "Python: answers that keep the tests busy": len(attacks.ENDLESS),
    "Python: traces for the next program": len(test_attacks.LEFTOVERS),
    "shell: harm": len(test_attacks.SHELL_HARM),
    "shell: bombs": len(test_attacks.SHELL_BOMBS),
    "TypeScript and JavaScript: forged results": len(script_attacks.FOOLING),
    "TypeScript and JavaScript: bombs": len(script_attacks.BOMBS),
    "texts against the parser": len(script_attacks.UNREADABLE),
    "forged frames": len(test_script_attacks.FRAMES),
    "SQL: the way outside, statements, writes, bombs, searches for the gold query": sum(
        len(getattr(test_sql_attacks, name)) for name in SQL
    ),
    "programs over standard input: forged results": len(stdio.FORGERIES),
    "tests written as modules: forged results": len(test_module_tests.FORGERIES),
    "objects that lie beside their tests": len(test_shared_trust.LYING),
    "TypeScript and JavaScript: methods that settle a test": len(test_answers_are_data.SETTLING),
    "arguments that a program chooses for functions of the tests": len(test_callbacks.CHOOSING),
    "answers on which the tests' engine fails": len(test_hostile_answers.ENGINE),
    "trees that a shell command leaves": len(test_hostile_answers.LEFT),
}


@pytest.mark.parametrize("what", COUNTS)
def test_programs_are_counted(what: str) -> None:
    found = re.search(rf"^\| `\w+\.py` \| {re.escape(what)} \| (\d+) \|$", PAGE, re.MULTILINE)
    assert found and int(found[1]) == COUNTS[what]


def test_every_layer_is_explained() -> None:
    assert {name for name in EVERY_LAYER if f"`{name}`" not in PAGE} == set()


def test_limits_are_the_defaults() -> None:
    limits, text = Limits(), " ".join(PAGE.split())
    assert f"{limits.cpu_seconds:g} s of CPU time" in text
    assert f"{limits.wall_seconds:g} s of wall time" in text
    assert f"{limits.memory_mib} MiB of address space" in text
    assert f"{limits.output_kib} KiB of output" in text
    assert f"{limits.disk_mib} MiB of files" in text
