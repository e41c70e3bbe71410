"""Rows that a base model writes itself: guarded, diverse, judged by the critic, and the same after
a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.generation.answers import Answer
from sentinel_pipeline.generation.conversations import (
    KINDS,
    SHOWN_CONVERSATIONS,
    asked_text,
    read_turns,
    shown_text,
)
from sentinel_pipeline.generation.guards import Known
from sentinel_pipeline.generation.prompts import Prompt
from sentinel_pipeline.generation.self_instruct import (
    ROUND,
    Attempt,
    Writer,
    critic_judge,
    read_attempts,
    summary,
)
from sentinel_pipeline.generation.topics import SHOWN, TOPICS
from sentinel_pipeline.mix.normal import words
from sentinel_pipeline.mix.suite_index import prompt_features
from sentinel_pipeline.records import CATEGORIES, Candidate, Message
from sentinel_pipeline.records.data_spec import SHARES, CriticSpec, SelfGenerated
from sentinel_pipeline.records.decoding import Decoding
from sentinel_pipeline.tasks.suites import load_suite

NOUNS = (
    "apple",
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "bridge",
    "candle",
    "forest",
    "kitchen",
    "ladder",
    "market",
)
ENDS = ("<|endoftext|>", "<|im_end|>")


def scripted(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
    """A base model that goes on with the text, well and badly, by the prompt's id alone."""
    assert decoding.prompt_format == "raw" and decoding.temperature > 0
    for prompt in prompts:
        chance, text = Random(prompt.id), prompt.messages[0].content
        if prompt.id.endswith("instruction"):
            assert (
                text.endswith(f"Topic: {text.rpartition('Topic: ')[2]}")
                and text.count("Instruction:") >= 2
            )
            one, two = chance.sample(NOUNS, 2)
            asked = f"Describe a {one} beside a {two} number {chance.randrange(50)} please"
            said = chance.choice(
                [f"Instruction: {asked}\nTopic: x", asked, "Hm.", f"{asked} Response: y"]
            )
        else:
            said = chance.choice(
                [
                    # A command in a fence is an answer in every category.
                    f"```bash\necho {chance.choice(NOUNS)}\n```\n\nInstruction: next",
                    "```bash\nls\n```<|endoftext|>junk",
                    "on and on",
                    "\nInstruction: x",
                ]
            )
        yield [Answer(prompt.id, said, False, 3, 0.0)]


def writer(**changes: Any) -> Writer:
    spec = SelfGenerated(**{"rows": 40, "attempts": 30.0, **changes})
    judge = critic_judge(CriticSpec())
    return Writer(
        engine=scripted, spec=spec, shares=SHARES, seed=3, batch_size=8, ends=ENDS, judge=judge
    )


def test_every_demonstration_is_accepted_by_the_critic() -> None:
    shown = [one for group in SHOWN.values() for one in group]
    rows = [
        Candidate(
            id=str(at),
            source="shown",
            messages=(Message("user", one.instruction),),
            completion=one.response,
            category=next(name for name, group in SHOWN.items() if one in group),
        )
        for at, one in enumerate(shown)
    ]
    refused = {
        rows[int(one.id)].messages[0].content: one.accepted.reason
        for one in label(rows)
        if not one.accepted.value
    }
    assert refused == {}
    assert set(SHOWN) == set(TOPICS) == set(CATEGORIES)
    known = Known(0.6)
    for one in shown:
        assert known.nearest(one.instruction) < 0.6, (
            "demonstrations are not one another's near-duplicates"
        )
        known.add(one.instruction)


def test_rows_are_wanted_in_number_and_shares_and_every_attempt_is_accounted_for(
    tmp_path: Path,
) -> None:
    made = writer()
    made.write(tmp_path / "attempts.jsonl")
    said = summary(made.attempts, made.spec)
    assert said["rows"] == 40 and said["shortfall"] == 0
    extra = sum(one.reason == "accepted" for one in made.attempts) - 40
    assert 40 + extra + sum(said["refused"].values()) == said["attempts"] == len(made.attempts)
    assert {"length", "form", "unfinished", "empty"} <= set(said["refused"])
    # The steering: shares of what is kept are near those asked for, and topics are not repeated
    # while others are unused.
    for name, share in SHARES.items():
        assert said["categories"][name] == pytest.approx(40 * share, abs=4), name
    for name, topics in TOPICS.items():
        used = Counter(one.topic for one in made.attempts if one.category == name)
        assert max(used.values()) - min(used[topic] for topic in topics) <= 1
    texts = [one.instruction for one in made.accepted]
    assert len(set(texts)) == 40
    assert not [
        one for one in made.accepted if "junk" in one.response or "Instruction" in one.response
    ]


def test_no_two_instructions_are_near_duplicates(tmp_path: Path) -> None:
    made = writer(near_duplicates=0.5)
    made.write(tmp_path / "attempts.jsonl")
    sets = [prompt_features(words(one.instruction)) for one in made.accepted]
    close = [len(a & b) / len(a | b) for at, a in enumerate(sets) for b in sets[:at]]
    assert max(close) < 0.5
    assert summary(made.attempts, made.spec)["refused"]["near_duplicate"] > 0


def test_a_row_has_the_stage_1_plans_four_fields() -> None:
    one = Attempt(
        round=0,
        number=1,
        category="devops",
        topic="t",
        instruction="Say hi.",
        response="Hi.",
        reason="accepted",
    )
    assert one.to_row() == {
        "instruction": "Say hi.",
        "response": "Hi.",
        "formatted_text": "Instruction: Say hi.\nResponse: Hi.",
        "completion": " Hi.",
    }
    candidate = one.to_candidate()
    assert (candidate.source, candidate.category, candidate.verifier) == (
        "model:base",
        "devops",
        None,
    )


@pytest.mark.parametrize("torn", ["", '[{"round": 9, "num'])
def test_a_killed_run_goes_on_and_ends_with_the_same_rows(tmp_path: Path, torn: str) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    writer().write(whole)

    def dies(kept: int, tried: int, tokens: int) -> None:
        if tried >= 3 * ROUND:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer().write(killed, dies)
    with killed.open("a") as stream:
        stream.write(torn)
    assert len(read_attempts(killed)) == 3 * ROUND
    again = writer()
    again.write(killed)
    assert killed.read_bytes() == whole.read_bytes()


def test_attempts_are_bounded_and_what_is_missing_is_said(tmp_path: Path) -> None:
    made = replace(
        writer(rows=10, attempts=4.0), judge=lambda candidates: (_never() for _ in candidates)
    )
    made.write(tmp_path / "attempts.jsonl")
    said = summary(made.attempts, made.spec)
    assert (said["rows"], said["shortfall"], said["attempts"]) == (0, 10, 2 * ROUND)
    tried = Counter(one.category for one in made.attempts)
    assert set(tried) == set(SHARES), "a category that never succeeds does not take every attempt"


def _never() -> object:
    from sentinel_pipeline.records import Label

    class Labels:
        accepted = Label(False, "rejected: format_pass")

    return Labels()


def conversing(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
    """A base model that goes on with conversations, well and badly."""
    for prompt in prompts:
        chance, text = Random(prompt.id), prompt.messages[0].content
        assert text.endswith("\nUser:") and text.count("Kind: ") == 4
        nouns = chance.sample(NOUNS, 4)
        asked = [f" Tell me of a {noun} number {chance.randrange(900)}." for noun in nouns]
        answered = [f"A {noun} is by the door." for noun in nouns]
        pairs = [
            f"{question}\nAssistant: {answer}"
            for question, answer in zip(asked, answered, strict=True)
        ]
        said = chance.choice(
            [
                "\nUser:".join(pairs[:3]) + "\n\nKind: topic\nTopic: more",
                "\nUser:".join(pairs) + "<|endoftext|>junk",
                "\nUser:".join(pairs[:2]) + "\n\nKind: topic",
                "\nUser:".join([pairs[0], pairs[0], pairs[1]]) + "\n\nKind: topic",
                f"{asked[0]}\nUser: again?\nAssistant: Yes.\n\nKind: topic",
                "\nUser:".join(pairs[:3]),
            ]
        )
        yield [Answer(prompt.id, said, False, 3, 0.0)]


def conversation_writer(**changes: Any) -> Writer:
    spec = SelfGenerated(kind="conversations", **{"rows": 20, "attempts": 20.0, **changes})
    judge = critic_judge(CriticSpec())
    return Writer(
        engine=conversing, spec=spec, shares=SHARES, seed=3, batch_size=8, ends=ENDS, judge=judge
    )


def test_conversations_have_turns_and_every_attempt_is_accounted_for(tmp_path: Path) -> None:
    made = conversation_writer()
    made.write(tmp_path / "rounds.jsonl")
    report = summary(made.attempts, made.spec)
    assert report["rows"] == 20
    assert {"length", "repetition", "form", "unfinished"} <= set(report["refused"])
    assert set(report["categories"]) == set(KINDS)
    for attempt in made.accepted:
        candidate = attempt.to_candidate()
        roles = [turn.role for turn in candidate.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert 3 <= roles.count("user") <= 5
        assert (candidate.category, candidate.completion) == ("general_chat", attempt.response)
        assert "Kind:" not in attempt.response and "junk" not in attempt.response
    texts = [attempt.instruction for attempt in made.accepted]
    assert len(set(texts)) == 20, "none is written twice"


def test_a_killed_run_of_conversations_ends_with_the_same_rows(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    conversation_writer(rows=60).write(whole)

    def dies(kept: int, tried: int, tokens: int) -> None:
        if tried >= 2 * ROUND:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversation_writer(rows=60).write(killed, dies)
    conversation_writer(rows=60).write(killed)
    assert killed.read_bytes() == whole.read_bytes()


def test_every_demonstrated_conversation_is_read_as_one_and_accepted() -> None:
    rows = []
    for shown in SHOWN_CONVERSATIONS:
        text = shown_text(shown).partition("User:")[2]
        turns, reason = read_turns(text, 3, 5)
        assert reason == "" and tuple(turn.content for turn in turns) == shown.turns
        rows.append(
            Candidate(
                id=shown.kind,
                source="shown",
                messages=tuple(turns[:-1]),
                completion=turns[-1].content,
                category="general_chat",
            )
        )
    assert {row.id for row in rows} == set(KINDS)
    assert [each.accepted.reason for each in label(rows) if not each.accepted.value] == []


def test_no_demonstration_is_a_conversation_of_the_suite() -> None:
    known = Known(0.6)
    for task in load_suite("conversations"):
        known.add(asked_text(task.messages))
    for shown in SHOWN_CONVERSATIONS:
        assert known.nearest("\n".join(shown.turns[::2])) < 0.6, shown.kind


@given(st.text(max_size=200))
def test_whatever_a_base_model_writes_is_read_or_refused_with_a_reason(text: str) -> None:
    turns, reason = read_turns(text, 1, 3)
    if not reason:
        assert len(turns) in (2, 4, 6) and all(turn.content for turn in turns)


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_known_instruction_is_nearest_to_itself(first: str, second: str) -> None:
    known = Known(0.6, [first, second])
    for text in (first, second):
        assert known.nearest(text) == (1.0 if words(text) else 0.0)
