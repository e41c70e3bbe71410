"""Whose file a suite is: what makes a verdict about it stale."""

from __future__ import annotations

from pathlib import Path

from sentinel_pipeline.gates.keys import suite_file_hash
from sentinel_pipeline.records.gate_spec import BenchSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.task_source import TaskSource, TasksSpec
from sentinel_pipeline.store import Home

RECIPE = Recipe(name="mine", bench=BenchSpec(suites=("heldout", "smoke", "mine")))


def test_a_suite_of_ones_own_has_the_hash_of_its_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert suite_file_hash(home, RECIPE, "mine") is None
    home.suites.mkdir(parents=True)
    (home.suites / "mine.jsonl").write_text("a")
    first = suite_file_hash(home, RECIPE, "mine")
    (home.suites / "mine.jsonl").write_text("ab")
    second = suite_file_hash(home, RECIPE, "mine")
    (home.suites / "mine.jsonl").write_text("a")
    assert first and second and first != second
    assert suite_file_hash(home, RECIPE, "mine") == first
    assert suite_file_hash(home, RECIPE, "smoke") is None


def test_held_out_tasks_have_the_hash_of_every_file_that_they_are_dealt_from(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    assert suite_file_hash(home, RECIPE, "heldout") is None
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.jsonl").write_text("a")
    sources = (TaskSource(file="many"), TaskSource(name="two", heldout="b.jsonl"))
    recipe = Recipe(name="mine", tasks=TasksSpec(source=sources))
    assert suite_file_hash(home, recipe, "heldout") == ""
    (tmp_path / "b.jsonl").write_text("b")
    first = suite_file_hash(home, recipe, "heldout")
    (tmp_path / "many" / "c.jsonl").write_text("c")
    assert first and suite_file_hash(home, recipe, "heldout") not in (first, "", None)
