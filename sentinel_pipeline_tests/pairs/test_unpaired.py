"""Labelled answers: who labels, what is left out and why, limits, and that no suite's item is among
them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.pairs.unpaired import LEFT_OUT, Gathered, critic_answers, gather
from sentinel_pipeline.records import Candidate, CriticLabels, Label, Message, Task
from sentinel_pipeline.records.kto_spec import UnpairedSpec
from sentinel_pipeline.records.unpaired import UnpairedAnswer
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build

SPEC = UnpairedSpec(min_per_class=1, max_ratio=100.0)
BANK = build(3, {"functions": 6, "chat": 6}, {"functions": 4, "chat": 4})


def answer(
    number: int, desirable: bool = True, *, text: str = "", person: bool = False
) -> UnpairedAnswer:
    """An answer to its own prompt; equal numbers and texts are equal prompts and answers."""
    return UnpairedAnswer(
        messages=(Message("user", f"Prompt number {number}, of nothing in particular."),),
        completion=text or f"answer {number}",
        desirable=desirable,
        origin="person" if person else "critic",
        source="review" if person else "file:a.jsonl",
        reason="flagged" if person else "tests_pass: assertion",
    )


def gathered(
    *answers: UnpairedAnswer,
    spec: UnpairedSpec = SPEC,
    seed: int = 1,
    suites: tuple[Task, ...] = (),
) -> Gathered:
    return gather(lambda tally: answers, suites, spec, seed)


def test_rows_keep_their_order_and_say_their_label() -> None:
    built = gathered(answer(1), answer(2, False), answer(3))
    assert [row.to_trl()["label"] for row in built.answers] == [True, False, True]
    assert built.answers[1].to_trl() == {
        "prompt": [{"role": "user", "content": "Prompt number 2, of nothing in particular."}],
        "completion": [{"role": "assistant", "content": "answer 2"}],
        "label": False,
    }
    assert built.report.left_out == dict.fromkeys(LEFT_OUT, 0)
    assert (built.report.desirable["critic"], built.report.undesirable["critic"]) == (2, 1)
    assert built.report.reasons == {"tests_pass": 1}


def test_a_person_overrules_the_critic_whoever_comes_first() -> None:
    rest = (answer(8), answer(9, False))
    for pair in (
        (answer(1), answer(1, False, person=True)),
        (answer(1, False, person=True), answer(1)),
    ):
        built = gathered(*pair, *rest)
        label = next(row for row in built.answers if row.completion == "answer 1")
        assert (label.desirable, label.origin) == (False, "person")
        assert built.report.left_out["overruled"] == 1


def test_labels_of_one_kind_that_contradict_each_other_are_both_left_out() -> None:
    built = gathered(answer(1), answer(1, False), answer(8), answer(9, False))
    assert [row.completion for row in built.answers] == ["answer 8", "answer 9"]
    assert built.report.left_out["contradicted"] == 2
    settled = gathered(
        answer(1), answer(1, False), answer(1, person=True), answer(8), answer(9, False)
    )
    assert [row.completion for row in settled.answers] == ["answer 1", "answer 8", "answer 9"]


def test_an_answer_that_is_there_twice_is_trained_once() -> None:
    built = gathered(answer(1), answer(1), answer(1, person=True), answer(2, False))
    assert [(row.completion, row.origin) for row in built.answers] == [
        ("answer 1", "person"),
        ("answer 2", "critic"),
    ]
    assert built.report.left_out["duplicate"] == 2


def test_an_empty_answer_is_left_out() -> None:
    built = gathered(answer(1), answer(2, False), answer(3, False, text=" \n"))
    assert (len(built.answers), built.report.left_out["empty"]) == (2, 1)


def test_a_thought_makes_no_other_answer_and_an_unfinished_one_is_none() -> None:
    built = gathered(
        answer(1, text="yes"),
        answer(1, text="<think>\nWhy not?\n</think>\nyes"),
        answer(2, False),
        answer(3, False, text="<think>\nand on, and on"),
    )
    left = built.report.left_out
    assert (len(built.answers), left["duplicate"], left["unfinished"]) == (2, 1, 1)


def of_task(task: Task, desirable: bool) -> UnpairedAnswer:
    row = answer(0, desirable, text=task.reference if desirable else "pass")
    return replace(row, messages=task.messages, task_id=task.id)


def test_an_answer_to_an_item_of_a_suite_is_never_trained_on_whatever_its_label() -> None:
    item = BANK.heldout[0]
    clean = [of_task(task, True) for task in BANK.train[:2]]
    built = gathered(
        *clean, of_task(item, True), of_task(item, False), answer(9, False), suites=(item,)
    )
    assert built.report.left_out["contaminated"] == 2
    assert item.messages not in {row.messages for row in built.answers}
    assert len(built.answers) == 3


def test_limits_hold_for_each_class_and_people_come_first() -> None:
    people = [answer(number, False, person=True) for number in range(100, 103)]
    critic = [answer(number, number % 2 == 0) for number in range(40)]
    spec = UnpairedSpec(max_per_class=8, max_ratio=2.0, min_per_class=1)
    built = gathered(*critic, *people, spec=spec)
    assert Counter(row.desirable for row in built.answers) == {True: 8, False: 8}
    assert built.report.undesirable == {"critic": 5, "person": 3}
    assert built.report.left_out["per_class"] == 12 + 15
    assert {row.id for row in built.answers} != {
        row.id for row in gathered(*critic, *people, spec=spec, seed=2).answers
    }


def test_the_larger_class_has_no_more_than_its_share() -> None:
    built = gathered(
        *(answer(number) for number in range(30)),
        answer(50, False),
        answer(51, False),
        spec=UnpairedSpec(max_ratio=4.0, min_per_class=1),
    )
    assert Counter(row.desirable for row in built.answers) == {True: 8, False: 2}
    assert built.report.left_out["ratio"] == 22


def test_one_prompt_does_not_take_everything() -> None:
    many = [answer(1, False, text=f"wrong {number}") for number in range(9)]
    built = gathered(*many, answer(2), spec=replace(SPEC, max_per_prompt=3))
    assert (len(built.answers), built.report.left_out["per_prompt"]) == (4, 6)


@pytest.mark.parametrize(("label", "word"), [(True, "undesirable"), (False, "desirable")])
def test_answers_of_one_class_are_refused_with_what_took_the_others(label: bool, word: str) -> None:
    with pytest.raises(BadInput, match=rf"0 {word} answers are left.*1 left out: the answer is em"):
        gathered(answer(1, label), answer(2, not label, text=" "))


@given(
    st.lists(
        st.builds(
            answer,
            st.integers(0, 5),
            st.booleans(),
            text=st.sampled_from(["a", "b", " "]),
            person=st.booleans(),
        ),
        max_size=40,
    )
)
def test_every_answer_is_kept_or_counted_and_none_has_two_labels(
    answers: list[UnpairedAnswer],
) -> None:
    spec = UnpairedSpec(max_per_class=5, max_per_prompt=1, max_ratio=2.0, min_per_class=1)
    try:
        built = gathered(*answers, answer(90), answer(91, False), spec=spec)
    except BadInput:
        pytest.fail("two answers to prompts of their own are always left")
    assert built.report.read == len(answers) + 2
    assert built.report.read == len(built.answers) + sum(built.report.left_out.values())
    assert len({row.id for row in built.answers}) == len(built.answers)


YES, NO, OPEN = Label(True, "ok"), Label(False, "assertion"), Label(None, "infra: worker died")
NONE = Label(None, "not_applicable")


def rejected_row(number: int, accepted: Label, secret: Label = YES) -> dict[str, object]:
    candidate = candidate_of(number, "file:a.jsonl")
    labels = CriticLabels(candidate.id, YES, NO, NONE, YES, secret, YES, accepted, "v1")
    return {**candidate.to_row(), **{k: v for k, v in labels.to_row().items() if k != "id"}}


def candidate_of(number: int, source: str) -> Candidate:
    row = answer(number)
    return Candidate(id=row.id, source=source, messages=row.messages, completion=row.completion)


def test_the_critics_answers_are_those_that_it_decided_and_that_hold_no_secret(
    tmp_path: Path,
) -> None:
    accepted, rejected = tmp_path / "accepted.parquet", tmp_path / "rejected.parquet"
    candidates = [candidate_of(1, "reference"), candidate_of(2, "human")]
    write_parquet(accepted, (row.to_row() for row in candidates), "candidates")
    rows = [rejected_row(3, NO), rejected_row(4, OPEN), rejected_row(5, NO, secret=NO)]
    write_parquet(rejected, rows, "rejected")

    def read(tally: Counter[str]) -> Iterator[UnpairedAnswer]:
        return critic_answers(accepted, rejected, tally)

    built = gather(read, (), SPEC, 1)
    labels = [(row.completion, row.desirable, row.origin) for row in built.answers]
    assert labels == [
        ("answer 1", True, "critic"),
        ("answer 2", True, "person"),
        ("answer 3", False, "critic"),
    ]
    assert built.answers[2].reason == "tests_pass: assertion"
    assert built.report.reasons == {"tests_pass": 1}
    left = built.report.left_out
    assert (built.report.read, left["left_open"], left["secret"]) == (5, 1, 1)
    assert built.report.sources["human"] == {"desirable": 1, "undesirable": 0}
    assert "| infrastructure left the label open | 1 |" in built.report.to_markdown()
