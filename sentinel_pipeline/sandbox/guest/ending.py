"""How a sample ends: by itself, or because its CPU time or the wall clock ran out.

What this module does not do: start samples, or read what they answered.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time

from .speed import MARGIN, SLOWEST, slowness
from .wire import ENDED, KILL, OUT_OF_CPU, OUT_OF_WALL, STOPPED, End, Job

_CHILD = {signal.SIGCHLD}
_BUSY = 0.05
"""Share of a core from which a program counts as computing: wall time does not end it, so load
changes no verdict."""


def cpu_seconds(pid: int) -> float:
    """CPU time that a living process has used, by its own clock."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def limit_cpu(pid: int, seconds: float) -> None:
    """Let a process have as much CPU time as its limit can come to on the slowest machine."""
    hardest = cpu_backstop(seconds)
    with contextlib.suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_CPU, (hardest, hardest))


def cpu_backstop(seconds: float) -> int:
    """Whole seconds at which the kernel ends a program that nobody else ended."""
    return int(seconds * MARGIN * SLOWEST) + 2


def wait(
    pid: int, job: Job, started: float, channel: socket.socket | None, slow: float = 1.0
) -> End:
    """Wait for the sample's end, or bring it about: CPU time decides, wall time is the backstop.

    CPU time counts in seconds of the reference machine. ``slow``: how many times slower this one
    was when it was last measured; it is measured again before a program is called too slow.
    For a live sample, ``channel`` brings one byte when the harness wants no more: kill the sample,
    or wait for its end still. It is taken before this returns, also where the sample ended first.
    """
    why = ENDED
    watched = channel is not None
    process = os.pidfd_open(pid) if channel else -1
    most = job.cpu_seconds * MARGIN
    raised = False
    pause = min(job.cpu_seconds, job.wall_seconds)
    while True:
        if channel is None:
            signal.sigtimedwait(_CHILD, pause)
        elif word := _last_word(process, channel if watched else None, pause):
            watched = False
            if word == KILL:
                os.kill(pid, signal.SIGKILL)
        done, status, usage = os.wait4(pid, os.WNOHANG | os.WUNTRACED)
        if done and os.WIFSTOPPED(status):
            why = STOPPED
        elif done:
            break
        used = cpu_seconds(pid)
        elapsed = time.monotonic() - started
        if used >= job.cpu_seconds and not raised:
            # The kernel's own limit is the backstop: it counts seconds of this machine.
            raised = True
            limit_cpu(pid, job.cpu_seconds)
        if used >= most * slow:
            slow = max(slow, slowness())
        why = why or _over(job, used, elapsed, most * slow)
        if why != ENDED:
            os.kill(pid, signal.SIGKILL)
        # Not before either limit can be reached, so that nobody wakes in vain.
        pause = max(0.002, min(most * slow - used, abs(job.wall_seconds - elapsed)))
    if channel:
        os.close(process)
        if watched and not channel.recv(1):
            os._exit(0)
    spent = usage.ru_utime + usage.ru_stime
    if spent > job.cpu_seconds * slow:
        slow = max(slow, slowness())
    return End(why, status, spent / slow, time.monotonic() - started)


def _over(job: Job, used: float, elapsed: float, allowed: float) -> int:
    """A program that computes all the time and is starved of the processor runs into its CPU limit,
    not into this one."""
    if used >= allowed:
        return OUT_OF_CPU
    return OUT_OF_WALL if elapsed >= job.wall_seconds and used < _BUSY * elapsed else ENDED


def _last_word(process: int, channel: socket.socket | None, pause: float) -> bytes:
    """Wait for the sample's end, a byte from the harness (taken), or at most a quarter of a second
    (a stop wakes nobody)."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    if channel:
        poll.register(channel, select.POLLIN)
    for ready, _ in poll.poll(min(pause, 0.25) * 1000):
        if channel and ready == channel.fileno():
            word = channel.recv(1)
            if not word:
                os._exit(0)
            return word
    return b""
