"""The device and this process's hold on it: threads, allocator, number format, one owner at a time.

A lock file says who trains on the device; the kernel drops the lock when its holder dies, however
it dies.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Infrastructure

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
"""Options of ``mallopt(3)``."""


def cores() -> int:
    """Cores that this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    )


def prepare_cpu(processes: int = 1) -> None:
    """One thread a core, divided among ``processes``, and an allocator that keeps freed memory for
    the next step.

    By default glibc gives large blocks back to the kernel, and every step pays for fresh pages
    again.
    """
    import torch

    torch.set_num_threads(max(1, cores() // processes))
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for option, value in (
                (_M_MMAP_THRESHOLD, 1 << 30),
                (_M_TRIM_THRESHOLD, 1 << 30),
                (_M_TOP_PAD, 1 << 26),
            ):
                mallopt(option, value)


def bfloat16_pays() -> bool:
    """Whether training computes in mixed precision with bfloat16: on a GPU that has it.

    Never on a CPU, whatever units it has: SFT in one process sums its loss past the wrapper that
    would cast, in float32, so several processes that cast would train something else than one; and
    a run that is resumed on another CPU goes on in the same number format.
    """
    import torch

    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported())


def is_out_of_memory(error: BaseException) -> bool:
    """The device's or the machine's allocator refused; torch says so in several ways."""
    text = str(error).lower()
    phrases = ("out of memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in phrases)
    )


@contextmanager
def device_lock(
    path: Path | None, say: Callable[[str], None] = lambda text: None, patience_s: float = 3600.0
) -> Iterator[None]:
    """Hold the device; waits for its present owner, telling who that is.

    Raises:
        Infrastructure: the owner did not let go within ``patience_s`` seconds.
    """
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        _acquire(stream.fileno(), path, say, patience_s)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
        stream.truncate(0)


def device_owner(lock: Path) -> str | None:
    """Who holds the device; a lock file whose holder died is free, whatever stands in it."""
    try:
        with lock.open("r", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return stream.read().strip() or "unknown"
    except OSError:
        pass
    return None


def _acquire(descriptor: int, path: Path, say: Callable[[str], None], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    warned = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            owner = path.read_text(encoding="utf-8").strip() or "unknown"
            if time.monotonic() >= deadline:
                raise Infrastructure(
                    f"the device is held by process {owner} (lock {path}): wait for it or stop it, then run again."
                ) from None
            if not warned:
                say(f"waiting for the device, held by process {owner}")
                warned = True
            time.sleep(0.2)
