"""What a model is, told before anything is done with it, and what a plan refuses of a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.records.model_spec import ModelSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.store import Home
from sentinel_pipeline.training.planning.inspect_model import METHODS, inspect_model
from sentinel_pipeline.training.planning.plan import template_refusals
from sentinel_pipeline_tests.training.real_shapes import BY_NAME, SHAPES, Shape, make_model


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_family_is_told_by_its_own_facts(shape: Shape, tmp_path: Path) -> None:
    folder = make_model(shape, tmp_path / "model")
    facts = inspect_model(Home(tmp_path), str(folder), ModelSpec(source=str(folder)))
    assert facts.kind == "transformers" and set(facts.formats) == {"F32"}
    assert (facts.heads, facts.key_value_heads, facts.shape.layers) == (4, 2, 2)
    assert facts.turn_end == shape.end and shape.end in facts.stop_tokens
    assert shape.eos in facts.stop_tokens, "a document's end stops as well"
    assert facts.text_begins_with == (shape.bos if shape.begins else None)
    assert facts.template == ("joined to the user's turn" if shape.name == "gemma3" else "taken")
    assert facts.thinking == ("switch" if "qwen3" in shape.name else "no")
    assert facts.tied == (shape.name in ("smollm2", "gemma3"))
    assert facts.problems == ()
    assert set(facts.memory_mib) == {"answering", *(name for name, _, _ in METHODS)}


def test_a_base_model_without_a_template_says_what_training_would_refuse(tmp_path: Path) -> None:
    folder = make_model(BY_NAME["llama3"]._replace(template=None), tmp_path / "model")
    home = Home(tmp_path)
    (problem,) = inspect_model(home, str(folder), ModelSpec(source=str(folder))).problems
    assert "no chat template" in problem and "llama3" in problem
    spec = ModelSpec(source=str(folder), template="llama3")
    facts = inspect_model(home, str(folder), spec)
    assert (facts.problems, facts.turn_end) == ((), "<|eot_id|>")


def test_the_command_prints_people_a_table_and_programs_an_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path))
    folder = make_model(BY_NAME["mixtral"], tmp_path / "model")
    done = CliRunner().invoke(app, ["model", "inspect", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["shape"]["architecture"] == "MixtralForCausalLM"
    assert facts["memory_of"]["lora_r"] == 16
    assert "a turn ends with" in done.stderr and "sft, LoRA on 4 bit" in done.stderr


def test_a_plan_refuses_what_sft_would_refuse_of_a_tokenizer(tmp_path: Path) -> None:
    folder = make_model(BY_NAME["llama3"]._replace(template=None), tmp_path / "model")
    home = Home(tmp_path)
    recipe = Recipe(name="mine", model=ModelSpec(source=str(folder)))
    (refusal,) = template_refusals(recipe, home, None)
    assert refusal.field == "model.template" and "no chat template" in refusal.reason
    named = Recipe(name="mine", model=ModelSpec(source=str(folder), template="llama3"))
    assert template_refusals(named, home, None) == []
