"""The door: programs in, results out, in input order, streaming, over warm workers.

Each worker is an executed child (the harness); the calling process is never forked, so it may hold
CUDA or many threads. What this module does not do: read answers or hold results back beyond a
window, so memory does not grow with the input.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Generator, Iterable, Iterator

from .isolation import Isolation, Level, isolation
from .outcomes import DEFAULT_LIMITS, Limits, Outcome, Program, Result
from .worker import Broken, Ticket, Worker

_AHEAD = 2
"""Programs that a worker holds at once: the next one is there when it finishes the one before."""
_WINDOW = 64
"""Results per worker that may wait for a slower one before them."""
_TRIES = 2
_PATIENCE = 300.0
"""Seconds beyond three wall limits after which a silent worker is replaced."""


class Grader:
    """Workers kept warm between batches; a context manager. One batch at a time.

    Raises:
        GateRefused: this machine isolates less than ``require_isolation`` (default: seccomp).
            ``Level.NONE`` is the explicit wish to run candidates all the same.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
        require_isolation: Level | None = None,
        layers: Isolation | None = None,
    ) -> None:
        self.isolation = layers or isolation()
        self.isolation.demand(Level.SECCOMP if require_isolation is None else require_isolation)
        self.limits = limits
        self.size = workers or len(os.sched_getaffinity(0))
        self.workers: list[Worker] = []

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and all their processes; harmless when called again."""
        for worker in self.workers:
            worker.close()
        self.workers.clear()

    def grade(self, programs: Iterable[Program]) -> Generator[Result, None, None]:
        """Grade in input order, streaming; programs are taken from the input as workers become
        free."""
        batch = _Batch(self, iter(programs))
        try:
            yield from batch.results()
        finally:
            batch.abandon()

    def worker(self, index: int) -> Worker:
        """The worker at ``index``, started where it is not there yet."""
        while len(self.workers) <= index:
            self.workers.append(Worker(self.isolation, self.limits))
        return self.workers[index]

    def renew(self, index: int) -> None:
        """End the worker at ``index`` and start another one in its place."""
        self.workers[index].close()
        self.workers[index] = Worker(self.isolation, self.limits)


class _Batch:
    """One run over an input: what is out, what is done, what comes next."""

    def __init__(self, grader: Grader, programs: Iterator[Program]) -> None:
        self.grader = grader
        self.programs = programs
        self.done: dict[int, Result] = {}
        self.again: deque[Ticket] = deque()
        self.alone: deque[Ticket] = deque()
        """Programs that came near their limit: each runs once more without neighbours."""
        self.taken = 0
        self.given = 0
        self.exhausted = False

    def results(self) -> Iterator[Result]:
        while True:
            self._feed()
            while self.given in self.done:
                yield self.done.pop(self.given)
                self.given += 1
                self._feed()
            if self.exhausted and self.given == self.taken:
                return
            self._collect()

    def abandon(self) -> None:
        """The reader stopped early: workers that are still busy are ended, so that no stale result
        can follow."""
        for index, worker in enumerate(self.grader.workers):
            if worker.out:
                self.grader.renew(index)

    def _feed(self) -> None:
        if self.alone or any(worker.out and worker.out[0].alone for worker in self.grader.workers):
            self._feed_alone()
            return
        window = _WINDOW * self.grader.size
        # Every worker gets one before any gets its next: the load stays even.
        for load in range(_AHEAD):
            for index in range(self.grader.size):
                if self.taken - self.given >= window and not self.again:
                    return
                workers = self.grader.workers
                if index < len(workers) and len(workers[index].out) > load:
                    continue
                ticket = self._next()
                if ticket is None:
                    return
                try:
                    self.grader.worker(index).send(ticket)
                except Broken as broken:
                    self._recover(index, broken)

    def _feed_alone(self) -> None:
        """Hand out one program once every worker is idle."""
        if any(worker.out for worker in self.grader.workers):
            return
        try:
            self.grader.worker(0).send(self.alone.popleft()._replace(alone=True))
        except Broken as broken:
            self._recover(0, broken)

    def _next(self) -> Ticket | None:
        if self.again:
            return self.again.popleft()
        if self.exhausted or self.taken - self.given >= _WINDOW * self.grader.size:
            return None
        program = next(self.programs, None)
        if program is None:
            self.exhausted = True
            return None
        ticket = Ticket(self.taken, program, program.limits or self.grader.limits)
        self.taken += 1
        return ticket

    def _collect(self) -> None:
        """Wait until a worker answers, ends, or has been silent for too long."""
        poll = select.poll()
        owners = {}
        for index, worker in enumerate(self.grader.workers):
            if worker.out:
                poll.register(worker.channel, select.POLLIN)
                owners[worker.channel.fileno()] = index
        ready = {owners[descriptor] for descriptor, _ in poll.poll(1000)}
        for index in owners.values():
            worker = self.grader.workers[index]
            try:
                if index in ready:
                    for ticket, result, near in worker.receive():
                        if near and not ticket.alone:
                            self.alone.append(ticket)
                        else:
                            self.done[ticket.number] = result
                else:
                    worker.check_silence(_PATIENCE)
            except Broken as broken:
                self._recover(index, broken)

    def _recover(self, index: int, broken: Broken) -> None:
        """Replace a worker; the program it was on is tried once more, then it is infrastructure;
        the rest goes again."""
        tickets = list(self.grader.workers[index].out)
        self.grader.renew(index)
        for place, ticket in enumerate(tickets):
            tries = ticket.tries + (place == 0)
            if place == 0 and broken.verdict is not None:
                self.done[ticket.number] = broken.verdict
            elif tries >= _TRIES:
                message = f"the worker ended twice on this program: {broken}"
                self.done[ticket.number] = infrastructure(ticket.program, message)
            elif ticket.alone:
                self.alone.append(ticket._replace(tries=tries))
            else:
                self.again.append(ticket._replace(tries=tries))


def infrastructure(program: Program, detail: str) -> Result:
    """The result of a program that could not be tested."""
    return Result(id=program.id, outcome=Outcome.INFRA, code="infra", detail=detail)


def grade(
    programs: Iterable[Program],
    *,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    require_isolation: Level | None = None,
) -> Iterator[Result]:
    """Grade ``programs`` in input order, streaming, on all available cores by default.

    Raises:
        GateRefused: this machine isolates less than is required (default: seccomp); nothing was
            run.
        Infrastructure: the isolation cannot be probed.
    """
    with Grader(workers=workers, limits=limits, require_isolation=require_isolation) as grader:
        yield from grader.grade(programs)
