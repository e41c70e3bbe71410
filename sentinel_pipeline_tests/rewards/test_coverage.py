"""Coverage of prompts: the seed's figures, the spread of a small task against a simulation, and the
count while running."""

from __future__ import annotations

from random import Random

import pytest

from sentinel_pipeline.rewards.coverage import Seen, planned, prompts_per_step
from sentinel_pipeline.tasks.commerce import TRAIN


def test_the_seeds_own_figures() -> None:
    """13.5 % of 1,480 after 200 steps is one prompt a step, not the two that the seed counts on:
    two would have been 27 %."""
    assert planned(TRAIN, 200, 1).total.share == pytest.approx(0.135, abs=5e-4)
    assert planned(TRAIN, 200, 2).total.share == pytest.approx(0.270, abs=5e-4)
    assert planned(TRAIN, 600, 2).total.share == pytest.approx(0.811, abs=5e-4)
    assert planned(TRAIN, 600, 1).total.share == pytest.approx(0.405, abs=5e-4)


def test_a_batch_counts_completions() -> None:
    assert prompts_per_step(2, 1, 16) == 0.125
    assert prompts_per_step(32, 1, 16) == 2
    assert prompts_per_step(16, 2, 16) == 2


def test_the_spread_of_a_small_task_is_the_samplers() -> None:
    plan = planned(TRAIN, 200, 1).tasks["push"]
    names = [name for name, count in TRAIN.items() for _ in range(count)]
    draws = sorted(Random(seed).sample(names, 200).count("push") for seed in range(2000))
    assert plan.seen == pytest.approx(sum(draws) / len(draws), abs=0.5)
    inside = sum(plan.low <= one <= plan.high for one in draws) / len(draws)
    assert 0.92 <= inside <= 0.98


def test_more_steps_than_prompts_are_epochs() -> None:
    plan = planned({"a": 10, "b": 30}, 100, 1)
    assert plan.epochs == 2.5 and plan.total.share == 1
    assert plan.tasks["a"] == (10, 10, 10, 10)


def test_what_was_seen_is_counted_once() -> None:
    seen = Seen({"a": 4, "b": 2})
    seen.add([("a", "1"), ("a", "1"), ("a", "2")])
    seen.add([("a", "2"), ("b", "9")])
    found = seen.coverage()
    assert (found.tasks["a"].share, found.tasks["b"].share, found.total.seen) == (0.5, 0.5, 3)
    assert planned({}, 5, 1).total.share == 0
