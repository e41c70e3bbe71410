"""Hostile scripts neither pass, nor break their worker, nor last."""

from __future__ import annotations

import json
import socket
import time

import pytest

from sentinel_pipeline.sandbox import Limits, Outcome, typescript
from sentinel_pipeline.sandbox.judge.remote import Stop
from sentinel_pipeline.sandbox.judge.script_tests import _Session
from sentinel_pipeline_tests.sandbox import script_attacks as attacks
from sentinel_pipeline_tests.sandbox.conftest import Grade

SMALL = Limits(cpu_seconds=0.5, wall_seconds=2.0, memory_mib=192, output_kib=64)


def _usable(script: Grade) -> bool:
    return script("const f = (x: number) => x + 1;", "assert.equal(f(1), 2);").code == "passed"


@pytest.mark.parametrize("name", attacks.FOOLING)
def test_it_does_not_fool_the_tests(script: Grade, name: str) -> None:
    result = script(attacks.FOOLING[name], attacks.TESTS, limits=SMALL)
    assert (result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.trust) == (
        True,
        "separate",
    ), result.reason
    assert result.code not in ("crash", "test_error", "infra"), result.reason
    assert len(result.detail) <= 400
    assert _usable(script)


@pytest.mark.parametrize("name", attacks.BOMBS)
def test_a_bomb_is_contained(script: Grade, name: str) -> None:
    code, expected = attacks.BOMBS[name]
    started = time.monotonic()
    result = script(code, attacks.TESTS, limits=SMALL)
    assert result.code in expected, result.reason
    assert time.monotonic() - started < 20
    assert _usable(script)


@pytest.mark.parametrize("name", attacks.UNREADABLE)
def test_no_text_breaks_the_parser(script: Grade, name: str) -> None:
    started = time.monotonic()
    result = script(attacks.UNREADABLE[name], attacks.TESTS, limits=SMALL)
    assert (result.outcome, result.code in ("syntax_error", "wrong_entry_point", "exception")) == (
        Outcome.FAIL,
        True,
    ), result.reason
    assert time.monotonic() - started < 20
    assert _usable(script)
    assert typescript.parse("let x: number = 1").problem is None


def test_a_function_of_the_tests_may_call_the_program_and_is_not_followed_without_end(
    script: Grade,
) -> None:
    twice = "const f = (g, n) => n ? g(n - 1) + 1 : 0;"
    assert script(twice, "const g = (n) => f(g, n); assert.equal(f(g, 20), 20);").reason == "passed"
    endless = "const f = (g, n) => g(n);"
    result = script(endless, "const g = (n) => f(g, n); assert.equal(f(g, 1), 1);", limits=SMALL)
    assert result.outcome is not Outcome.PASS, result.reason
    assert _usable(script)


def test_the_way_to_the_judge_is_no_name_that_a_program_can_say(script: Grade) -> None:
    assert '"closed"' in script(attacks.FOOLING["looks for the way out"], attacks.TESTS).detail


def test_a_program_sees_nothing_but_the_language_and_what_is_offered(script: Grade) -> None:
    """The judge's own names, Node's and QuickJS's own modules are not there; the judge's context
    has no way to the sample's."""
    code = "const f = () => Object.getOwnPropertyNames(globalThis).filter((n) => /^[a-z_]/.test(n)).sort();"
    known = "__date_clock console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval exports globalThis isFinite"
    offered = f"{known} isNaN module parseFloat parseInt require structuredClone undefined unescape".split()
    assert script(code, f"assert.deepEqual(f(), {json.dumps(offered)});").reason == "passed"


FRAMES = {
    "not JSON": b"v",
    "not an object": b"[1]",
    "two values": b'{"v":1}{"v":2}',
    "unknown tag": b'{"v":{"pickle":"x"}}',
    "name for a handle": b'{"v":{"h":"f"}}',
    "callback of the tests as value": b'{"v":{"h":{"c":0}}}',
    "no answer": b"{}",
    "stop": b'{"stop":true}',
    "own finding": b'{"error":{"code":"passed","detail":""}}',
    "wrong end": b'{"x":"passed"}',
    "infinite": b'{"v":1e999}',
    "not a number": b'{"v":NaN}',
    "deep": b'{"v":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "changes that are no list": b'{"w":{"o":[]},"v":1}',
    "call of what is no function": b'{"c":"f","a":[]}',
    "arguments that are no list": b'{"c":0,"a":{"length":1}}',
    "bytes": b'{"v":"\xff"}',
    "text that is not ASCII": '{"v":"é"}'.encode(),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_forged_frame_ends_the_conversation(name: str) -> None:
    """A sample that is wholly the candidate's still has no answer but a value."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(len(FRAMES[name]).to_bytes(4, "little") + FRAMES[name])
        session = _Session(ours, 1 << 20)
        session.called = lambda text: '{"v":1}'
        assert session.answer('{"do":"call","on":"f","args":"[]"}') == '{"stop":true}'
        assert session.fatal is not None and session.fatal.code == "exception", session.fatal
        assert session.answer('{"do":"call","on":"f","args":"[]"}') == '{"stop":true}'


def test_a_frame_longer_than_the_output_limit_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall((1 << 31).to_bytes(4, "little"))
        session = _Session(ours, 1 << 10)
        with pytest.raises(Stop):
            session.read()
        assert session.fatal is not None and session.fatal.code == "output_limit"


def test_a_rebuilt_answer_holds_what_was_checked_and_no_more() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frame = b'{"v":{"o":[["a",[1,{"x":0},{"u":0}]]]},"extra":{"pickle":1},"stop":true}'
        theirs.sendall(len(frame).to_bytes(4, "little") + frame)
        answer = _Session(ours, 1 << 20).answer('{"do":"call","on":"f","args":"[]"}')
    assert json.loads(answer) == {"v": {"o": [["a", [1, {"x": 0}, {"u": 0}]]]}}
