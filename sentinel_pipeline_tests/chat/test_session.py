"""A session streams what Transformers generates, stops when told, and answers one after the
other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.chat.session import Session
from sentinel_pipeline.chat.turn import Reply
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline_tests.chat.material import turn


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


def test_sampling_repeats_by_its_seed(session: Session) -> None:
    def draw(seed: int) -> str:
        return "".join(session.stream(turn(temperature=1.0, seed=seed), threading.Event(), Reply()))

    assert draw(3) == draw(3) != draw(4)


def test_a_conversation_that_leaves_no_room_is_bad_input(session: Session) -> None:
    with pytest.raises(BadInput, match="the model's context 4096"):
        list(session.stream(turn("squares " * 6000), threading.Event(), Reply()))
