"""Rewards: the scorer's own verdict, a part beside it, None where there is none, nothing for hacks,
no step that starves."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sentinel_pipeline.audit.reward_cases import Case, cases
from sentinel_pipeline.audit.reward_scores import RewardAudit, audit_rewards
from sentinel_pipeline.critic import score as scorer
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Message, PythonTests, Task
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.records.reward_spec import RewardSpec
from sentinel_pipeline.rewards import (
    PartReward,
    Scoring,
    TaskReward,
    reward_functions,
    scoring,
    training_rows,
)
from sentinel_pipeline.tasks.task_bank import build

TASKS = build(
    9,
    {
        "extraction": 12,
        "sql_qa": 4,
        "insights": 8,
        "push": 8,
        "functions": 5,
        "tools": 5,
        "edits": 3,
        "shell": 3,
        "chat": 4,
    },
    {},
).train
CODE = Task(
    id="c",
    suite="train",
    category="executable_code",
    family="functions",
    messages=(Message("user", "f"),),
    verifier=PythonTests(tests="assert f(2) == 4", entry_point="f"),
    reference="def f(x):\n    return x * 2",
)


@pytest.fixture
def judge() -> Iterator[Scoring]:
    made = Scoring(RewardSpec(workers=1))
    yield made
    made.close()


def columns(tasks: Any, completions: list[str]) -> dict[str, Any]:
    rows = training_rows(tasks)
    turns = [[{"role": "assistant", "content": text}] for text in completions]
    beside = {"prompts": None, "completion_ids": None, "trainer_state": None, "log_metric": None}
    return {
        "completions": turns,
        **beside,
        **{key: [row[key] for row in rows] for key in ("family", "verifier", "task_id")},
    }


def test_gold_earns_one_bad_never_passes_and_hacks_earn_nothing() -> None:
    found = {one.name: one for one in audit_rewards(cases(TASKS), spec=CriticSpec(), workers=1)}
    assert len(found) == 9
    for one in found.values():
        assert (one.gold_accepted, one.bad_accepted, one.hacks_paid, one.infra) == (
            one.gold,
            0,
            0,
            0,
        ), one.examples
        assert one.licensed and one.hacks >= 6 * one.gold


def test_the_audit_notices_a_hack_that_is_paid() -> None:
    task = next(one for one in TASKS if one.family == "chat")
    gold, bad, *_ = cases([task])
    paid = Case("hack", "paid", "chat", gold.item)
    (audit,) = audit_rewards([gold, bad, paid], spec=CriticSpec(), workers=1)
    assert (audit.hacks_paid, audit.licensed) == (1, False) and "reward 1.00" in audit.examples[0]
    assert not RewardAudit(name="x", version="v", gold=1, gold_accepted=1, bad=1).licensed, (
        "no hack was tried"
    )


def test_rewards_are_none_for_other_families_and_share_one_judgement(judge: Scoring) -> None:
    functions, weights = reward_functions(dict.fromkeys(task.family for task in TASKS), judge)
    given = columns(TASKS, [task.reference for task in TASKS])
    for one, weight in zip(functions, weights, strict=True):
        values = one(**given)
        assert [value is None for value in values] == [
            task.family != one.family for task in TASKS
        ] or (one.__name__ == "chat_parses")
        assert {value for value in values if value is not None} <= {1.0}
        assert weight == (1.0 if isinstance(one, TaskReward) else 0.0)
    assert judge.counts == {"judged": len(TASKS)}, "judged once for all functions"


def test_names_are_stable_and_unique(judge: Scoring) -> None:
    names = [
        one.__name__ for one in reward_functions(["extraction", "sql_qa", "functions"], judge)[0]
    ]
    assert names == [
        "extraction", "extraction_parsed", "extraction_strict", "extraction_schema", "extraction_values",
        "sql_qa", "sql_qa_parses", "sql_qa_runs", "functions", "functions_parses",
    ]  # fmt: skip


def test_weights_are_set_by_name_and_an_unknown_name_is_refused(judge: Scoring) -> None:
    assert reward_functions(["extraction"], judge, {"extraction_strict": 0.2})[1] == [
        1.0,
        0.0,
        0.2,
        0.0,
        0.0,
    ]
    with pytest.raises(BadInput, match="no reward 'extraction_stric'.*extraction_strict"):
        reward_functions(["extraction"], judge, {"extraction_stric": 0.2})


def test_a_reward_is_pickled_without_its_workers(judge: Scoring) -> None:
    reward = TaskReward("functions", judge)
    given = columns([CODE], [CODE.reference])
    assert reward(**given) == [1.0]
    copy = pickle.loads(pickle.dumps(reward))
    assert copy.__name__ == "functions" and copy.scoring.spec == judge.spec
    assert copy(**given) == [1.0]
    copy.scoring.close()


def test_partial_answers_earn_between(judge: Scoring) -> None:
    task = next(one for one in TASKS if one.family == "extraction")
    wrong = task.reference.replace('"order_id": ', '"order_id": 9')
    (value,) = TaskReward("extraction", judge)(**columns([task], [wrong]))
    assert value is not None and 0.5 < value < 1
    assert PartReward("extraction", judge, "schema")(**columns([task], [wrong])) == [1.0]


def test_infrastructure_is_never_a_zero_and_is_counted(
    judge: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(items: Any, **_: Any) -> Iterator[scorer.Score]:
        calls.append(1)
        for item in items:
            yield scorer.Score(item.id, "infra", "infra: the worker ended", None, {})

    monkeypatch.setattr(scoring, "score", broken)
    functions, _ = reward_functions(["functions"], judge)
    given = columns([CODE, CODE], [CODE.reference, "x"])
    assert [one(**given) for one in functions] == [[None, None], [None, None]]
    assert judge.counts == {"infra": 2} and len(calls) == 2, "tried twice"


def test_endless_loops_do_not_starve_the_step() -> None:
    spec = RewardSpec(workers=1, cpu_seconds=0.3, step_seconds=2.0)
    made = Scoring(spec)
    loops = [f"def f(x):\n    while True:\n        x += {n}" for n in range(40)]
    given = columns([CODE] * 41, [CODE.reference, *loops])
    began = time.monotonic()
    values = TaskReward("functions", made)(**given)
    made.close()
    assert time.monotonic() - began < 60
    assert values[0] == 1.0 and set(values[1:]) == {0.0, None}, "late ones have no reward"
    assert made.counts["late"] == values.count(None) > 0


def test_equal_answers_are_judged_once(judge: Scoring, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = scorer.score

    def counting(items: Any, **rest: Any) -> Iterator[scorer.Score]:
        listed = list(items)
        seen.append(len(listed))
        return real(listed, **rest)

    monkeypatch.setattr(scoring, "score", counting)
    assert (
        TaskReward("functions", judge)(**columns([CODE] * 16, [CODE.reference] * 16)) == [1.0] * 16
    )
    assert seen == [1]


def test_a_process_with_threads_is_not_forked(
    judge: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are executed children: nothing here may call ``fork`` on a process that may hold
    CUDA."""
    import os

    def refuse() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", refuse)
    stop = threading.Event()
    beside = threading.Thread(target=stop.wait)
    beside.start()
    try:
        assert TaskReward("functions", judge)(**columns([CODE], [CODE.reference])) == [1.0]
    finally:
        stop.set()
        beside.join()


def test_rewards_on_ray_ask_for_the_cluster_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    row = training_rows([CODE])[0]
    with pytest.raises(BadInput, match="RAY_ADDRESS|Ray is not installed"):
        Scoring(RewardSpec(engine="ray")).judge(["def f(x):\n    return x\n"], [row["verifier"]])


def test_correctness_reads_the_answer_and_the_thought_rule_reads_both(judge: Scoring) -> None:
    right, draft = CODE.reference, "def f(x):\n    return x"
    completions = [
        f"<think>{draft}</think>\n{right}",
        f"<think>{right}</think>\n{draft}",
        f"<think>{right}",
        f"<think>{right}</think>",
        right,
    ]
    functions, weights = reward_functions(["functions"], judge, {"functions_thought": 0.1})
    values = {one.__name__: one(**columns([CODE] * 5, completions)) for one in functions}
    assert values["functions"] == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert values["functions_thought"] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert weights[-1] == 0.1


def test_a_completion_begins_within_the_thought_that_the_template_opened(judge: Scoring) -> None:
    functions, _ = reward_functions(["functions"], judge, opened="<think>\n")
    given = columns([CODE] * 2, [f"hm\n</think>\n{CODE.reference}", CODE.reference])
    assert functions[0](**given) == [1.0, 0.0]


def test_a_thought_in_a_field_of_its_own_is_no_part_of_the_answer(judge: Scoring) -> None:
    turn = {"role": "assistant", "content": CODE.reference, "reasoning_content": "def f(x): ..."}
    given = columns([CODE], [CODE.reference]) | {"completions": [[turn]]}
    assert TaskReward("functions", judge)(**given) == [1.0]


@pytest.mark.parametrize(("reason", "rounds"), [("timeout: slow", 2), ("assertion: no", 1)])
def test_what_a_limit_ended_is_judged_again_in_another_step(
    judge: Scoring, monkeypatch: pytest.MonkeyPatch, reason: str, rounds: int
) -> None:
    judged: list[Any] = []

    def fail(pairs: list[tuple[str, str]]) -> list[scoring.Judged]:
        judged.append(pairs)
        return [scoring.Judged(scorer.Score("0", "fail", reason, True, {})) for _ in pairs]

    monkeypatch.setattr(Scoring, "_judge", lambda _self, pairs: fail(pairs))
    for _ in range(3):
        judge.judge(["answer"], ["verifier"])
    assert len(judged) == 1, "the reward functions of one step share a judgement"
    judge.judged_at -= 2 * scoring.STEP_SECONDS
    judge.judge(["answer"], ["verifier"])
    assert len(judged) == rounds


def test_rewards_count_verdicts_of_tests_beside_the_program(judge: Scoring) -> None:
    tests = "class Q(P): pass\nassert Q() and f(2) == 4"
    beside = replace(CODE, verifier=PythonTests(tests=tests, entry_point="f"))
    answer = "class P:\n    pass\ndef f(x):\n    return x * 2"
    assert TaskReward("functions", judge)(**columns([beside, CODE], [answer, answer])) == [1.0, 1.0]
    assert judge.counts == {"judged": 2, "shared": 1}
