"""A stage asks for the gates of what it starts from, and for no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from sentinel_pipeline.defs.stage import Stage
from sentinel_pipeline.defs.training import require_start, start_deps
from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.stages import TRAINING_STAGES, stage_named
from sentinel_pipeline.store import Artifact


class Noting:
    """A stage that notes what it is asked for; the gates of the reports in ``failed`` refuse."""

    def __init__(self, recipe: Recipe, failed: tuple[str, ...] = ()) -> None:
        self.recipe = recipe
        self.failed = failed
        self.read: list[str] = []
        self.gated: list[str] = []
        self.followed: list[str] = []

    def parent(self, asset: str) -> Artifact:
        self.read.append(asset)
        return Artifact(Path(asset), cast("Any", None))

    def require_gates(self, report: Artifact) -> None:
        self.gated.append(report.folder.name)
        if report.folder.name in self.failed:
            raise GateRefused(report.folder.name)

    def follow(self, report: Artifact) -> None:
        self.followed.append(report.folder.name)


def started(name: str, recipe: Recipe, failed: tuple[str, ...] = ()) -> Noting:
    noting = Noting(recipe, failed)
    require_start(cast("Stage", noting), stage_named(name))
    return noting


def test_grpo_from_the_base_model_needs_no_gate_of_the_stages_before_it() -> None:
    recipe = Recipe(name="mine", stages=("sft", "grpo"), grpo=GrpoSpec(start="base"))
    noting = started("grpo", recipe, failed=("sft_report", "dpo_report"))
    assert noting.gated == noting.followed == ["base_report"]
    assert set(noting.read) == {"base_report", "base_checkpoint", "gap_proof"}


def test_grpo_after_sft_needs_its_gates_and_no_gap_proof() -> None:
    recipe = Recipe(name="mine", stages=("sft", "grpo"))
    noting = started("grpo", recipe)
    assert noting.gated == noting.followed == ["sft_report"]
    assert set(noting.read) == {"sft_report", "sft_checkpoint"}
    with pytest.raises(GateRefused, match="sft_report"):
        started("grpo", recipe, failed=("sft_report",))


def test_the_first_stage_of_a_recipe_starts_from_the_base_model_behind_its_gap() -> None:
    for stage in TRAINING_STAGES:
        noting = started(stage.name, Recipe(name="mine", stages=(stage.name,)))
        assert noting.gated == ["base_report"] and "gap_proof" in noting.read


def test_every_start_that_a_recipe_may_name_is_declared_as_a_dependency() -> None:
    for stage in TRAINING_STAGES:
        for start in stage.starts:
            assert {f"{start}_checkpoint", f"{start}_report"} < set(start_deps(stage))
