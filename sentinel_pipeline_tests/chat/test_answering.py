"""What a session and a model's process have in common: they stop when told, let nobody wait for
nothing, and answer one after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.chat.model_process import ModelProcess
from sentinel_pipeline.chat.session import Session
from sentinel_pipeline.chat.turn import Reply
from sentinel_pipeline_tests.chat.material import turn


@pytest.fixture(scope="module", params=["a session", "a process"])
def model(request: pytest.FixtureRequest, small_model: Path) -> Iterator[Session | ModelProcess]:
    if request.param == "a session":
        yield Session(small_model)
        return
    process = ModelProcess(small_model)
    yield process
    process.close()


def test_stopping_ends_the_decoding_and_the_next_answer_begins(
    model: Session | ModelProcess,
) -> None:
    reply, cancelled = Reply(), threading.Event()
    pieces = model.stream(turn(max_tokens=3000), cancelled, reply)
    next(pieces)
    cancelled.set()
    list(pieces)
    assert reply.finish == "cancelled" and 0 < reply.completion_tokens < 3000
    again = Reply()
    assert "".join(model.stream(turn(max_tokens=4), threading.Event(), again))
    assert again.completion_tokens == 4


def test_a_reader_who_goes_away_ends_the_decoding(model: Session | ModelProcess) -> None:
    cancelled = threading.Event()
    pieces = model.stream(turn(max_tokens=3000), cancelled, Reply())
    next(pieces)
    pieces.close()
    assert cancelled.is_set() and model.turn.acquire(timeout=0)
    model.turn.release()
    again = Reply()
    list(model.stream(turn(max_tokens=4), threading.Event(), again))
    assert again.completion_tokens == 4


def test_who_waits_for_nobody_takes_no_turn(model: Session | ModelProcess) -> None:
    with model.turn:
        cancelled, reply = threading.Event(), Reply()
        cancelled.set()
        assert list(model.stream(turn(), cancelled, reply)) == [] and reply.finish == "cancelled"


def test_answers_to_several_at_once_are_those_of_each_alone(model: Session | ModelProcess) -> None:
    texts = [f"list {number}" for number in range(4)]
    alone = ["".join(model.stream(turn(text), threading.Event(), Reply())) for text in texts]
    together: dict[str, str] = {}

    def ask(text: str) -> None:
        together[text] = "".join(model.stream(turn(text), threading.Event(), Reply()))

    threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert [together[text] for text in texts] == alone and len(set(alone)) > 1
