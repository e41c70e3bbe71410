"""The families with levels: every reference passes its own verifier and what differs from it does
not, a higher level is more to do, and the plan's kinds of data are all there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.critic.scorers import SCORERS
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import CATEGORIES
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.tasks.difficulty import levels_of, measure
from sentinel_pipeline.tasks.families import Draft, Family, is_window
from sentinel_pipeline.tasks.levelled import (
    LEVELLED,
    PLANNED,
    azure,
    diagnosis,
    dockerfiles,
    linux,
    nginx,
    pm2,
    ssh,
    systemd,
)
from sentinel_pipeline.tasks.task_bank import EVERY_FAMILY, build, fresh_heldout
from sentinel_pipeline_tests.conftest import ROOT

seeds = st.integers(0, 2**32)
each_family = pytest.mark.parametrize("family", LEVELLED, ids=lambda family: family.name)
TABLES = [module.TABLE for module in (linux, dockerfiles, nginx, systemd, pm2, azure, ssh)]
PLAN = {
    "executable_code": {"HumanEval-style stubs", "MBPP-style prompts", "unit-test repair", "CLI scripts", "API handlers"},
    "code_editing": {"unified diffs", "bug fixes", "refactors", "failing-test-to-patch"},
    "tool_use": {"file search", "terminal commands", "deployment diagnostics", "function-call JSON"},
    "devops": {"Linux", "Docker", "nginx", "pm2", "Azure", "SSH", "logs"},
    "general_chat": {"concise natural language", "summarization", "planning"},
}  # fmt: skip
"""The kinds of data that the auto-critic plan lists for its mix."""


def at_level(family: Family, level: int) -> list[str]:
    return [each for each in family.compositions if family.level_of(each) == level]


def drafts(seed: int) -> Iterator[tuple[Family, Draft]]:
    """A task of the least, the most and some other level of every family."""
    for family in LEVELLED:
        rng = Random(f"{seed}|{family.name}")
        levels = levels_of(family)
        for level in (levels[0], rng.choice(levels), levels[-1]):
            yield family, family.generate(rng.choice(at_level(family, level)), rng)


@given(seed=seeds)
@example(seed=3851509203)
@settings(max_examples=3, deadline=None)
def test_references_pass_and_wrong_answers_fail(seed: int) -> None:
    """Nor does nothing, or the prompt handed back: the code that it shows is wrong."""
    items = []
    for number, (family, draft) in enumerate(drafts(seed)):
        wrong = SCORERS[type(draft.verifier)].examples.wrong
        answers = {
            "gold": draft.reference,
            "wrong": wrong(draft.reference, draft.verifier, Random(seed)),
            "nothing": "",
            "prompt": draft.messages[-1].content,
        }
        items += [
            Scorable(f"{family.name}-{number}/{kind}", draft.messages, answer, draft.verifier)
            for kind, answer in answers.items()
        ]
    results = {result.id: result for result in score(iter(items))}
    unexpected = {
        item.id: results[item.id].reason
        for item in items
        if results[item.id].outcome != ("pass" if item.id.endswith("/gold") else "fail")
    }
    assert unexpected == {}


def test_answers_with_one_place_changed_fail_and_are_counted() -> None:
    """Some changes are none: a branch that no rule reaches, a constant that is never met."""
    measured = measure([family.name for family in LEVELLED], tasks=2, mutations=3, seed=5)
    assert all(level.references_passed == level.tasks == 2 for level in measured)
    mutants = sum(level.mutants for level in measured)
    assert mutants > 5 * len(measured)
    assert sum(level.mutants_passed for level in measured) / mutants < 0.06
    by_family: Counter[str] = Counter()
    for level in measured:
        by_family[level.family] += level.mutants_passed
    totals = Counter({family.name: 6 * len(levels_of(family)) for family in LEVELLED})
    assert all(by_family[name] <= 0.3 * total for name, total in totals.items()), by_family


@each_family
def test_a_higher_level_is_more_to_do(family: Family) -> None:
    def size(level: int) -> float:
        rng = Random(f"size|{level}")
        few = [family.generate(rng.choice(at_level(family, level)), rng) for _ in range(12)]
        return sum(
            len(draft.reference) + sum(len(turn.content) for turn in draft.messages)
            for draft in few
        )

    levels = levels_of(family)
    assert len(levels) >= 5
    assert size(levels[0]) < size(levels[len(levels) // 2]) < size(levels[-1])


@each_family
def test_compositions_name_their_level_and_stand_on_one_side(family: Family) -> None:
    assert len(set(family.compositions)) == len(family.compositions)
    assert {family.level_of(each) for each in family.compositions} == set(levels_of(family))
    heldout = family.split(heldout=True)
    assert 0.1 <= len(heldout) / len(family.compositions) <= 0.3
    assert any(is_window(family.name, each) for each in heldout)
    parts = {
        part
        for each in family.split(heldout=False)
        for part in each.partition("|")[2].replace("|", "+").split("+")
    }
    assert all(
        set(each.partition("|")[2].replace("|", "+").split("+")) <= parts for each in heldout
    )


@each_family
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_draft_and_no_prompt_holds_its_answer(
    family: Family, seed: int
) -> None:
    composition = Random(seed).choice(family.compositions)
    draft = family.generate(composition, Random(seed))
    assert draft == family.generate(composition, Random(seed))
    assert not any(draft.reference in turn.content for turn in draft.messages)
    assert draft.messages[-1].role == "user"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_rules_alone_find_what_was_planted_and_nothing_else(
    table: diagnosis.Table, seed: int
) -> None:
    rng = Random(seed)
    level = rng.randint(*diagnosis.LEVELS)
    codes = rng.sample(sorted(table.faults), (level + 1) // 2)
    case = diagnosis.draw_case(table, codes, level, rng)
    planted = [(answer["line"], answer["fault"]) for answer in case.answer]
    assert diagnosis.faults_in(table, case.broken) == planted
    assert {code for _, code in planted} == set(codes)
    assert diagnosis.faults_in(table, case.right) == []
    right = case.right.splitlines()
    assert [right[int(answer["line"]) - 1].strip() for answer in case.answer] == [
        answer["fix"] for answer in case.answer
    ]


def test_the_plans_kinds_of_data_are_covered_by_name() -> None:
    assert {category: set(kinds) for category, kinds in PLANNED.items()} == PLAN
    assert tuple(PLANNED) == CATEGORIES
    categories = {family.name: family.category for family in EVERY_FAMILY}
    for kinds in PLANNED.values():
        for families in kinds.values():
            assert families and set(families) <= set(categories)
    named = {name for kinds in PLANNED.values() for families in kinds.values() for name in families}
    assert {family.name for family in LEVELLED} <= named
    for category, kinds in PLANNED.items():
        own = [name for names in kinds.values() for name in names if categories[name] == category]
        assert own, category


def test_a_recipe_chooses_levels_on_every_side() -> None:
    counts = {"modules": 30, "talks": 12}
    levels = {"modules": (2, 3), "talks": (8, 12)}
    bank = build(3, counts, {"modules": 8, "talks": 4}, {"modules": 4}, levels)
    fresh = fresh_heldout(4, {"modules": 8}, bank, levels)
    by_family: dict[str, set[int]] = {"modules": set(), "talks": set()}
    for task in (*bank.train, *bank.heldout, *bank.window, *fresh):
        by_family[task.family].add(int(task.composition.partition("|")[0]))
    assert by_family["modules"] == {2, 3}
    assert by_family["talks"] <= set(range(8, 13))
    train = {task.composition for task in bank.train}
    assert train.isdisjoint(task.composition for task in (*bank.heldout, *bank.window, *fresh))


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"module": (1, 2)}, "Did you mean 'modules'?"),
        ({"functions": (1, 2)}, "functions is of one difficulty. With levels: modules, fixes"),
        ({"modules": (1, 9)}, "expected two levels from 1 to 6, the lower first, got [1, 9]"),
        ({"modules": (4, 2)}, "expected two levels from 1 to 6, the lower first, got [4, 2]"),
    ],
)
def test_levels_that_a_family_does_not_have_are_refused_by_their_key(
    levels: dict[str, tuple[int, int]], expected: str
) -> None:
    with pytest.raises(BadInput) as error:
        build(0, {"modules": 2}, {}, levels=levels)
    assert expected in str(error.value)
    assert error.value.field == f"levels.{next(iter(levels))}"


def test_a_side_without_a_composition_of_the_levels_is_refused_and_not_an_endless_loop() -> None:
    empty = next(
        (family, level)
        for family in LEVELLED
        for level in levels_of(family)
        if not any(is_window(family.name, each) for each in at_level(family, level))
    )
    family, level = empty
    with pytest.raises(BadInput, match="no window composition of these levels"):
        build(0, {}, {}, {family.name: 1}, {family.name: (level, level)})


def test_the_bank_of_tiny_is_as_it_was_before_families_had_levels() -> None:
    recipe = load_recipe(ROOT / "data" / "recipes" / "tiny.toml")
    tasks = recipe.tasks
    assert tasks.levels == {}
    bank = build(recipe.seed, tasks.train, tasks.heldout, tasks.window)
    fresh = fresh_heldout(int(tasks.fresh_seed or 0), tasks.heldout, bank)
    digest = hashlib.sha256()
    for side in (*bank, fresh):
        for task in side:
            row = json.dumps(task.to_row(), sort_keys=True, ensure_ascii=False)
            digest.update(row.encode())
    assert digest.hexdigest() == "c85c13a12f5bc69989d9073c3a16a2a5f46602fe548286170c0f243da51b7592"
