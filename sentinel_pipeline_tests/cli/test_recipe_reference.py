"""The pages about the recipe and the shapes of tasks are what the code says, and their examples are
rows that can be read and whose references pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline.cli.recipe_reference import COMMAND, PAGES, example, recipe_page
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.task_source import TaskSource, TasksSpec
from sentinel_pipeline.records.verifiers import KINDS
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.task_sources.material import divided, placed, reasons, write


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text == PAGES[name](), f"write it: {COMMAND}"


def test_every_key_of_a_recipe_stands_on_the_page() -> None:
    page = recipe_page()
    for cls, title in ((Recipe, ""), (TasksSpec, "[tasks]"), (TaskSource, "[[tasks.source]]")):
        part = page.partition(f"## `{title}`")[2].partition("\n## ")[0] if title else page
        for key in cls.__dataclass_fields__:
            section = f"## `[{key}" if not title else f"## `[[tasks.{key}]]`"
            table = f"## `[[{key}" if not title else section
            named = f"| `{key}` |" in part or section in page or table in page
            assert named or (cls, key) == (Recipe, "name"), (title, key)


def test_bounds_choices_and_defaults_stand_in_the_words_of_toml() -> None:
    page = recipe_page()
    assert "| `weight` | number, from 0 and at most 1000 | `1` |" in page
    assert '| `run` | `"process"`, `"sandbox"` | `"process"` |' in page
    assert "| `examples` | text | required |" in page
    assert "| `words` | list of 2: whole number, more than 0 | `[10, 120]` |" in page
    assert "As `[model.embedded]`." in page


def test_every_kinds_example_is_a_row_of_a_source_whose_reference_passes(tmp_path: Path) -> None:
    kinds = [cls for cls in KINDS.values() if cls.kind != "judged_answer"]
    write(tmp_path / "rows.jsonl", [example(cls) for cls in kinds])
    division = divided(tmp_path, TaskSource(file="rows.jsonl", split={"train": 1.0}))
    assert reasons(division) == {}
    rows = placed(division)
    assert [type(item.row.task.verifier) for item in rows.values() if item.row.task] == kinds
    assert division.report.references["passed"] >= 5


def test_an_example_whose_reference_is_wrong_would_be_seen() -> None:
    row = example(PythonTests)
    verifier = PythonTests(tests=row["verifier"]["tests"], entry_point="add")
    (result,) = score(iter([Scorable("x", (), row["reference"].replace("+", "-"), verifier)]))
    assert result.outcome == "fail"
