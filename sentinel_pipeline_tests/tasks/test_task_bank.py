"""The task bank: disjoint, deterministic, free of duplicates, and loud about a request it cannot
meet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Task
from sentinel_pipeline.records.task_source import TasksSpec
from sentinel_pipeline.tasks import task_bank
from sentinel_pipeline.tasks.families import FAMILIES, Family, is_heldout, is_window
from sentinel_pipeline.tasks.task_bank import (
    TaskBank,
    build,
    fresh_heldout,
    reward_counts,
    reward_prompts,
)

NAMES = [family.name for family in FAMILIES]


def small(seed: int, train: int = 40, heldout: int = 15) -> TaskBank:
    return build(seed, dict.fromkeys(NAMES, train), dict.fromkeys(NAMES, heldout))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_train_and_heldout_share_no_composition_of_any_family(seed: int) -> None:
    bank = small(seed)
    for name in NAMES:
        train = {task.composition for task in bank.train if task.family == name}
        assert train.isdisjoint({task.composition for task in bank.heldout if task.family == name})


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_no_prompt_and_no_id_appears_twice(seed: int) -> None:
    bank = small(seed)
    tasks = [*bank.train, *bank.heldout]
    assert (
        len({task.messages for task in tasks})
        == len({task.id for task in tasks})
        == len(tasks)
        == 5 * 55
    )


def test_the_same_seed_gives_the_same_bytes() -> None:
    rows = [json.dumps([task.to_row() for side in small(3) for task in side]) for _ in range(2)]
    assert rows[0] == rows[1]


def test_another_seed_gives_other_tasks() -> None:
    """A few equal prompts are chance: the word list is short on purpose."""
    first, second = ({task.id for task in small(seed).train} for seed in (1, 2))
    assert len(first & second) < 0.1 * len(first)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_reward_prompts_are_new_and_of_compositions_that_neither_train_nor_are_a_windows(
    seed: int,
) -> None:
    sizes = dict.fromkeys(NAMES, 15)
    bank = build(seed, dict.fromkeys(NAMES, 40), sizes, sizes)
    fresh = fresh_heldout(seed + 1, sizes, bank)
    others = [task for side in (*bank, fresh) for task in side]
    drawn = reward_prompts(seed, dict.fromkeys(NAMES, 12), others)
    assert Counter(task.family for task in drawn) == dict.fromkeys(NAMES, 12)
    assert {task.suite for task in drawn} == {"reward"}
    assert {task.messages for task in drawn}.isdisjoint({task.messages for task in others})
    seen = {(task.family, task.composition) for task in (*bank.train, *bank.window)}
    assert seen.isdisjoint({(task.family, task.composition) for task in drawn})
    assert reward_prompts(seed, dict.fromkeys(NAMES, 12), others) == drawn


def test_a_family_with_too_few_prompts_gives_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = reward_prompts(3, {"chat": 3}, ())

    def used_up(family: Family, *_: object) -> Iterator[Task]:
        if family.name == "chat":
            yield from few
            raise BadInput("family chat has no 9 different prompts")

    monkeypatch.setattr(task_bank, "_tasks", used_up)
    assert reward_prompts(3, {"chat": 9}, ()) == few


def test_reward_prompts_have_the_windows_shares_and_are_as_many_as_are_asked() -> None:
    sizes = TasksSpec(train={"chat": 9}, heldout={"tools": 9}, window={"functions": 2, "edits": 1})
    assert reward_counts(sizes, 100) == {"functions": 66, "edits": 34}
    assert reward_counts(replace(sizes, window={}), 7) == {"tools": 7}
    assert reward_counts(TasksSpec(train={"chat": 9}), 7) == {"chat": 7}
    assert reward_counts(TasksSpec(), 7) == {}


@given(seed=st.integers(0, 2**32), other=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_fresh_items_are_new_prompts_of_heldout_compositions(seed: int, other: int) -> None:
    counts = dict.fromkeys(NAMES, 15)
    bank = small(seed)
    fresh = fresh_heldout(other, counts, bank)
    assert Counter(task.family for task in fresh) == counts
    assert {task.suite for task in fresh} == {"fresh"}
    known = {task.messages for side in bank for task in side}
    assert known.isdisjoint({task.messages for task in fresh})
    for task in fresh:
        assert is_heldout(task.family, task.composition)
        assert not is_window(task.family, task.composition)


def test_more_training_tasks_change_no_heldout_task() -> None:
    assert small(4, train=10).heldout == small(4, train=60).heldout


def test_asking_for_more_of_a_family_only_adds_to_its_end() -> None:
    few, many = build(5, {"chat": 20}, {}).train, build(5, {"chat": 60}, {}).train
    assert many[:20] == few


def test_heldout_tasks_cover_the_compositions_evenly() -> None:
    (edits,) = [family for family in FAMILIES if family.name == "edits"]
    held = [one for one in edits.split(heldout=True) if not is_window("edits", one)]
    tasks = build(6, {}, {"edits": len(held)}).heldout
    assert {task.composition for task in tasks} == set(held)


def test_a_task_survives_its_row() -> None:
    bank = small(7, 3, 3)
    assert [Task.from_row(task.to_row()) for task in bank.train] == list(bank.train)


def test_suites_are_named_train_and_heldout() -> None:
    bank = small(8, 2, 2)
    assert {task.suite for task in bank.train} == {"train"} and {
        task.suite for task in bank.heldout
    } == {"heldout"}


def test_an_unknown_family_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(BadInput, match=r"train\.function'.*Did you mean 'functions'"):
        build(0, {"function": 3}, {})


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(BadInput, match=r"heldout\.chat.*0 or more, got -1"):
        build(0, {}, {"chat": -1})


def test_more_prompts_than_a_family_has_is_refused_and_not_an_endless_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sentinel_pipeline.tasks import task_bank

    (chat,) = [family for family in FAMILIES if family.name == "chat"]
    tiny = chat._replace(
        compositions=("recall|day|pet|day", "recall|pet|day|pet", "correct|day|pet|day")
    )
    narrow = tiny._replace(
        generate=lambda composition, rng: chat.generate(composition, type(rng)(rng.randint(0, 2)))
    )
    monkeypatch.setattr(task_bank, "EVERY_FAMILY", (narrow,))
    with pytest.raises(
        BadInput, match=r"no 50 different train prompts, only about \d.*Ask for at most"
    ):
        build(0, {"chat": 50}, {})


def test_windows_share_no_composition_with_what_trains_or_judges() -> None:
    counts = dict.fromkeys(NAMES, 30)
    bank = build(8, counts, counts, counts)
    sides = [{(task.family, task.composition) for task in side} for side in bank]
    assert all(sides)
    assert not (sides[0] & sides[1]) | (sides[0] & sides[2]) | (sides[1] & sides[2])
    prompts = [task.messages for side in bank for task in side]
    assert len(set(prompts)) == len(prompts)
