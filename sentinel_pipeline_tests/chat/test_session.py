"""A session streams what Transformers generates, stops when told, and answers one after the
other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.chat.session import Reply, Session, Turn
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Message


def turn(text: str = "list of the squares", **change: Any) -> Turn:
    return Turn(messages=(Message("user", text),), **{"max_tokens": 20, **change})


@pytest.fixture(scope="module")
def session(small_model: Path) -> Session:
    return Session(small_model)


def test_the_pieces_are_what_generate_writes(session: Session) -> None:
    reply = Reply()
    text = "".join(session.stream(turn(), threading.Event(), reply))
    prompt = "<|im_start|>user\nlist of the squares<|im_end|>\n<|im_start|>assistant\n"
    inputs = session.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    generate: Any = session.model.generate
    out = generate(**inputs, max_new_tokens=20, do_sample=False, pad_token_id=0)
    new = out[0, inputs["input_ids"].shape[1] :]
    assert text == session.tokenizer.decode(new, skip_special_tokens=True) != ""
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish) == (
        inputs["input_ids"].shape[1],
        20,
        "length",
    )


def test_an_end_token_is_a_stop_and_is_not_shown(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "<|im_start|>user\nlist of the squares<|im_end|>\n<|im_start|>assistant\n"
    inputs = session.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    generate: Any = session.model.generate
    token = int(generate(**inputs, max_new_tokens=1, do_sample=False, pad_token_id=0)[0, -1])
    monkeypatch.setattr(session.model.generation_config, "eos_token_id", [2, token])
    monkeypatch.setattr(session, "_ends", {2, token})
    reply = Reply()
    list(session.stream(turn(max_tokens=50), threading.Event(), reply))
    assert (reply.finish, reply.completion_tokens) == ("stop", 1)


def test_stopping_ends_the_decoding_and_the_next_answer_begins(session: Session) -> None:
    reply, cancelled = Reply(), threading.Event()
    pieces = session.stream(turn(max_tokens=3000), cancelled, reply)
    next(pieces)
    cancelled.set()
    list(pieces)
    assert reply.finish == "cancelled" and 0 < reply.completion_tokens < 3000
    again = Reply()
    assert (
        "".join(session.stream(turn(max_tokens=4), threading.Event(), again))
        and again.completion_tokens == 4
    )


def test_a_reader_who_goes_away_ends_the_decoding(session: Session) -> None:
    cancelled = threading.Event()
    pieces = session.stream(turn(max_tokens=3000), cancelled, Reply())
    next(pieces)
    pieces.close()
    assert cancelled.is_set() and session.turn.acquire(timeout=0)
    session.turn.release()


def test_who_waits_for_nobody_takes_no_turn(session: Session) -> None:
    with session.turn:
        cancelled, reply = threading.Event(), Reply()
        cancelled.set()
        assert list(session.stream(turn(), cancelled, reply)) == [] and reply.finish == "cancelled"


def test_answers_to_several_at_once_are_those_of_each_alone(session: Session) -> None:
    texts = [f"list {number}" for number in range(4)]
    alone = ["".join(session.stream(turn(text), threading.Event(), Reply())) for text in texts]
    found: dict[str, str] = {}

    def ask(text: str) -> None:
        found[text] = "".join(session.stream(turn(text), threading.Event(), Reply()))

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert [found[text] for text in texts] == alone and len(set(alone)) > 1


def test_sampling_repeats_by_its_seed(session: Session) -> None:
    def draw(seed: int) -> str:
        return "".join(session.stream(turn(temperature=1.0, seed=seed), threading.Event(), Reply()))

    assert draw(3) == draw(3) != draw(4)


def test_a_conversation_that_leaves_no_room_is_bad_input(session: Session) -> None:
    with pytest.raises(BadInput, match="the model's context 4096"):
        list(session.stream(turn("squares " * 6000), threading.Event(), Reply()))
