"""How a sample ends: by itself, or because its CPU time or the wall clock ran out.

What this module does not do: start samples, or read what they answered.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time

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


def wait(pid: int, job: Job, started: float, channel: socket.socket | None) -> End:
    """Wait for the sample's end, or bring it about: CPU time decides, wall time is the backstop.

    For a live sample, ``channel`` brings one byte when the harness wants no more: kill the sample,
    or wait for its end still. It is taken before this returns, also where the sample ended first.
    """
    why = ENDED
    watched = channel is not None
    process = os.pidfd_open(pid) if channel else -1
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
        why = why or _over(job, used, elapsed)
        if why != ENDED:
            os.kill(pid, signal.SIGKILL)
        # Not before either limit can be reached, so that nobody wakes in vain.
        pause = max(0.002, min(job.cpu_seconds - used, abs(job.wall_seconds - elapsed)))
    if channel:
        os.close(process)
        if watched and not channel.recv(1):
            os._exit(0)
    return End(why, status, usage.ru_utime + usage.ru_stime, time.monotonic() - started)


def _over(job: Job, used: float, elapsed: float) -> int:
    """A program that computes all the time and is starved of the processor runs into its CPU limit,
    not into this one."""
    if used >= job.cpu_seconds:
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
