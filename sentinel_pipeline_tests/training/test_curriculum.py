"""The order of GRPO's prompts: contrast only, easy first, the same for the same seed, and batches
that TRL can divide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.training.planning.plan_grpo import coverage_note, plan_grpo
from sentinel_pipeline.training.trainers.curriculum import PassRate, by_rate, completion_order

RATES = [
    PassRate(str(i), mean, 0 < mean < 1) for i, mean in enumerate((0.0, 1.0, 0.25, 0.75, 0.5, 1.0))
]


def test_prompts_without_contrast_are_left_out_and_easy_ones_come_first() -> None:
    assert by_rate(RATES, 3, 2, seed=1) == [3, 4, 2]
    twice = by_rate(RATES, 6, 2, seed=1)
    assert twice == [3, 4, 2, 3, 4, 2], "another pass where there are fewer than wanted"


def test_too_few_with_contrast_and_every_prompt_is_taken() -> None:
    assert sorted(by_rate(RATES, 6, 4, seed=1)) == [0, 1, 2, 3, 4, 5]


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30),
    st.integers(1, 60),
    st.integers(0, 9),
)
def test_an_order_has_the_length_asked_for_and_depends_on_the_seed_alone(
    means: list[float], wanted: int, seed: int
) -> None:
    rates = [PassRate(str(i), mean, 0 < mean < 1) for i, mean in enumerate(means)]
    order = by_rate(rates, wanted, 2, seed)
    assert len(order) == wanted and order == by_rate(rates, wanted, 2, seed)
    if sum(rate.contrast for rate in rates) >= 2:
        assert all(rates[index].contrast for index in order)


def test_each_step_is_whole_groups_once_a_micro_batch() -> None:
    assert (
        completion_order([7, 8, 9, 4], 2, 3, 2) == [7, 7, 7, 8, 8, 8] * 2 + [9, 9, 9, 4, 4, 4] * 2
    )


def test_a_plan_tells_how_many_prompts_a_run_sees() -> None:
    spec = GrpoSpec(max_steps=100, prompts_per_step=2, num_generations=4)
    plan = plan_grpo(spec, {"extraction": 592, "push": 148, "none": 0}, None, "x")
    assert (plan["rows"], plan["batch"], plan["coverage"]) == (740, 8, round(200 / 740, 4))
    low, high = plan["categories"]["push"]["coverage_interval"]
    assert low < plan["categories"]["push"]["coverage"] < high
    assert (
        "see 27.0 % of 740 prompts; the run of the V4.1 handoff stopped improving at 13.5 %: 370 steps"
        in coverage_note(spec, plan)
    )
    assert "V4.1 handoff" not in coverage_note(
        spec, plan_grpo(GrpoSpec(max_steps=370), {"push": 740}, None, "x")
    )
