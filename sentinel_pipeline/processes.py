"""Processes that end with the one that started them. Knows nothing of what they do."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(sig: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send ``sig`` to this process when the thread that started it ends
    (``prctl(2)``, Linux only).

    Call it first thing in the child. A parent that is gone already leaves the child with another
    one: then it ends at once. Elsewhere than on Linux this does nothing.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)
