"""The scorers' exam: who passes, who fails for what, that load is real, and that without a licence
nothing is let through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from sentinel_pipeline.audit.canaries import read_canaries
from sentinel_pipeline.audit.exam import (
    Answer,
    Exam,
    Material,
    Question,
    busy_cores,
    examine,
    examine_all,
)
from sentinel_pipeline.audit.licence import record_licences, refusal, require_licences
from sentinel_pipeline.audit.scorers import (
    CRITIC,
    SCORERS,
    audit,
    present_version,
    unlicensed,
)
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.secrets import find_credentials
from sentinel_pipeline.store import Ledger
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline_tests.conftest import ROOT

CANARIES = ROOT / "data" / "canaries"
QUESTIONS = (
    *(Question(f"g{number}", "suite", number) for number in range(100)),
    Question("b1", "canaries", -1, ("negative",)),
    Question("b2", "canaries", -2, ("negative",)),
)


def _right(items: Sequence[int]) -> Iterator[Answer]:
    return (
        Answer(item >= 0, () if item >= 0 else ("negative: less than nothing",)) for item in items
    )


def _exam(grade: Any = _right, questions: tuple[Question, ...] = QUESTIONS) -> Exam:
    return Exam("signs", "v-1", questions, grade)


def test_who_answers_everything_rightly_is_licensed() -> None:
    marks = examine(_exam(), repeats=3)
    assert marks.licensed and marks.refusal is None
    assert (marks.gold, marks.n_gold, marks.n_bad, marks.rounds, marks.stable) == (
        1.0,
        100,
        2,
        3,
        True,
    )


def _accepts_all(items: Sequence[int]) -> list[Answer]:
    return [Answer(True, ())] * len(items)


def _refuses_for_another_reason(items: Sequence[int]) -> list[Answer]:
    return [Answer(item >= 0, ("too_long: 3",)) for item in items]


def _loses_one(items: Sequence[int]) -> list[Answer]:
    return [Answer(None if item == 3 else item >= 0, ("negative",)) for item in items]


def _refuses_two_gold(items: Sequence[int]) -> list[Answer]:
    return [Answer(item > 1, ("negative",)) for item in items]


@pytest.mark.parametrize(
    ("grade", "refused_for"),
    [
        (_accepts_all, "2 of 2 known-bad answers accepted"),
        (_refuses_for_another_reason, "2 of 2 known-bad answers refused for another reason"),
        (_loses_one, "2 answers lost to infrastructure"),
        (_refuses_two_gold, "98.0 % of suite's gold answers accepted, 99 % needed"),
    ],
)
def test_each_fault_costs_the_licence(grade: Any, refused_for: str) -> None:
    marks = examine(_exam(grade))
    assert not marks.licensed and refused_for in str(marks.refusal)


def test_a_scorer_that_changes_its_mind_is_refused() -> None:
    turn = itertools.count()
    marks = examine(
        _exam(lambda items: list(_right(items)) if next(turn) < 2 else _refuses_two_gold(items)),
        repeats=3,
    )
    assert marks.refusal == "scores changed from round to round"


def test_no_evidence_is_no_licence() -> None:
    for questions in ((), QUESTIONS[:100], QUESTIONS[100:]):
        assert str(examine(_exam(questions=questions)).refusal).startswith("not examined")
    with pytest.raises(ValueError, match="two rounds"):
        examine(_exam(), repeats=1)


def test_one_weak_suite_among_strong_ones_is_seen() -> None:
    weak = (*QUESTIONS, Question("w", "small", -5))
    marks = examine(_exam(questions=weak))
    assert (marks.gold, marks.gold_suite, marks.licensed) == (0.0, "small", False)


def test_exams_of_one_grader_are_asked_in_one_call_a_round_and_marked_apart() -> None:
    calls: list[int] = []

    def grade(items: Sequence[int]) -> list[Answer]:
        calls.append(len(items))
        return list(_right(items))

    weak = (*QUESTIONS[:50], Question("w", "small", -5), *QUESTIONS[100:])
    strong, spoilt, other = examine_all([_exam(grade), _exam(grade, weak), _exam()])
    assert calls == [102 + 53] * 2
    assert (strong.licensed, strong.n_gold, strong.n_bad) == (True, 100, 2)
    assert (spoilt.gold, spoilt.gold_suite, spoilt.n_gold) == (0.0, "small", 51)
    assert (other.licensed, other.n_gold) == (True, 100)


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_grader_that_does_not_answer_each_item_is_no_exam(extra: int) -> None:
    def grade(items: Sequence[int]) -> list[Answer]:
        return [Answer(True, ())] * (len(items) + extra)

    with pytest.raises(ValueError, match=f"{102 + extra} answers to 102 items"):
        examine(_exam(grade))


def test_the_load_is_real_and_ends() -> None:
    before = set(psutil.Process().children())
    with busy_cores():
        loops = set(psutil.Process().children()) - before
        assert len(loops) >= (psutil.cpu_count() or 1)
    _, alive = psutil.wait_procs(list(loops), timeout=60)
    assert not alive


def test_the_scorers_of_this_package_hold_their_licence(tmp_path: Path) -> None:
    """Every canary refused for its reason, every cheat caught, the smoke suite's gold accepted,
    twice and under load."""
    marks = audit(Material(load_suite("smoke"), read_canaries(CANARIES)))
    assert [one.name for one in marks] == [*SCORERS, "rewards"]
    assert {one.name: one.refusal for one in marks} == dict.fromkeys([*SCORERS, "rewards"])
    assert next(one for one in marks if one.name == CRITIC).n_bad >= 150
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert [one.version for one in marks[:-1]] == [present_version(name) for name in SCORERS]
    assert "never audited" in str(unlicensed(ledger))
    record_licences(ledger, marks, exam="e", recipe="r", run_id="1")
    assert unlicensed(ledger) is None
    with pytest.raises(GateRefused, match="v-other was never audited"):
        require_licences(ledger, SCORERS, "v-other")


def test_a_failed_audit_takes_the_licence_away(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for grade, refused in ((_right, False), (_accepts_all, True), (_right, False)):
        record_licences(ledger, [examine(_exam(grade))], exam="e", recipe="r", run_id="1")
        assert (refusal(ledger, ["signs"], "v-1") is not None) == refused


def test_no_canary_file_holds_what_looks_like_a_credential() -> None:
    for path in CANARIES.glob("*.jsonl"):
        assert list(find_credentials(path.read_text(encoding="utf-8"))) == [], path.name


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "1: invalid JSON"),
        ('{"id": "a"}', "1: not a canary"),
        (
            '{"id": "a", "prompt": "p", "completion": "c", "label": "no_secrets", "reasons": ["x"]}',
            "no_secrets",
        ),
        ('{"id": "a", "prompt": "p", "completion": "c", "label": "no_secret"}', "needs reasons"),
        ('{"id": "a", "prompt": "p", "completion": "c", "verifier": {"kind": "x"}}', "verifier"),
        (
            '{"id": "a", "prompt": "p", "completion": "c"}\n{"id": "a", "prompt": "p", "completion": "c"}',
            "duplicate canary id",
        ),
        ('{"id": "a", "prompt": "p", "completion": "c", "colour": 1}', "colour"),
    ],
)
def test_a_malformed_canary_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(line)
    with pytest.raises(BadInput, match=said):
        read_canaries(tmp_path)


def test_an_empty_folder_examines_nobody(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no canaries"):
        read_canaries(tmp_path)
