"""The process that is locked down once and then forks a sample per program.

Started by the harness as a fresh interpreter over a socket; it never holds a test. It reads a job's
bytes without making objects of them and wipes them after the fork, so that a later sample finds
nothing of an earlier one in its memory. What this module does not do: execute candidate code
(``sample``), or run tests (the harness does).
"""

from __future__ import annotations

import builtins
import gc
import json
import os
import random
import resource
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, NoReturn

from . import confine, filters, kernel, program, sample
from .ending import cpu_backstop, wait
from .speed import slowness
from .wire import FRAME, JOB, LIVE, PROGRAM, REPORT, SHARED, End, Job


class Runners(NamedTuple):
    """What a sample of a zygote's kind does with a job."""

    live: Callable[[bytes, int, int], NoReturn] = sample.run_live
    """The code, the conversation, how many bytes may be answered."""
    batch: Callable[[bytes, list[bytes], int, int], NoReturn] = sample.run_batch
    """The code, the requests, where answers go, how many bytes may be answered."""


_PYTHON = Runners()
_MIB = 1 << 20
_PRELOAD = (
    "bisect", "collections.abc", "copy", "functools", "heapq", "itertools", "math", "operator",
    "random", "re", "string", "typing",
)  # fmt: skip
"""What many programs import. Each further module makes every fork dearer; the rest is imported from
the read-only library. ``random`` is here so that its state is the same in every sample: an unseeded
program gets the same verdict each time."""
_UNREACHABLE_LATER = (
    "array", "calendar", "cmath", "contextlib", "csv", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "hashlib", "inspect", "io", "numbers", "secrets", "statistics", "tempfile",
    "textwrap", "threading", "time", "traceback", "unicodedata", "uuid",
)  # fmt: skip
"""Where there is no root of our own, the library may lie in a folder that an unprivileged user
cannot enter."""
_THREADS = 64
_BUFFER_BYTES = 1 << 16
"""Enough for nearly every job; it grows. Each page that this process holds makes every fork
dearer."""


def main() -> NoReturn:
    """Boot from the JSON in ``argv[1]``, lock down, warm up, serve until the harness hangs up."""
    config = json.loads(sys.argv[1])
    layers = set(config["layers"])
    kind = config["kind"]
    kernel.die_with_parent()
    confine.be_killed_first()
    confine.enter_namespaces(layers, config["channel"])
    channel = socket.socket(fileno=config["channel"])
    _quiet()
    serve: Callable[[socket.socket, set[str], int], NoReturn] = _serve
    if kind == "python":
        _preload(_PRELOAD if "private_root" in layers else _PRELOAD + _UNREACHABLE_LATER)
    elif kind == "script":
        from . import script

        script.prepare(config["tool"])
        serve = partial(_serve, runners=Runners(live=script.run_live))
    elif kind == "sql":
        from .sql import Engine

        serve = partial(_serve, runners=Runners(batch=Engine(config["tool"]).run_batch))
    else:
        from .shell import serve as serve_shell

        serve = serve_shell
    if "private_root" in layers:
        confine.own_root(kind, layers, config["disk_mib"])
    confine.limit(layers, 256 if kind == "shell" else _THREADS, config["disk_mib"])
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if kind != "shell":
        if "unprivileged_user" in layers:
            confine.give_up_privileges(layers)
        confine.seal(layers, kind)
    confine.watch_parent()
    serve(channel, layers, config["disk_mib"])


def _quiet() -> None:
    """Nothing of ours to be seen, and what ``site`` would have given."""
    os.environ.clear()
    sys.argv[:] = [""]
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # no Quitter: site is not loaded
    warnings.simplefilter("ignore")


def _preload(names: tuple[str, ...]) -> None:
    for name in names:
        __import__(name)
    random.seed(0)


_WARM = b"""
from typing import List, Tuple, Dict, Optional, Any
import math, re, collections
def f(a: List[int], b: float, c: str = '') -> Tuple[int, str]:
    total = 0
    for i, x in enumerate(sorted(a)):
        if x % 2 == 0 and not c:
            total += x
        else:
            total -= i
    return [total, [str(x) for x in a], {k: v for k, v in zip(a, a)}, re.sub('a', 'b', c), round(b, 2), math.floor(b), (a, b)]
class C:
    def __init__(self, x): self.x = x
"""


def _warm() -> None:
    """Compile, execute and answer in this process, on code of our own, so that no sample has to be
    the first."""
    null = os.open(os.devnull, os.O_WRONLY)
    request = b'["call","f",""]\n[[[3,4,5],2.5,"abc"],{"d":[]}]'
    for _ in range(30):
        trial = sample.Sample(null, 1 << 20)
        trial.load(_WARM)
        trial.answer(request)
    os.close(null)
    sys.modules.pop(sample.MODULE_NAME, None)


def _serve(
    channel: socket.socket, layers: set[str], _disk_mib: int, runners: Runners = _PYTHON
) -> NoReturn:
    if runners is _PYTHON:
        _warm()
    os.dup2(1, 2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    worker = _Worker(channel, layers, runners)
    gc.collect()
    gc.freeze()
    channel.sendall(b"R")
    while True:
        worker.one_job()


class _Worker:
    """Takes jobs from the channel, one at a time."""

    def __init__(self, channel: socket.socket, layers: set[str], runners: Runners) -> None:
        self.channel, self.number, self.runners = channel, channel.fileno(), runners
        self.buffer = bytearray(_BUFFER_BYTES)
        self.filter = (
            kernel.Filter(*filters.with_pid(filters.for_python_sample()))
            if "seccomp" in layers
            else None
        )
        self.limited = "rlimits" in layers
        self.outlives = "pid_namespace" not in layers
        self.folder = confine.PYTHON_FOLDER if "private_root" in layers else None
        if self.folder:
            os.chdir(self.folder)
        self.slow = slowness()
        self.untouched = os.stat(self.folder).st_ctime_ns if self.folder else 0

    def one_job(self) -> None:
        job, descriptors = self._receive()
        live = descriptors[0] if job.kind == LIVE else -1
        answers = os.memfd_create("answers") if live < 0 else live
        _own_streams()
        started = time.monotonic()
        pid = kernel.fork()
        if pid == 0:
            self._become(job, answers, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        end = wait(pid, job, started, self.channel if live >= 0 else None, self.slow)
        # The next sample is forked from this memory: it must not find this one's program there.
        view = memoryview(self.buffer)[: job.payload_bytes]
        view[:] = bytes(job.payload_bytes)
        view.release()
        self._report(end, job, -1 if live >= 0 else answers)
        if live < 0:
            os.close(answers)

    def _receive(self) -> tuple[Job, tuple[int, ...]]:
        header, ancillary, _, _ = self.channel.recvmsg(JOB.size, socket.CMSG_SPACE(8))
        if len(header) < JOB.size:
            os._exit(0)
        job = Job(*JOB.unpack(header))
        descriptors = (
            struct.unpack(f"{len(ancillary[0][2]) // 4}i", ancillary[0][2]) if ancillary else ()
        )
        if job.payload_bytes > len(self.buffer):
            self.buffer = bytearray(job.payload_bytes)
        view = memoryview(self.buffer)[: job.payload_bytes]
        while view:
            size = self.channel.recv_into(view)
            if size == 0:
                os._exit(0)
            view = view[size:]
        return job, descriptors

    def _become(self, job: Job, out: int, descriptors: tuple[int, ...]) -> NoReturn:
        """In the sample: let go of the channel, take on limits and the second filter, then run the
        program."""
        try:
            os.close(self.number)
            if job.kind == PROGRAM:
                for number, descriptor in enumerate(descriptors):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
            if self.outlives:
                kernel.die_with_parent()
            if self.limited:
                _limit(job)
            if self.filter:
                self.filter.install(os.getpid())
            code, requests = _split(self.buffer, job)
            gc.set_threshold(20_000, 20, 50)
            gc.enable()
            output = job.output_kib * 1024
            if job.kind == LIVE:
                self.runners.live(code, out, output)
            if job.kind == PROGRAM:
                program.run_program(code, out, output)
            if job.kind == SHARED:
                sample.run_shared(code, requests[0], out, output)
            self.runners.batch(code, requests, out, output)
        except MemoryError:
            os._exit(77)
        finally:
            os._exit(78)

    def _report(self, end: End, job: Job, answers: int) -> None:
        size = 0 if answers < 0 else min(os.fstat(answers).st_size, job.output_kib * 1024 + 4096)
        odd = bool(self.folder) and os.stat(self.folder or "").st_ctime_ns != self.untouched
        self.channel.sendall(REPORT.pack(*end, odd, size))
        sent = 0
        while sent < size:
            sent += os.sendfile(self.number, answers, sent, size - sent)


def _own_streams() -> None:
    """Open standard streams anew: flags and locks of a description that samples share would outlive
    each. Before the fork, where every page that this touches is warm."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _limit(job: Job) -> None:
    memory = job.memory_mib * _MIB
    seconds = int(job.cpu_seconds) + 2
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, cpu_backstop(job.cpu_seconds)))


def _split(buffer: bytearray, job: Job) -> tuple[bytes, list[bytes]]:
    view = memoryview(buffer)
    code = bytes(view[: job.code_bytes])
    at = job.code_bytes
    requests = []
    for _ in range(job.requests):
        (size,) = FRAME.unpack_from(buffer, at)
        at += FRAME.size
        requests.append(bytes(view[at : at + size]))
        at += size
    return code, requests


if __name__ == "__main__":
    main()
