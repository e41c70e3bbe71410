"""Conversations that the base model wrote go on only where the recipe's judge passes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sentinel_pipeline.defs.candidates import judged_conversations
from sentinel_pipeline.generation.self_instruct import Attempt, summary
from sentinel_pipeline.llm_judge import verdicts
from sentinel_pipeline.records.data_spec import SelfGenerated
from sentinel_pipeline.records.judge_spec import JudgeModel, JudgeSpec
from sentinel_pipeline.store import Draft, write_jsonl


def attempts() -> list[Attempt]:
    turns = [{"role": "user", "content": "My cat is Tom."}]
    return [
        Attempt(
            round=0,
            number=number,
            category="memory",
            topic="animals",
            instruction=f"My cat is Tom. {number}",
            response=f"Answer {number}.",
            reason="accepted" if number < 4 else "length: 1 answered questions",
            turns=turns,
        )
        for number in range(5)
    ]


def stage(judge: JudgeSpec) -> Any:
    return SimpleNamespace(recipe=SimpleNamespace(judge=judge), home=None, ledger=None)


def test_what_the_judge_fails_or_leaves_open_is_not_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(home: Any, ledger: Any, judge: Any, tasks: Any, answers: Path) -> int:
        assert [task.verifier.kind for task in tasks] == ["judged_answer"] * 4
        outcomes = ["pass", "fail", "infra"]
        rows = [
            {"id": task.id, "key": "k", "outcome": outcome, "reason": f"{outcome}!"}
            for task, outcome in zip(tasks, outcomes, strict=False)
        ]
        write_jsonl(verdicts.verdicts_path(answers), rows)
        return len(rows)

    monkeypatch.setattr(verdicts, "add_verdicts", add)
    (tmp_path / "logs").mkdir()
    judge = JudgeSpec(model=JudgeModel(name="judge"))
    judged = judged_conversations(stage(judge), cast("Any", Draft(tmp_path, False)), attempts())
    assert [attempt.reason for attempt in judged] == [
        "accepted",
        "rejected: fail!",
        "unjudged: infra!",
        "unjudged: the judge gave no verdict",
        "length: 1 answered questions",
    ]
    report = summary(judged, SelfGenerated(kind="conversations", rows=4))
    assert (report["rows"], report["shortfall"]) == (1, 3)
    assert report["refused"] == {"length": 1, "rejected": 1, "unjudged": 2}


def test_without_a_judge_in_the_recipe_the_critic_s_word_stands(tmp_path: Path) -> None:
    written = attempts()
    draft = cast("Any", Draft(tmp_path, False))
    assert judged_conversations(stage(JudgeSpec()), draft, written) == written
