"""Recipes of the documents, shrunk and really run: each ends as its document says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.store import Store
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.e2e.conftest import new_home, sentinel

pytestmark = pytest.mark.slow

RECIPES = ROOT / "data" / "recipes"


def run(folder: Path, name: str) -> tuple[int, dict[str, Any], Store]:
    home = new_home(folder, [RECIPES / f"{name}.toml"])
    done = sentinel(home, "run", name, "--scale", "tiny", "--json")
    return done.code, done.json(), Store.reading(home, f"{name}-tiny")


def test_the_stage_1_plan_runs_to_its_end_and_decides_every_gate(tmp_path: Path) -> None:
    code, summary, store = run(tmp_path, "stage1-qwen2.5-32b-qlora")
    assert code == 0, summary.get("error")
    assert (summary["recipe"], list(summary["reports"])) == (
        "stage1-qwen2.5-32b-qlora-tiny",
        ["base", "sft", "dpo"],
    )
    gates = {gate["name"]: (gate["verdict"], gate["severity"]) for gate in summary["gates"]}
    assert gates["capability_gap"] == ("pass", "block")
    assert gates["pass_at_1"] == ("fail", "warn"), "decided by its own bar, and honestly"
    decisions = {row["stage"]: (row["action"], row["reason"]) for row in summary["decisions"]}
    assert decisions["base"][0] == "continue"
    assert "at full scale the run would investigate here" in decisions["sft"][1]
    assert (store.get("dpo_checkpoint").folder / "adapter").is_dir(), (
        "by adapters, as the plan says"
    )
    symptoms = {row["symptom"] for row in summary["advice"]}
    assert "sft_not_better" in symptoms
    released = sentinel(store.home, "release", store.recipe, "--dry-run")
    assert released.code == 3 and "at a small scale" in " ".join(released.err.split())


def test_the_findings_recipe_stops_where_no_gap_is_proven(tmp_path: Path) -> None:
    code, summary, store = run(tmp_path, "stage1b-conversation")
    assert code == 3
    assert "gap_proof" in summary["error"]
    assert store.find("sft_checkpoint") is None
