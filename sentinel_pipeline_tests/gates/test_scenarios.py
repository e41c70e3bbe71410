"""The V4.1 handoff's decision tree: its scenarios, the order among them, and evidence that does not
decide."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates import Measured
from sentinel_pipeline.gates.decisions import PointResult, evaluate
from sentinel_pipeline.gates.next_recipe import next_recipe, write_next
from sentinel_pipeline.records.decision_spec import DecisionRule
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.report import Interval
from sentinel_pipeline_tests.conftest import ROOT

PATH = ROOT / "data" / "recipes" / "tucano-0.5b-v4.1.toml"
POINT = load_recipe(PATH).decision_after("grpo", "curves")
assert POINT is not None
TREE = POINT.rules
TASKS = ("extraction", "sql_qa", "insights", "push")


def evidence(mean: float, half: float = 0.01, n: int = 1000, **tasks: float) -> dict[str, Measured]:
    values = {"eval/mean_reward": mean, **{f"eval/{name}": tasks.get(name, mean) for name in TASKS}}
    return {
        name: Measured(metric=name, value=value, interval=Interval(value - half, value + half), n=n)
        for name, value in values.items()
    }


START = {
    name: Measured(metric=name, value=value, interval=Interval(value, value), n=1000)
    for name, value in (("eval/mean_reward", 0.358), ("eval/extraction", 0.17))
}
"""Before the first step: what the handoff measured."""


def decide(evidence: dict[str, Measured]) -> PointResult:
    assert POINT is not None
    return evaluate(POINT, evidence, START)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("A", evidence(0.60)),
        ("A", evidence(0.60, extraction=0.1)),
        ("B", evidence(0.476, extraction=0.17)),
        ("C-extraction", evidence(0.53, extraction=0.22)),
        ("C-sql_qa", evidence(0.53, sql_qa=0.12)),
        ("C-insights", evidence(0.53, insights=0.12, sql_qa=0.15)),
        ("C-sql_qa", evidence(0.53, insights=0.15, sql_qa=0.12)),
    ],
)
def test_scenarios(name: str, given: dict[str, Measured]) -> None:
    decision = decide(given)
    assert decision.verdict == "decided" and decision.rule is not None
    assert decision.rule.name == name and decision.would_decide is None


def test_an_interval_across_the_target_decides_nothing_and_names_the_run_that_would() -> None:
    decision = decide(evidence(0.56, half=0.06, n=148))
    assert (decision.verdict, decision.rule) == ("ambiguous", None)
    assert decision.would_decide == (
        "eval/mean_reward gained 0.202 [0.142, 0.262] on 148, evaluating the same checkpoint on about 5328 held-out prompts "
        "would distinguish it from 0.192."
    )
    assert "too close to 0.192" in str(decide(evidence(0.55, half=0.05)).would_decide)


def test_what_was_not_measured_is_open_not_false() -> None:
    decision = decide({})
    assert decision.verdict == "ambiguous"
    assert decision.would_decide == "evaluate the checkpoint so that eval/mean_reward is measured."
    given = evidence(0.47)
    del given["eval/extraction"]
    assert "eval/extraction is measured" in str(decide(given).would_decide)
    assert decide(evidence(0.6, n=0)).verdict == "ambiguous"


def test_an_open_scenario_is_not_passed_over_for_a_later_one() -> None:
    """Extraction may be below .25 or not; that C-sql_qa would hold must not decide."""
    given = evidence(0.47, sql_qa=0.1) | {
        "eval/extraction": Measured(
            metric="eval/extraction", value=0.25, interval=Interval(0.2, 0.3), n=59
        )
    }
    assert decide(given).verdict == "ambiguous"


def test_a_result_that_no_scenario_is_about() -> None:
    decision = decide(evidence(0.52))
    assert (decision.verdict, decision.rule, decision.would_decide) == ("none", None, None)
    assert len(decision.results) > 5, "everything that was asked is shown"


def test_every_scenario_writes_a_recipe_that_loads(tmp_path: Path) -> None:
    for scenario in TREE:
        target = tmp_path / f"{scenario.recipe}.toml"
        text = next_recipe(
            PATH.read_text(encoding="utf-8"), scenario, ["A: seen"], "tucano-0.5b-v4.1"
        )
        assert write_next(text, target) is True
        recipe = load_recipe(target)
        assert (recipe.nightly, recipe.description) == (False, scenario.why)
        rules = [rule for point in recipe.decisions for rule in point.rules]
        assert rules == list(scenario.then), "the tree goes on where it says so, and ends elsewhere"
        assert recipe.grpo is not None and len(recipe.grpo.watch) == 8
        assert "# A: seen" in text and "# About 1,480 pairs" in text, (
            "the evidence, and the old recipe's comments"
        )


CHANGED = {
    "A": {"model", "grpo"},
    "B": {"model", "stages", "sft", "grpo", "mix", "gates", "decisions"},
    "C-extraction": {"grpo"},
    "C-sql_qa": {"tasks"},
    "C-insights": {"tasks"},
}


@pytest.mark.parametrize("scenario", TREE, ids=lambda rule: rule.name)
def test_a_next_recipe_differs_in_what_its_scenario_says_and_in_nothing_else(
    scenario: DecisionRule, tmp_path: Path
) -> None:
    old = load_recipe(PATH)
    target = tmp_path / f"{scenario.recipe}.toml"
    write_next(next_recipe(PATH.read_text(encoding="utf-8"), scenario, [], old.name), target)
    new = load_recipe(target)
    aside = {"name", "description", "decisions"}
    changed = {
        field.name for field in fields(old) if getattr(old, field.name) != getattr(new, field.name)
    }
    assert changed - aside == CHANGED[scenario.name] - aside
    if scenario.name == "C-extraction":
        assert old.grpo is not None and new.grpo is not None
        assert new.grpo.weights == {"extraction": 0.6, "extraction_values": 0.4}
        assert replace(new.grpo, weights=old.grpo.weights) == old.grpo


def test_a_leads_to_the_seeds_settings_and_they_are_the_shipped_recipe(tmp_path: Path) -> None:
    text = next_recipe(PATH.read_text(encoding="utf-8"), TREE[0], [], "tucano-0.5b-v4.1")
    shipped = load_recipe(ROOT / "data" / "recipes" / "tucano-3.7b-v4.2.toml")
    assert shipped.grpo is not None
    seeds = (8, 1024, 2e-6, 400)
    spec = shipped.grpo
    assert (
        spec.num_generations,
        spec.max_completion_length,
        spec.learning_rate,
        spec.max_steps,
    ) == seeds
    target = tmp_path / "tucano-3.7b-v4.2.toml"
    write_next(text, target)
    assert load_recipe(target).sha256() == shipped.sha256()


def test_a_recipe_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    old = PATH.read_text(encoding="utf-8")
    target = tmp_path / "mine.toml"
    assert write_next(next_recipe(old, TREE[0], [], "a"), target) is True
    assert write_next(next_recipe(old, TREE[0], ["other evidence"], "a"), target) is False, (
        "the same meaning"
    )
    before = target.read_bytes()
    with pytest.raises(BadInput, match="exists already with other content"):
        write_next(next_recipe(old, TREE[1], [], "a"), target)
    assert target.read_bytes() == before
    with pytest.raises(BadInput, match="unknown key"):
        write_next("[grpo]\nstep = 1\n", tmp_path / "bad.toml")
    assert not (tmp_path / "bad.toml").exists()
