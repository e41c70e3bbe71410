"""How much one client may have at once: places with a share for each person, the pool in which
corrections are checked, and the count of wrong keys.

A right key always enters: what is counted slows wrong ones only. Everything here is bounded in
memory, whoever asks. What this module does not do: know HTTP, or read a request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import multiprocessing
import os
import signal
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from ..processes import die_with_parent

if TYPE_CHECKING:
    from ..review.cards import Card
    from ..review.checking import Check

Result = TypeVar("Result")
CHECKS_WAITING = 8
"""Checks that may wait for a place in the pool; more are turned away."""
CHECK_S = 180.0
"""A check that takes longer is ended: the sandbox has its own, shorter limits."""


class Busy(Exception):
    """Too much is asked for at once: try again after ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Places:
    """A number of places (answers, bytes), and how many of them one name may have. Used by the
    event loop's thread only."""

    def __init__(self, total: int, each: int, *, full: str, mine: str, retry_after: int = 5):
        self.total = total
        self.each = each
        self._full = full
        self._mine = mine
        self._retry_after = retry_after
        self._taken: dict[str, int] = {}

    @property
    def free(self) -> int:
        return self.total - sum(self._taken.values())

    def take(self, who: str, amount: int = 1) -> None:
        """
        Raises:
            Busy: this name has its share, or every place is taken.
        """
        if self._taken.get(who, 0) + amount > self.each:
            raise Busy(self._mine, self._retry_after)
        if amount > self.free:
            raise Busy(self._full, self._retry_after)
        self._taken[who] = self._taken.get(who, 0) + amount

    def give(self, who: str, amount: int = 1) -> None:
        left = self._taken.get(who, 0) - amount
        if left > 0:
            self._taken[who] = left
        else:
            self._taken.pop(who, None)

    @contextmanager
    def hold(self, who: str) -> Iterator[None]:
        """One place while something is done.

        Raises:
            Busy: as ``take``.
        """
        self.take(who)
        try:
            yield
        finally:
            self.give(who)


class Checks:
    """The pool in which reviewers' checks run: one a person, a few at once, a short line behind
    them. ``judge`` decides where: in this process, or in one of its own (``ProcessJudge``)."""

    def __init__(self, judge: Callable[[Card, str], Check], places: int = 1) -> None:
        self.judge = judge
        self._most = places + CHECKS_WAITING
        self._people: set[str] = set()
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="check")

    async def run(self, who: str, work: Callable[[], Result]) -> Result:
        """
        Raises:
            Busy: this person's last check still runs, or the line is full.
        """
        if who in self._people:
            raise Busy("Your last check is still running: wait for it, then check again.", 3)
        if len(self._people) >= self._most:
            waiting = f"{len(self._people)} checks are running or wait"
            raise Busy(f"{waiting}: your text is kept as a draft, check it again soon.", 10)
        self._people.add(who)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._people.discard(who)

    def close(self) -> None:
        """Wait for no check: the server is stopping."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if isinstance(self.judge, ProcessJudge):
            self.judge.close()


class ProcessJudge:
    """The critic in processes of its own, started with the first check: a text that keeps it busy
    takes neither the server's interpreter nor its memory."""

    def __init__(self, places: int = 1) -> None:
        self._places = places
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, card: Card, text: str) -> Check:
        """What the critic says; ``infra`` where its process died or did not come to an end."""
        from ..review.checking import Check, judge

        pool = self._pool or self._start()
        try:
            return pool.submit(judge, card, text).result(timeout=CHECK_S)
        except (BrokenProcessPool, CancelledError, TimeoutError) as error:
            self.close()
            ended = "took too long" if isinstance(error, TimeoutError) else "ended by itself"
            reason = f"infra: the process that checks {ended}: check again"
            return Check("infra", card.task is not None, {"tests_pass": (None, reason)})

    def close(self) -> None:
        """End the processes, whatever they do; the next check starts others."""
        pool = self._pool
        self._pool = None
        if pool is not None:
            for process in list(getattr(pool, "_processes", None) or {}):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(
            self._places, mp_context=multiprocessing.get_context("spawn"), initializer=_quietly
        )
        return self._pool


def _quietly() -> None:
    """In a process that checks: pages come first, and it ends with the server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(signal.SIGKILL)
    os.nice(10)


class LoginLimit:
    """Counts wrong keys by address, and slows those that come after ``most`` in ``seconds``. It is
    asked only after a key turned out to be wrong, so it never keeps a right one out."""

    def __init__(
        self,
        most: int = 5,
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        *,
        pause_s: float = 1.0,
        addresses: int = 4096,
        pausing: int = 64,
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._pause_s = pause_s
        self._addresses = addresses
        self._pausing = pausing
        """Answers that are held back at once; beyond them nobody waits, so that waiting costs the
        server nothing."""
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        """The last ``most`` failures of an address, the addresses in the order of their last
        one."""

    def failed(self, address: str) -> float:
        """Count a wrong key; seconds that the address should wait, 0 while it has failed few
        times."""
        now = self._clock()
        name = network(address)
        times = self._failures.setdefault(name, deque(maxlen=self._most))
        self._failures.move_to_end(name)
        while len(self._failures) > self._addresses:
            self._failures.popitem(last=False)
        while times and times[0] <= now - self._seconds:
            times.popleft()
        wait = times[0] + self._seconds - now if len(times) == self._most else 0.0
        times.append(now)
        return wait

    async def pause(self) -> None:
        """Hold the answer to a wrong key back."""
        if self._pausing > 0:
            self._pausing -= 1
            try:
                await asyncio.sleep(self._pause_s)
            finally:
                self._pausing += 1


def network(address: str) -> str:
    """An address as it is counted: of IPv6 the /64, all of which one client may have."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
