"""Limits of CPU time mean the same work on a slow day: how they are scaled, and what happens near
them."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from typing import Any, ClassVar

import pytest

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program, Result, isolation
from sentinel_pipeline.sandbox import grader as grader_module
from sentinel_pipeline.sandbox.guest import ending, speed
from sentinel_pipeline.sandbox.guest.wire import BATCH, ENDED, OUT_OF_CPU, End, Job
from sentinel_pipeline.sandbox.worker import Ticket

TESTS = PythonTests(tests="assert f(1) == 2", entry_point="f")


@pytest.mark.parametrize(
    ("seconds", "factor"), [(0.0002, 1.0), (0.001, 1.0), (0.0025, 2.5), (1.0, speed.SLOWEST)]
)
def test_a_machine_is_never_taken_for_faster_than_the_reference_nor_for_much_slower(
    monkeypatch: pytest.MonkeyPatch, seconds: float, factor: float
) -> None:
    monkeypatch.setattr(speed, "_timed", lambda: seconds)
    assert speed.slowness() == pytest.approx(factor)


def _burn(limit: float, work: float, slow_at_start: float) -> End:
    """A child computes for ``work`` seconds of this machine under a limit."""
    job = Job(0, BATCH, 0, 0, limit, 60.0, 256, 256)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        while time.process_time() < work:
            pass
        os._exit(0)
    return ending.wait(child, job, started, None, slow_at_start)


@pytest.mark.parametrize(
    ("at_start", "at_the_limit", "why"),
    [(1.0, 1.0, OUT_OF_CPU), (1.0, 3.0, ENDED), (3.0, 1.0, ENDED), (1.0, 1.2, OUT_OF_CPU)],
)
def test_a_limit_grows_by_how_slow_the_machine_is_at_the_start_or_when_it_is_reached(
    monkeypatch: pytest.MonkeyPatch, at_start: float, at_the_limit: float, why: int
) -> None:
    monkeypatch.setattr(ending, "slowness", lambda: at_the_limit)
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        end = _burn(limit=0.2, work=0.4, slow_at_start=at_start)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    assert end.why == why
    if why == ENDED:
        assert end.cpu_seconds == pytest.approx(0.4 / 3, rel=0.3)
    else:
        assert 0.2 * speed.MARGIN <= end.cpu_seconds < 0.35


def test_an_endless_program_takes_no_more_than_three_times_its_limit() -> None:
    code = "def f(x):\n    while True: pass\n"
    with Grader(workers=1) as grader:
        next(grader.grade([Program(id="0", code="def f(x): return 2", verifier=TESTS)]))
        started = time.process_time()
        limits = Limits(cpu_seconds=0.5)
        (result,) = grader.grade([Program(id="p", code=code, verifier=TESTS, limits=limits)])
    assert result.reason == "timeout: more than 0.5 s of CPU time"
    assert 0.5 < result.cpu_seconds < 0.5 * 1.5
    assert time.process_time() - started < 1.5


class _Worker:
    """Answers at once: a program is ``near`` its limit unless it runs without neighbours."""

    busy: ClassVar[dict[int, int]] = {}
    log: ClassVar[list[tuple[str, bool, int]]] = []

    def __init__(self, *_: Any) -> None:
        self.channel, self.other = socket.socketpair()
        self.out: deque[Ticket] = deque()

    def send(self, ticket: Ticket) -> None:
        self.out.append(ticket)
        self.busy[id(self)] = len(self.out)
        self.log.append((ticket.program.id, ticket.alone, sum(self.busy.values())))
        self.other.send(b"!")

    def receive(self) -> list[tuple[Ticket, Result, bool]]:
        self.channel.recv(1)
        ticket = self.out.popleft()
        self.busy[id(self)] = len(self.out)
        near = ticket.program.code == "near"
        passes = ticket.alone or not near
        outcome = Outcome.PASS if passes else Outcome.TIMEOUT
        code = "passed" if passes else "timeout"
        result = Result(id=ticket.program.id, outcome=outcome, code=code, detail="")
        return [(ticket, result, near)]

    def check_silence(self, _patience: float) -> None:
        return None

    def close(self) -> None:
        self.channel.close()
        self.other.close()


def test_a_program_near_its_limit_runs_once_more_without_neighbours_and_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grader_module, "Worker", _Worker)
    _Worker.busy.clear()
    _Worker.log.clear()
    programs = [
        Program(id=str(n), code="near" if n in (2, 3, 11) else "far", verifier=TESTS)
        for n in range(12)
    ]
    with Grader(workers=3, layers=isolation()) as grader:
        results = list(grader.grade(programs))
    assert [(result.id, result.code) for result in results] == [
        (str(n), "passed") for n in range(12)
    ]
    again = [entry for entry in _Worker.log if entry[1]]
    assert sorted(again) == [("11", True, 1), ("2", True, 1), ("3", True, 1)]
    assert len(_Worker.log) == 15


def test_a_program_alone_may_use_the_margin_and_another_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a worker is told: the limit, and the margin on top for a program that runs alone."""
    with Grader(workers=1) as grader:
        worker = grader.worker(0)
        sent: list[dict[str, Any]] = []
        monkeypatch.setattr(worker, "_write", sent.append)
        program = Program(id="p", code="", verifier=TESTS)
        for alone in (False, True):
            worker.send(Ticket(0, program, Limits(cpu_seconds=2.0), alone=alone))
        worker.out.clear()
    assert [message["limits"]["cpu_seconds"] for message in sent] == [
        2.0,
        pytest.approx(2.0 * speed.MARGIN),
    ]
