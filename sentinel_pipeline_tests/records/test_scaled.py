"""``--scale tiny``: every recipe's plan, seen to work by a model of no ability, and never
mistaken for the plan itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.cli.scaled import Scale, scaled_recipe, write_scaled
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.records.scaled import _fewer, scaled_name, shrink
from sentinel_pipeline.records.stages import BASE
from sentinel_pipeline.records.toml import read_toml
from sentinel_pipeline.release.evidence import gather
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.training.planning.plan import make_plan
from sentinel_pipeline_tests.conftest import ROOT

SHIPPED = sorted(path.stem for path in (ROOT / "data" / "recipes").glob("*.toml"))
BARS = ("metric", "threshold", "direction", "decide_on", "confidence", "against", "stage")


@pytest.fixture
def without_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENTINEL_BENCHMARKS", raising=False)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_shrinks_to_the_same_structure(
    home: Home, name: str, without_benchmarks: None
) -> None:
    full = home.recipe(name)
    small, scaled = scaled_recipe(home, name, Scale.tiny)
    assert (small.name, small.scaled_from, small.nightly) == (f"{name}-tiny", name, False)
    assert small.stages == full.stages
    assert [small.start_of(stage) for stage in small.stages] == [
        full.start_of(stage) for stage in full.stages
    ]
    assert set(small.gates) == set(full.gates)
    for gate, policy in full.gates.items():
        for bar in BARS:
            assert getattr(small.gates[gate], bar) == getattr(policy, bar), (gate, bar)
    assert small.gates["capability_gap"].severity == full.gates["capability_gap"].severity
    assert {policy.severity for policy in small.gates.values() if policy.stage != BASE} <= {
        "warn",
        "off",
    }
    for point, shrunk in zip(full.decisions, small.decisions, strict=True):
        assert [rule.when for rule in point.rules] == [rule.when for rule in shrunk.rules]
    told = " ".join(scaled.left_out)
    for suite in full.bench.suites:
        twin = {"conversations_judged": "conversations"}.get(suite, suite)
        assert twin in small.bench.suites or f"suite {suite}" in told
    assert (small.gap_proof is None) == (full.gap_proof is None)


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_of_a_shrunk_recipe_is_fetched_served_or_billed(
    home: Home, name: str, without_benchmarks: None
) -> None:
    small, _ = scaled_recipe(home, name, Scale.tiny)
    assert small.model.source == "embedded"
    assert small.judge.model is None and small.judge.exam is None
    assert (small.bench.engine, small.launch.engine, small.report_to) == (
        "transformers",
        "local",
        (),
    )
    assert small.candidates.hub == () and small.budget.hourly_rate == 0.0
    if small.gap_proof is not None:
        peers = (small.gap_proof.instruct, small.gap_proof.alternative)
        assert [peer.model.source for peer in peers] == ["embedded", "embedded"]
        assert len({small.seed, *(peer.seed for peer in peers)}) == 3


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_plans_at_scale_tiny(
    home: Home, name: str, without_benchmarks: None
) -> None:
    small, _ = scaled_recipe(home, name, Scale.tiny)
    plan = make_plan(small, home)
    assert [f"{refusal.field}: {refusal.reason}" for refusal in plan.refusals] == []
    assert set(plan.trainers) == set(small.stages)
    assert all(trainer["steps"] <= 12 for trainer in plan.trainers.values())


def test_a_judged_decision_that_would_stop_goes_on_and_says_so(home: Home) -> None:
    small, _ = scaled_recipe(home, "stage1-qwen2.5-32b-qlora", Scale.tiny)
    before, after, _ = small.decisions
    assert [rule.action for rule in before.rules] == ["continue", "stop"]
    assert {rule.action for rule in after.rules} == {"continue"}
    assert after.rules[0].why.startswith("at full scale the run would investigate here: ")


def test_freezing_by_layers_and_experts_finds_them_in_the_small_model(home: Home) -> None:
    small, _ = scaled_recipe(home, "sentinelbrain-phase3", Scale.tiny)
    assert (small.model.embedded.layers, small.model.embedded.experts) == (4, 4)
    assert [stage.from_step for stage in small.sft.stages] == [0, 4]
    assert small.sft.windows.gate_step == 12


def test_a_run_s_shrunk_recipe_is_found_by_its_name_and_is_not_among_the_project_s_own(
    home: Home,
) -> None:
    recipe, _ = write_scaled(home, "tiny", Scale.tiny)
    assert home.recipe("tiny-tiny") == recipe == load_recipe(home.scaled / "tiny-tiny.toml")
    assert not (home.recipes / "tiny-tiny.toml").exists()
    assert "tiny-tiny" in home.recipe_names()
    with pytest.raises(BadInput, match="tiny-tiny is shrunk already"):
        scaled_recipe(home, "tiny-tiny", Scale.tiny)


def test_a_recipe_of_the_project_s_own_is_never_hidden(home: Home) -> None:
    own = home.recipes / "tiny-tiny.toml"
    own.write_text('description = "mine"\n')
    with pytest.raises(BadInput, match="the project has a recipe of that name"):
        write_scaled(home, "tiny", Scale.tiny)
    home.scaled.mkdir(parents=True)
    (home.scaled / "tiny-tiny.toml").write_text('description = "other"\n')
    assert home.recipe("tiny-tiny").description == "mine"


def test_nothing_that_was_trained_at_a_scale_is_released(home: Home) -> None:
    recipe, _ = write_scaled(home, "tiny", Scale.tiny)
    assert recipe.release.license == "mit", "for the want of a licence it would be refused anyway"
    with pytest.raises(GateRefused, match="tiny-tiny is tiny at a small scale"):
        gather(Store.reading(home, "tiny-tiny"), recipe, "sft")


def test_what_is_not_here_is_left_out_and_said(home: Home) -> None:
    text = '[candidates]\nfiles = ["data/mine.jsonl", "data/gone.jsonl"]\n'
    (home.recipes / "mine.toml").write_text(text)
    (home.root / "data" / "mine.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    small, scaled = scaled_recipe(home, "mine", Scale.tiny)
    assert small.candidates.files == ("data/mine.jsonl",)
    assert scaled.left_out == ["the rows of data/gone.jsonl"]


def test_shrinking_leaves_the_recipe_as_it_was() -> None:
    path = ROOT / "data" / "recipes" / "tiny-gap.toml"
    data = read_toml(path)
    shrink(data, "tiny-gap", ())
    assert data == read_toml(path)
    assert scaled_name("tiny-gap", "tiny") == "tiny-gap-tiny"


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10_000)), st.integers(10, 200))
def test_fewer_tasks_keep_every_family_and_never_exceed_what_there_was(
    counts: dict[str, int], most: int
) -> None:
    fewer = _fewer(counts, most, 2)
    assert fewer.keys() == counts.keys()
    for name, count in counts.items():
        assert (fewer[name] > 0) == (count > 0) and fewer[name] <= count
    assert sum(fewer.values()) <= max(most + 2 * len(counts), 0)


def test_another_name_of_the_same_numbers_is_another_recipe(home: Home) -> None:
    small, _ = scaled_recipe(home, "tiny", Scale.tiny)
    unmarked: Recipe = replace(small, scaled_from="")
    assert unmarked.sha256() != small.sha256()


def test_sources_of_tasks_read_few_rows() -> None:
    data: dict[str, Any] = {
        "tasks": {"source": [{"file": "a.jsonl", "limit": 9_000}, {"hub": "org/rows"}]}
    }
    small, left_out = shrink(data, "mine", ())
    assert small["tasks"]["source"] == [{"file": "a.jsonl", "limit": 200}]
    assert left_out == ["tasks of org/rows"]
