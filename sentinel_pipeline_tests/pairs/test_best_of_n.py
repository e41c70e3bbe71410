"""Pairs of answers: what is chosen, what is rejected and why, margins, quotas, and what is
refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.generation.answers import Answer
from sentinel_pipeline.generation.prompts import prompts_of
from sentinel_pipeline.llm_judge.verdicts import verdicts_path
from sentinel_pipeline.pairs.best_of_n import (
    Judged,
    build_pairs,
    choose_tasks,
    judge_answers,
    rejection_kind,
    within_quotas,
)
from sentinel_pipeline.records import (
    REJECTION_KINDS,
    CriticLabels,
    JudgedAnswer,
    Label,
    Message,
    PreferencePair,
    Task,
)
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.records.preference import RejectionKind
from sentinel_pipeline.records.training_spec import PairsSpec
from sentinel_pipeline.tasks.task_bank import build

SPEC = PairsSpec(samples=2, max_shares={}, min_pairs=1)
TASKS = build(3, {"functions": 4, "edits": 4, "tools": 4, "shell": 4, "chat": 4}, {"chat": 4}).train
YES, NO, OPEN = Label(True, "ok"), Label(False, "assertion: no"), Label(None, "infra: worker died")
NONE = Label(None, "not_applicable")


def labels(
    name: str, accepted: Label, tests: Label = YES, syntax: Label = YES, form: Label = YES
) -> CriticLabels:
    return CriticLabels(name, syntax, tests, NONE, form, YES, YES, accepted, "v1")


def good(text: str = "right") -> Judged:
    return Judged(Answer("a", text, True, 3, 0.1), labels("a", YES))


def bad(text: str = "wrong", stopped: bool = True, **changed: Label) -> Judged:
    return Judged(Answer("b", text, stopped, 3, 0.1), labels("b", NO, **{"tests": NO, **changed}))


def built(
    judged: Sequence[Judged], spec: PairsSpec = SPEC, tasks: Sequence[Task] = TASKS
) -> list[PreferencePair]:
    return build_pairs(tasks[: len(judged) // spec.samples], judged, spec, 1).pairs


def test_an_accepted_answer_is_chosen_against_one_that_is_not() -> None:
    (pair,) = built([bad(), good()])
    assert (pair.chosen, pair.rejected, pair.chosen_source, pair.kind) == (
        "right",
        "wrong",
        "model",
        "wrong",
    )
    assert (pair.chosen_score, pair.rejected_score, pair.reason) == (1.0, 0.4, "assertion: no")


def test_the_reference_stands_in_only_where_the_recipe_says_so() -> None:
    (pair,) = built([bad(), bad()])
    assert (pair.chosen, pair.chosen_source) == (TASKS[0].reference, "reference")
    with pytest.raises(BadInput, match="no answer was accepted and no reference stood in"):
        built([bad(), bad()], replace(SPEC, reference=False))


def test_answers_that_agree_are_no_pair() -> None:
    report = build_pairs(TASKS[:2], [good(), good(), good(), bad()], SPEC, 1).report
    assert (report.total, report.without["none_rejected"], report.solved) == (1, 1, 2)


def test_the_margin_is_kept() -> None:
    assert built([good(), bad()], replace(SPEC, margin=0.6))
    with pytest.raises(BadInput, match="too close"):
        built([good(), bad()], replace(SPEC, margin=0.61))


def test_an_answer_that_is_accepted_by_luck_is_no_side_of_a_pair() -> None:
    spec = replace(SPEC, samples=4, min_accepted=0.5)
    assert built([good(), good(), bad(), bad()], spec)
    with pytest.raises(
        BadInput, match="too few answers were accepted for one to be more than luck"
    ):
        built([good(), bad(), bad(), bad()], spec)
    (pair,) = built([bad(), bad(), bad(), bad()], spec)
    assert pair.chosen_source == "reference", "where none is accepted nothing is luck"


def test_an_answer_that_infrastructure_left_open_is_on_no_side() -> None:
    unknown = Judged(Answer("c", "who knows", True, 3, 0.1), labels("c", OPEN, tests=OPEN))
    many = [good(), bad()] * 60
    report = build_pairs([TASKS[0]] * 61, [*many, unknown, bad()], SPEC, 1).report
    assert (report.infra, report.by_reference) == (1, 1)
    with pytest.raises(Infrastructure, match="1 of 4 answers could not be scored"):
        build_pairs(TASKS[:2], [good(), bad(), unknown, good()], SPEC, 1)


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (bad("   "), "refusal"),
        (bad("I'm sorry, but I cannot help with that."), "refusal"),
        (bad("Desculpe, não posso."), "refusal"),
        (bad("def f(:", syntax=Label(False, "syntax_error")), "unparsable"),
        (
            bad("x", form=Label(False, "prose_around: only the answer was asked for")),
            "format_violation",
        ),
        (bad("on and on", stopped=False), "format_violation"),
        (bad("--- a\n", form=Label(False, "hunk_mismatch: hunk 1")), "hallucination"),
        (bad("def f(x): return 2"), "wrong"),
    ],
)
def test_a_rejection_has_the_kind_that_its_labels_show(one: Judged, kind: str) -> None:
    assert rejection_kind(TASKS[0], one) == kind


def test_words_from_nowhere_are_a_hallucination_where_the_answer_is_taken_from_the_prompt() -> None:
    chat = next(task for task in TASKS if task.family == "chat")
    asked = replace(
        chat, messages=(Message("user", "My boat is amber. What is my boat?"),), reference="amber"
    )
    assert rejection_kind(asked, bad("zebra")) == "hallucination"
    assert rejection_kind(asked, bad("boat")) == "wrong"


def test_only_training_tasks_are_asked_and_each_prompt_once() -> None:
    again = replace(TASKS[0], id="copy")
    assert len(choose_tasks([*TASKS, again], 100, 1)) == len(TASKS)
    assert choose_tasks(TASKS, 5, 1) == choose_tasks(TASKS, 5, 1) != choose_tasks(TASKS, 5, 2)
    with pytest.raises(
        BadInput, match="is of suite 'heldout': pairs are made of training tasks only"
    ):
        choose_tasks([replace(TASKS[0], suite="heldout")], 5, 1)
    with pytest.raises(BadInput, match="no training task"):
        choose_tasks([], 5, 1)


kinds = st.lists(st.sampled_from(REJECTION_KINDS), max_size=60)


@given(
    kinds,
    st.dictionaries(st.sampled_from(REJECTION_KINDS), st.floats(0.05, 1.0)),
    st.integers(0, 3),
)
def test_no_kind_takes_more_than_its_share(
    found: list[RejectionKind], caps: dict[str, float], seed: int
) -> None:
    (model,) = built([good(), bad()])
    pairs = [replace(model, id=str(index), kind=kind) for index, kind in enumerate(found)]
    kept = within_quotas(pairs, caps, seed)
    counts = Counter(pair.kind for pair in kept)
    assert all(count <= caps.get(kind, 1.0) * len(kept) + 1e-6 for kind, count in counts.items())
    assert [pair.id for pair in kept] == [pair.id for pair in pairs if pair in kept], (
        "the order stays"
    )
    if not caps:
        assert kept == pairs


def test_a_task_gives_the_kind_that_is_rare() -> None:
    spec = replace(SPEC, samples=3)
    refusal, wrong = bad("I cannot."), bad("no")
    pairs = built([good(), wrong, wrong, good(), wrong, refusal], spec)
    assert [pair.kind for pair in pairs] == ["wrong", "refusal"]


def test_the_critic_judges_stored_answers_and_a_missing_one_is_no_pair(tmp_path: Path) -> None:
    chats = [task for task in TASKS if task.family == "chat"]
    asked = prompts_of(chats, 2)
    assert [prompt.id for prompt in asked[:3]] == [chats[0].id, f"{chats[0].id}~2", chats[1].id]
    rows = [
        {
            "id": p.id,
            "completion": chats[i // 2].reference if i % 2 else "nonsense",
            "stopped": True,
            "tokens": 1,
            "seconds": 0,
        }
        for i, p in enumerate(asked)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    pairs = built(list(judge_answers(chats, path, 2, CriticSpec())), tasks=chats)
    assert [pair.chosen for pair in pairs] == [task.reference for task in chats]
    assert set(pairs[0].to_trl()) == {"prompt", "chosen", "rejected"}
    assert PreferencePair.from_row(pairs[0].to_row()) == pairs[0]
    path.write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(Infrastructure, match="7 of 8 answers are missing"):
        list(judge_answers(chats, path, 2, CriticSpec()))


def test_two_answers_that_differ_in_their_thoughts_alone_are_no_pair() -> None:
    with pytest.raises(BadInput, match="the two sides were too close"):
        built([bad("<think>a</think>same"), good("<think>b</think>same")])
    (pair,) = built([bad("<think>a</think>wrong"), good("<think>a</think>right")])
    assert (pair.chosen, pair.rejected) == ("<think>a</think>right", "<think>a</think>wrong")


def test_what_ends_within_its_thought_is_no_side_of_a_pair() -> None:
    with pytest.raises(BadInput, match="0 pairs are left"):
        built([bad("<think>and then"), good("right")])


def test_an_answer_that_only_a_judge_can_rank_stays_open_until_the_judge_says(
    tmp_path: Path,
) -> None:
    tasks = [replace(task, verifier=JudgedAnswer()) for task in TASKS[-4:-2]]
    path = tmp_path / "pairs.jsonl"
    names = [(task, f"{task.id}{end}") for task in tasks for end in ("", "~2")]
    rows = [
        {"id": name, "completion": f"Well said, {name}.", "stopped": True, "tokens": 3, "seconds": 0.1}
        for _, name in names
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    unasked = [each.labels.accepted for each in judge_answers(tasks, path, 2, CriticSpec())]
    assert {label.value for label in unasked} == {None}
    assert {label.reason for label in unasked} == {"infra: no judge was asked"}
    verdicts = [
        {"id": name, "key": "k", "outcome": outcome, "reason": f"judge: {outcome}"}
        for (_, name), outcome in zip(names, ("pass", "fail", "pass", "pass"), strict=True)
    ]
    verdicts_path(path).write_text("".join(json.dumps(row) + "\n" for row in verdicts))
    judged = list(judge_answers(tasks, path, 2, CriticSpec()))
    assert [each.labels.accepted.value for each in judged] == [True, False, True, True]
    (pair,) = built(judged, tasks=tasks)
    assert pair.task_id == tasks[0].id
