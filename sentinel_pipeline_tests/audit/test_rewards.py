"""The rewards sit the critic's exam: licensed as they are, refused when a hack is paid."""

from __future__ import annotations

import pytest

from sentinel_pipeline.audit import rewards as exams
from sentinel_pipeline.audit.exam import Material, examine
from sentinel_pipeline.audit.scorers import EXAMS
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.tasks.task_bank import build

GOLD = build(5, {}, {"extraction": 4, "push": 2, "tools": 2}).heldout


def test_the_rewards_hold_a_licence_and_are_on_the_critics_list() -> None:
    (exam,) = exams.reward_exams(Material(GOLD, (), workers=1))
    marks = examine(exam)
    assert marks.licensed, marks.refusal
    assert (marks.n_gold, marks.bad_accepted, marks.wrong_reason) == (7, 0, 0), (
        "at most three tasks of a family"
    )
    assert marks.n_bad > 40 and marks.version != scorer_version(), (
        "a changed reward is another scorer"
    )
    assert [one.scorer for one in EXAMS[-1](Material(GOLD, (), workers=1))] == ["rewards"]


def test_a_reward_that_pays_for_a_hack_has_no_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exams, "reward_of", lambda score: 0.1)
    (exam,) = exams.reward_exams(Material(GOLD, (), workers=1))
    marks = examine(exam)
    assert not marks.licensed and "known-bad answers accepted" in str(marks.refusal)
