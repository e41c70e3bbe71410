"""The judge's own share of CPU time over one program: an exception where Python can be interrupted,
the kernel where it cannot.

A hostile answer can make one call into C endless (``sum`` of a long ``range``), and no handler of
signals runs inside it. So a second timer, whose signal nobody handles, ends the judge a little
later; the grader knows what that says of the program. What this module does not do: bound the
program; its zygote does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..guest.speed import at_start, slowness
from ..outcomes import Limits

ENDED_BY = (signal.SIGPROF, signal.SIGXCPU)
"""How a judge ends whose tests took too long over a program's answers."""
_BASE = 0.5
_SHARE = 1.5
"""Seconds for the tests' own work, and more of them for each second of the program's limit."""
_SPARE = 0.4
"""CPU time between the exception and the kernel."""


class TooSlow(BaseException):
    """The tests' own work took too long."""


def share(limits: Limits) -> float:
    """CPU seconds of this machine for the tests' own work over one program."""
    return (_BASE + _SHARE * limits.cpu_seconds) * at_start()


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """The kernel ends this process where it computes for longer."""
    # Whoever started this process may have left the signal ignored.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds + _SPARE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def interrupted(seconds: float, work: Callable[[], None]) -> None:
    """Work that raises ``TooSlow`` between two steps of the interpreter where it takes longer; on a
    machine that became slower meanwhile it may take longer by as much.

    Raises:
        TooSlow: also where the work caught it.
    """
    slow = at_start()
    over = False

    def alarm(_number: int, _frame: FrameType | None) -> None:
        nonlocal slow, over
        now = slowness()
        if over or now <= slow:
            over = True
            raise TooSlow
        more = seconds * (now / slow - 1)
        slow = now
        signal.setitimer(signal.ITIMER_VIRTUAL, more, 1.0)
        if signal.getitimer(signal.ITIMER_PROF)[0]:
            signal.setitimer(signal.ITIMER_PROF, more + _SPARE)

    signal.signal(signal.SIGVTALRM, alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if over:
        raise TooSlow
