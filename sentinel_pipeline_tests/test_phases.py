"""Phases and the budget: what is optional goes first and in the stated order, what is critical
never."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.costs import Cost, refuse_beyond
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.phases import (
    choose,
    is_for_budget,
    limited,
    phase_hours,
    phases_of,
    skip_reason,
    skipped_phases,
)
from sentinel_pipeline.records.gate_spec import BenchSpec, GatePolicy
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.training_spec import Budget
from sentinel_pipeline.store import Home, Store, skip

HOURS = {
    "base_checkpoint": 0.0, "base_report": 1.0, "sft_checkpoint": 3.0, "sft_report": 1.0,
    "preference_pairs": 2.0, "dpo_checkpoint": 3.0, "dpo_report": 1.0, "grpo_checkpoint": 5.0,
    "grpo_report": 1.0,
}  # fmt: skip


def recipe(*optional: str, max_hours: float | None = None) -> Recipe:
    return Recipe(
        name="mine",
        grpo=GrpoSpec(start="dpo"),
        bench=BenchSpec(suites=("heldout", "ifeval"), gate_suite="heldout"),
        budget=Budget(optional=optional, max_hours=max_hours),
    )


def skipped(allowed: float, *optional: str) -> tuple[str, ...]:
    mine = recipe(*optional, max_hours=allowed)
    return choose(mine, mine.budget, 0.0, HOURS, {"heldout": 3, "ifeval": 1}).skipped


def test_nothing_is_skipped_while_all_fits() -> None:
    assert skipped(17.0, "grpo", "dpo") == ()


def test_optional_phases_go_in_the_stated_order_and_no_more_than_is_needed() -> None:
    assert skipped(16.9, "grpo", "dpo") == ("grpo",)
    assert skipped(10.9, "grpo", "dpo") == ("grpo", "dpo")
    assert skipped(16.9, "suite:ifeval", "grpo", "dpo") == ("suite:ifeval",)


def test_a_suite_is_worth_its_share_of_every_report() -> None:
    assert skipped(16.0, "suite:ifeval", "grpo") == ("suite:ifeval",), "a quarter of four hours"
    assert skipped(15.9, "suite:ifeval", "grpo") == ("suite:ifeval", "grpo")


def test_what_is_critical_is_never_skipped_and_does_not_fit() -> None:
    mine = recipe("grpo", max_hours=2.0)
    choice = choose(mine, mine.budget, 0.0, HOURS, {})
    assert (choice.skipped, choice.fits, choice.hours) == (("grpo",), False, 11.0)


def test_where_only_optional_phases_are_left_they_are_skipped_and_nothing_is_refused() -> None:
    mine = recipe("grpo", "dpo", max_hours=1.0)
    left = {name: None for name in HOURS if name.startswith(("dpo", "grpo", "pref"))}
    choice = choose(mine, mine.budget, 3.0, left, {})
    assert (choice.skipped, choice.left, choice.fits) == (("grpo", "dpo"), (), True)
    assert not choose(mine, mine.budget, 3.0, {**left, "sft_report": None}, {}).fits


def test_what_was_spent_counts_before_what_is_expected() -> None:
    mine = recipe("grpo", "dpo", max_hours=10.0)
    left = {name: hours for name, hours in HOURS.items() if name.startswith(("dpo", "grpo"))}
    assert choose(mine, mine.budget, 4.0, left, {}).skipped == ("grpo",)
    assert choose(mine, mine.budget, 9.5, left, {}).skipped == ("grpo", "dpo")


@given(st.floats(0, 30), st.permutations(["grpo", "suite:ifeval"]))
def test_the_skipped_ones_are_always_a_beginning_of_the_order(
    allowed: float, order: list[str]
) -> None:
    gone = skipped(allowed, *order)
    assert gone == tuple(order[: len(gone)])


def test_a_plan_shows_the_phases_with_their_hours() -> None:
    mine = recipe("suite:ifeval", "grpo")
    items = {"heldout": 3, "ifeval": 1}
    table = {
        phase.name: (phase_hours(mine, phase, HOURS, items), phase.place)
        for phase in phases_of(mine)
    }
    assert table == {
        "base": (1.0, None), "sft": (4.0, None), "dpo": (6.0, None), "grpo": (6.0, 2),
        "suite:ifeval": (1.0, 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("optional", "says"),
    [
        (("dpo",), "'grpo' starts from 'dpo', which may be skipped"),
        (("dpo", "grpo"), "'grpo' starts from 'dpo', which may be skipped"),
        (("kto",), "unknown phase 'kto'"),
        (("suite:mbpp",), "suite 'mbpp' is not answered by this recipe"),
        (("suite:heldout",), "gates.capability_gap needs suite 'heldout'"),
    ],
)
def test_what_takes_something_critical_with_it_cannot_be_optional(
    optional: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        recipe(*optional).check()


def test_a_gate_that_blocks_cannot_compare_with_what_may_be_skipped() -> None:
    mine = replace(recipe("grpo", "dpo"), grpo=GrpoSpec(start="sft"))
    gate = GatePolicy(metric="pass_at_1", threshold=0.0, stage="grpo", against="dpo")
    mine = replace(mine, gates={**mine.gates, "better": gate})
    mine.check()
    swapped = replace(mine, budget=Budget(optional=("dpo", "grpo")))
    with pytest.raises(ValueError, match=r"gates\.better compares with 'dpo'"):
        swapped.check()


def test_of_two_limits_the_lower_one_counts_and_a_command_may_set_others() -> None:
    budget = Budget(hourly_rate=2.0, max_hours=10.0, max_cost=12.0)
    assert budget.hours_allowed == 6.0
    mine = Recipe(name="mine", budget=budget)
    assert limited(mine, 3.0, None).budget.hours_allowed == 3.0
    assert limited(mine, None, 40.0).budget.hours_allowed == 10.0
    with pytest.raises(BadInput, match="an hour costs nothing"):
        limited(Recipe(name="mine"), None, 5.0)


def test_a_pause_says_the_money_and_how_to_go_on() -> None:
    budget = Budget(hourly_rate=1.5, max_cost=3.0)
    with pytest.raises(GateRefused) as refused:
        refuse_beyond(budget, "dpo_checkpoint", 3600.0, Cost(device_s=7200.0), "sentinel run R")
    text = str(refused.value)
    assert "1.000 h spent, 2.000 h expected (4.50 USD), 2 h allowed" in text
    assert "pauses here and keeps what it made" in text and text.endswith("there: sentinel run R.")


def test_skipped_phases_are_read_from_what_the_loop_made(home: Home) -> None:
    mine = recipe("suite:ifeval", "grpo", max_hours=1.0)
    reason = skip_reason("grpo", choose(mine, mine.budget, 0.0, HOURS, {}))
    assert is_for_budget(reason) and not is_for_budget("the recipe's stages are sft, without grpo")
    store = Store(home, "mine", "run-1", "loop-1")
    with store.writing("grpo_checkpoint", recipe_hash="h", seed=1) as out:
        skip(out, reason)
    with store.writing("base_report", recipe_hash="h", seed=1) as out:
        out.json("skipped_suites.json", {"ifeval": "too little"})
    expected = {"grpo": reason, "suite:ifeval": "too little"}
    assert skipped_phases(store, mine) == expected
    assert skipped_phases(Store.reading(home, "mine"), mine) == expected
    assert skipped_phases(Store(home, "mine", "run-9", "loop-9"), mine) == {}
