"""``sentinel_pipeline.load``: the frames say what the artifacts say, and the notebook runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sentinel_pipeline as sp
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.store import Store
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.conftest import Loop


def test_reports_and_samples_count_alike(loop: Loop) -> None:
    run = sp.load("mini", loop.home.root)
    for report in run.reports.itertuples():
        answers = run.samples.query(f"stage == '{report.stage}' and suite == '{report.suite}'")
        counts = answers["outcome"].value_counts()
        assert counts.get("pass", 0) == report.passed
        assert counts.get("infra", 0) == report.infra
        assert counts.drop("infra", errors="ignore").sum() == report.n
        assert report.low <= report.pass_at_1 <= report.high
    assert set(run.reports["stage"]) == {"base", "sft", "dpo", "grpo"}
    families = run.families.groupby(["stage", "suite"])["n"].sum()
    assert families.equals(run.reports.groupby(["stage", "suite"])["n"].sum())


def test_tables_are_the_artifacts_rows(loop: Loop) -> None:
    run = sp.load("mini", loop.home.root)
    store = Store.reading(loop.home, "mini")
    assert len(run.mix) == run.dataset("mix").num_rows == len(run.table("mix"))
    assert len(run.labels) == len(run.table("candidates"))
    assert run.labels["accepted"].sum() == len(run.table("accepted"))
    rows = store.get("rebalanced_mix").path("rows.parquet")
    assert rows.is_file() and len(run.losses("sft")) > 0
    assert set(run.verdicts["name"]) >= {"pass_at_1", "capability_gap"}


def test_unknown_names_are_answered_with_the_nearest(loop: Loop) -> None:
    with pytest.raises(BadInput, match="no recipe 'mimi'") as recipe:
        sp.load("mimi", loop.home.root)
    assert "mini" in str(recipe.value.fix)
    with pytest.raises(BadInput, match="no table 'mixx'") as table:
        sp.load("mini", loop.home.root).table("mixx")
    assert "'mix'" in str(table.value.fix)
    with pytest.raises(BadInput, match="kto_checkpoint"):
        sp.load("mini", loop.home.root).losses("kto")


def test_every_cell_of_the_notebook_runs(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    monkeypatch.setenv("SENTINEL_HOME", str(loop.home.root))
    monkeypatch.chdir(Path(loop.home.root))
    names: dict[str, object] = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        *body, last = cell.replace('"tiny"', '"mini"').rstrip().split("\n")
        exec("\n".join(body), names)
        try:
            shown = eval(last, names)
        except SyntaxError:
            exec(last, names)
        else:
            assert len(repr(shown)) > 20, cell
    assert len(cells) >= 10
    assert all(not cell.get("outputs") for cell in notebook["cells"])
