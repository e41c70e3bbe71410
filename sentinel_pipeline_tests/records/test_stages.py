"""The chain is declared once, and a recipe names the stages that it uses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.records.stages import (
    REPORT_STAGES,
    STAGE_NAMES,
    TRAINING_STAGES,
    TrainingStage,
    default_gates,
    load,
)

PACKAGE = Path(__file__).resolve().parents[2] / "sentinel_pipeline"
PLACES = {
    "records/stages.py": "the chain itself",
    "records/gate_spec.py": "the stage that a gate judges unless it says another",
    "records/grpo_spec.py": "TRL's name of a loss",
    "training/trainers/dpo.py": "TRL's name of a loss",
}
"""Modules that may name a stage as text, and why. A new stage adds none."""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def named_stages(path: Path) -> set[str]:
    """Texts of a module that are a stage's name, or the name of its checkpoint or report."""
    names = {
        text for stage in TRAINING_STAGES for text in (stage.name, stage.checkpoint, stage.report)
    }
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    }


def test_no_module_but_the_chain_names_a_stage() -> None:
    naming = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if named_stages(path)
    }
    assert naming == set(PLACES)


@pytest.mark.parametrize("stage", TRAINING_STAGES, ids=lambda stage: stage.name)
def test_what_a_stage_names_is_there(stage: TrainingStage) -> None:
    assert callable(load(stage.trainer)) and callable(load(stage.planner))
    assert stage.rows is None or callable(load(stage.rows.prepare))
    assert stage.name in Recipe.__dataclass_fields__


@pytest.mark.parametrize("stage", TRAINING_STAGES, ids=lambda stage: stage.name)
def test_a_stage_starts_from_the_base_model_or_from_one_before_it(stage: TrainingStage) -> None:
    assert stage.starts == REPORT_STAGES[: REPORT_STAGES.index(stage.name)]


def test_every_default_gate_judges_the_stage_that_brings_it() -> None:
    for stage in TRAINING_STAGES:
        assert {default.policy.stage for default in stage.gates.values()} == {stage.name}
        assert set(default_gates([stage.name])) == {"capability_gap", *stage.gates}


@given(st.sets(st.sampled_from(STAGE_NAMES), min_size=1))
def test_a_recipe_may_use_any_of_the_stages(
    tmp_path_factory: pytest.TempPathFactory, chosen: set[str]
) -> None:
    names = [name for name in STAGE_NAMES if name in chosen]
    listed = ", ".join(f'"{name}"' for name in names)
    recipe = load_recipe(write(tmp_path_factory.getbasetemp(), f"stages = [{listed}]"))
    assert [stage.name for stage in recipe.chain] == names
    assert recipe.reported == ("base", *names)
    assert [recipe.start_of(name) for name in names] == ["base", *names[:-1]]
    assert {policy.stage for policy in recipe.gates.values()} == {"base", *names}


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("", ("sft", "dpo")),
        ("[sft]\n", ("sft", "dpo")),
        ("[grpo]\n", ("sft", "dpo", "grpo")),
        ('stages = ["sft", "grpo"]\n', ("sft", "grpo")),
    ],
)
def test_without_stages_the_sections_say_which_are_used(
    tmp_path: Path, text: str, stages: tuple[str, ...]
) -> None:
    assert load_recipe(write(tmp_path, text)).stages == stages


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ('stages = ["stf"]', "stages", "unknown training stage 'stf'. Did you mean 'sft'?"),
        ("stages = []", "stages", "names no stage"),
        ("stages = [1]", "stages[0]", "expected text"),
        ('stages = "sft"', "stages", "expected"),
        ('stages = ["dpo", "sft"]', "stages", "in the order of the chain"),
        ('stages = ["sft", "sft"]', "stages", "each stage once"),
        ('stages = ["sft"]\n[dpo]\n', "dpo", "Add 'dpo' to stages, or remove the section."),
        (
            'stages = ["sft", "grpo"]\n[grpo]\nstart = "dpo"',
            "grpo.start",
            "'dpo' is not among the recipe's stages",
        ),
        ('[grpo]\nstart = "sff"', "grpo.start", "Did you mean 'sft'?"),
        ('[sft]\nstart = "dpo"', "sft.start", "'dpo' does not come before 'sft'"),
        (
            'stages = ["grpo"]\n[gates.pass_at_1]\nthreshold = 0.5',
            "gates.pass_at_1",
            "judges 'sft'",
        ),
        (
            'stages = ["sft"]\n[gates.mine]\nmetric = "pass_at_1"\nthreshold = 0.5\nstage = "dpo"',
            "gates.mine.stage",
            "the recipe does not use the stage 'dpo'",
        ),
        (
            '[[decisions]]\nstage = "grpo"\n[[decisions.rules]]\naction = "stop"\nwhy = "x"',
            "decisions[0].stage",
            "Add 'grpo' to stages",
        ),
    ],
)
def test_stages_that_cannot_be_are_named(tmp_path: Path, text: str, field: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert caught.value.field == field
    assert says in str(caught.value) and str(path) in str(caught.value)


def test_a_stage_after_an_adapter_trains_an_adapter_unless_it_says_otherwise(
    tmp_path: Path,
) -> None:
    sft = '[sft]\nmethod = "lora"\nload_in_4bit = true\nlora_r = 8\nmax_length = 300\n'
    dpo = load_recipe(write(tmp_path, sft)).dpo
    assert (dpo.method, dpo.load_in_4bit, dpo.lora_r, dpo.max_length) == ("lora", True, 8, 300)
    dpo = load_recipe(write(tmp_path, f"{sft}[dpo]\nlora_r = 4\n")).dpo
    assert (dpo.method, dpo.lora_r) == ("lora", 4)
    dpo = load_recipe(write(tmp_path, f'{sft}[dpo]\nmethod = "full"\n')).dpo
    assert (dpo.method, dpo.load_in_4bit, dpo.max_length) == ("full", False, 300)


def test_a_stage_that_starts_from_the_base_model_inherits_nothing(tmp_path: Path) -> None:
    text = 'stages = ["sft", "grpo"]\n[sft]\nmethod = "full"\nlora_r = 8\n[grpo]\nstart = "base"\n'
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.grpo is not None
    assert (recipe.grpo.method, recipe.grpo.lora_r) == ("lora", 16)
    assert (recipe.start_of("grpo"), recipe.before("grpo")) == ("base", "sft")
