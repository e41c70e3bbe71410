"""Turns become conversations: one sample each, failing by any turn, and scored again turn by
turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sentinel_pipeline.bench.report import build_report
from sentinel_pipeline.bench.rescore import rescore
from sentinel_pipeline.bench.samples import join_turns
from sentinel_pipeline.gates import wilson, wilson_by_task
from sentinel_pipeline.records import SampleScore
from sentinel_pipeline.tasks.suites import as_items, load_suite

TURN = SampleScore(
    task_id="", category="general_chat", family="memory", completion="x", outcome="pass", reason="passed",
    syntax_ok=None, stopped=True, tokens=3, seconds=0.5,
)  # fmt: skip


def turn(name: str, outcome: Any = "pass", **change: Any) -> SampleScore:
    return replace(TURN, task_id=name, outcome=outcome, **change)


def test_a_conversation_passes_when_every_turn_does_and_names_the_first_that_fails() -> None:
    joined = join_turns(
        [
            turn("a#1"),
            turn("a#2"),
            turn("b#1"),
            turn("b#2", "fail", reason="missing_fact: Ann", completion="y"),
            turn("b#3", "infra", reason="infra: lost"),
            turn("c#1", "infra", reason="infra: lost"),
            turn("c#2"),
            turn("plain"),
        ]
    )
    assert [(one.task_id, one.outcome, one.reason) for one in joined] == [
        ("a", "pass", "passed"),
        ("b", "fail", "missing_fact: Ann (turn 2; 1 of 3 passed)"),
        ("c", "infra", "infra: lost (turn 1; 1 of 2 passed)"),
        ("plain", "pass", "passed"),
    ]
    assert joined[1].completion == "[1] x\n[2] y\n[3] x" and (
        joined[1].tokens,
        joined[1].seconds,
    ) == (9, 1.5)


def test_samples_of_a_conversation_stay_apart() -> None:
    joined = join_turns([turn("a#1"), turn("a#1~2", "fail"), turn("a#2"), turn("a#2~2")])
    assert [(one.task_id, one.outcome) for one in joined] == [("a", "pass"), ("a~2", "fail")]


def test_the_interval_counts_tasks_where_samples_repeat_them() -> None:
    def interval(samples: list[SampleScore]) -> Any:
        return build_report(
            samples,
            stage="s",
            suite="x",
            model="m",
            model_hash="h",
            scorer_version="v",
            decoding={},
        ).interval

    single = [turn(f"t{i}", "pass" if i % 2 else "fail") for i in range(20)]
    assert interval(single) == wilson(10, 20)
    twice = single + [replace(one, task_id=f"{one.task_id}~2") for one in single]
    assert interval(twice) == wilson_by_task([float(i % 2) for i in range(20)], 40)
    assert interval(twice).high - interval(twice).low > 0.9 * (
        wilson(10, 20).high - wilson(10, 20).low
    )


def test_turns_are_scored_again_and_what_was_not_answered_stays_open() -> None:
    tasks = load_suite("conversations")[:7]
    stored = [turn(task.id, "fail", completion=task.reference, reason="old") for task in tasks[:-1]]
    stored.append(turn(tasks[-1].id, "infra", completion="", reason="infra: not answered"))
    again = rescore(tasks, stored)
    assert [one.outcome for one in again] == ["pass"] * 6 + ["infra"]
    assert [one.outcome for one in join_turns(again)] == ["pass", "infra"]


def test_a_conversations_last_turn_stands_for_it() -> None:
    tasks = load_suite("conversations")
    items = as_items(tasks)
    assert len(items) == 200 and items[0].id == "conversations/memory-000"
    assert items[0].messages == tasks[2].messages and as_items(load_suite("smoke")) == load_suite(
        "smoke"
    )
