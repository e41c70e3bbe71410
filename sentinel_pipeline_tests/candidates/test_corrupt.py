"""Corrupted references: each defect is really there, and nothing else of the repository looks like
a secret."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates.corrupt import DEFECTS, corrupted, defects_of, fake_secret, plant
from sentinel_pipeline.records import PythonTests, ShellEffect, Task
from sentinel_pipeline.tasks.families import FAMILIES
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.bench.checking import passes

TASKS = build(11, {}, {family.name: 12 for family in FAMILIES}).heldout
CASES = [(task, defect) for task in TASKS for defect in defects_of(task)]
SECRET = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|hf_\w{34}|ghp_\w{36}")


def cases(*defects: str) -> list[tuple[Task, str]]:
    return [(task, defect) for task, defect in CASES if defect in defects]


def answer(task: Task, defect: str) -> str:
    return plant(task, defect, Random(f"{task.id}{defect}")).completion


def test_every_defect_can_be_planted_somewhere() -> None:
    assert {defect for _, defect in CASES} == set(DEFECTS)


def test_every_planted_answer_differs_from_the_reference() -> None:
    assert [
        (task.id, defect) for task, defect in CASES if answer(task, defect) == task.reference
    ] == []


@pytest.mark.parametrize(
    "defect",
    [
        "wrong",
        "unparsable",
        "truncated",
        "wrong_entry_point",
        "bad_hunk",
        "wrong_field",
        "wrong_type",
    ],
)
def test_a_planted_defect_fails_the_verifier(defect: str) -> None:
    found = cases(defect)
    assert found and [task.id for task, _ in found if passes(task, answer(task, defect))] == []


@pytest.mark.parametrize("defect", ["filler", "prose_instead"])
def test_prose_in_the_place_of_an_answer_fails_the_verifier(defect: str) -> None:
    assert [task.id for task, _ in cases(defect) if passes(task, answer(task, defect))] == []


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_wrong_function_is_well_formed_and_wrong(seed: int) -> None:
    """Only the value is wrong: the defect must be the tests' to find."""
    (task,) = build(seed, {}, {"functions": 1}).heldout
    wrong = answer(task, "wrong")
    assert isinstance(task.verifier, PythonTests) and f"def {task.verifier.entry_point}(" in wrong
    ast.parse(wrong)
    assert not passes(task, wrong)


def test_a_wrong_answer_to_the_smoke_suite_fails_as_well() -> None:
    tasks = load_suite("smoke")
    assert [task.id for task in tasks if passes(task, answer(task, "wrong"))] == []


def test_wrong_and_wrong_field_stay_valid_json() -> None:
    for task, defect in cases("wrong", "wrong_field", "wrong_type"):
        if task.category == "tool_use":
            assert json.loads(answer(task, defect)) != json.loads(task.reference)


def test_a_secret_of_a_known_form_is_in_every_secret_answer() -> None:
    assert [
        task.id for task, _ in cases("secret") if not SECRET.search(answer(task, "secret"))
    ] == []


def test_code_that_carries_a_secret_is_right_otherwise() -> None:
    """Only the secret gives it away."""
    tasks = [
        task for task, _ in cases("secret") if isinstance(task.verifier, (PythonTests, ShellEffect))
    ]
    assert tasks and [task.id for task in tasks if not passes(task, answer(task, "secret"))] == []


def test_repetitive_code_is_right_otherwise() -> None:
    tasks = [task for task, _ in cases("repetitive") if task.family == "functions"]
    assert (
        tasks and [task.id for task in tasks if not passes(task, answer(task, "repetitive"))] == []
    )


def test_a_repetition_repeats_its_last_line_at_least_twenty_times() -> None:
    for task, defect in cases("repetitive"):
        lines = answer(task, defect).split("\n")
        assert lines.count(lines[-1]) > 20


def test_unparsable_python_does_not_compile() -> None:
    for task, defect in cases("unparsable", "truncated", "prose_around"):
        if task.category == "executable_code":
            with pytest.raises(SyntaxError):
                ast.parse(answer(task, defect))


def test_invalid_characters_are_in_the_answer() -> None:
    for task, defect in cases("invalid_characters"):
        assert re.search("[\x00\x07\x1b\ufffd]", answer(task, defect))


def test_prose_around_holds_the_whole_answer() -> None:
    assert all(task.reference in answer(task, defect) for task, defect in cases("prose_around"))


def test_a_wrong_entry_point_leaves_the_name_undefined() -> None:
    for task, defect in cases("wrong_entry_point"):
        assert isinstance(task.verifier, PythonTests)
        names = {
            node.name
            for node in ast.parse(answer(task, defect)).body
            if isinstance(node, ast.FunctionDef)
        }
        assert task.verifier.entry_point not in names


def test_a_bad_hunk_is_wrong_only_in_its_header() -> None:
    for task, defect in cases("bad_hunk"):
        pairs = zip(task.reference.split("\n"), answer(task, defect).split("\n"))
        assert [old[:2] for old, new in pairs if old != new] == ["@@"]


def test_four_forms_of_secrets_are_drawn() -> None:
    drawn = {fake_secret(Random(seed))[:4] for seed in range(60)}
    assert len({text[:3] for text in drawn}) == 4


def test_the_package_holds_no_secret_like_literal() -> None:
    package = Path(__file__).resolve().parents[2] / "sentinel_pipeline" / "candidates"
    assert [path.name for path in package.rglob("*.py") if SECRET.search(path.read_text())] == []


def test_the_same_seed_gives_the_same_variants() -> None:
    assert (
        list(corrupted(TASKS, 0.5, 4))
        == list(corrupted(TASKS, 0.5, 4))
        != list(corrupted(TASKS, 0.5, 5))
    )


def test_the_share_is_the_mean_number_of_variants() -> None:
    tasks = build(12, {"functions": 2000}, {}).train
    assert len(list(corrupted(tasks, 0.1, 1))) == pytest.approx(200, abs=50)
    assert len(list(corrupted(tasks[:50], 2, 1))) == 100


def test_no_defect_is_planted_twice_in_one_task() -> None:
    for task in TASKS:
        planted = [candidate.planted for candidate in corrupted([task], 5.0, 9)]
        assert len(planted) == len(set(planted)) == 5


def test_a_task_without_reference_gives_no_variant() -> None:
    task = TASKS[0]
    empty = Task.from_row(task.to_row() | {"reference": ""})
    assert list(corrupted([empty], 3.0, 1)) == []


def test_a_share_larger_than_the_number_of_defects_ends() -> None:
    assert len(list(corrupted(TASKS[:1], 100.0, 1))) == len(defects_of(TASKS[0]))


def test_ids_of_variants_are_unique() -> None:
    ids = [candidate.id for candidate in corrupted(TASKS, 4.0, 2)]
    assert len(ids) == len(set(ids))
