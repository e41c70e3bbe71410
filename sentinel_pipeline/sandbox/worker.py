"""The grader's end of one harness process: start it, send programs, read results.

What this module does not do: retry; the grader does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..records import ShellEffect, verifier_to_json
from ..records.verifiers import Executable
from ..secrets import mask
from .bounds import candidates_group, move_to_group
from .guest.ending import cpu_seconds
from .guest.speed import MARGIN
from .isolation import Isolation
from .judge.clock import ENDED_BY
from .outcomes import Limits, Outcome, Program, Result
from .stderr_tail import stderr_tail
from .typescript import find_engine, find_node

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop()); from sentinel_pipeline.sandbox.judge.main import main; main()"
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""As in the zygotes: a reference that runs beside the tests meets sets in the order in which a
program does."""


_COMPUTING = 0.01
"""CPU seconds that count as computing."""


@lru_cache(maxsize=1024)
def _verifier_text(verifier: Executable) -> str | None:
    return verifier_to_json(verifier)


@lru_cache(maxsize=64)
def _limits(limits: Limits) -> dict[str, Any]:
    return asdict(limits)


class Ticket(NamedTuple):
    """A program on its way: its place in the input and how often it was tried."""

    number: int
    program: Program
    limits: Limits
    tries: int = 0
    alone: bool = False
    """It came near its limit: it runs once more, with the margin, while no other program does."""


class Broken(Exception):
    """The worker ended or is silent. ``verdict``: what that says of the program it was on, where it
    says something."""

    def __init__(self, message: str, verdict: Result | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class Worker:
    """A harness process and the programs that it holds, oldest first."""

    def __init__(self, isolation: Isolation, limits: Limits) -> None:
        self.channel, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self.out: deque[Ticket] = deque()
        self._buffer = bytearray()
        self._heard = time.monotonic()
        self._computed = 0.0
        """CPU time of the harness when it was last found to compute."""
        arguments = [str(theirs.fileno()), str(lifeline), str(_ROOT)]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-S", "-c", _BOOT, *arguments],
                env=_ENVIRONMENT,
                pass_fds=(theirs.fileno(), lifeline),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        finally:
            theirs.close()
            os.close(lifeline)
        # Before it is told anything, so before it starts another process.
        group = candidates_group()
        if group is not None:
            try:
                move_to_group(self.process.pid, group)
            except BaseException:
                self.close()
                raise
        tools = {"engine": find_engine(), "node": find_node(), "packages": _packages()}
        self._write({"layers": isolation.active, "limits": asdict(limits), "tools": tools})

    def close(self) -> None:
        """Kill the harness; its zygotes and samples die with it."""
        self.out.clear()
        self.channel.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self.process.kill()
        if self.process.stderr:
            self.process.stderr.close()
        self.process.wait()

    def send(self, ticket: Ticket) -> None:
        """Hand over a program.

        Raises:
            Broken: the worker is gone.
        """
        if not self.out:
            self._heard = time.monotonic()
        self.out.append(ticket)
        program = ticket.program
        verifier = program.verifier
        # A shell verifier holds files: it is not hashed to be found in a cache.
        to_text = verifier_to_json if isinstance(verifier, ShellEffect) else _verifier_text
        limits = _limits(ticket.limits)
        if ticket.alone:
            limits = limits | {"cpu_seconds": MARGIN * ticket.limits.cpu_seconds}
        self._write({"code": program.code, "verifier": to_text(verifier), "limits": limits})

    def receive(self) -> list[tuple[Ticket, Result, bool]]:
        """The results that have arrived, at least a part of one, and whether each is a timeout near
        the limit.

        Raises:
            Broken: the worker is gone.
        """
        try:
            data = self.channel.recv(1 << 18)
        except OSError as error:
            raise self._broken(f"the worker's channel broke: {error}") from None
        if not data:
            raise self._broken("the worker ended")
        self._heard = time.monotonic()
        self._buffer += data
        return list(self._complete())

    def check_silence(self, patience: float) -> None:
        """Raise Broken where the oldest program should have been answered long ago. While the
        harness computes, nothing is overdue: the kernel bounds its CPU time, however slowly it
        gets it."""
        used = cpu_seconds(self.process.pid)
        if used > self._computed + _COMPUTING:
            self._computed = used
            self._heard = time.monotonic()
        silence = time.monotonic() - self._heard
        if self.out and silence > 3 * self.out[0].limits.wall_seconds + patience:
            raise Broken("the worker was silent for too long")

    def _complete(self) -> Any:
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "little")
            if len(self._buffer) < 4 + size:
                return
            row = json.loads(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
            ticket = self.out.popleft()
            near = row.pop("near")
            row |= {"outcome": Outcome(row["outcome"]), "detail": mask(row["detail"])}
            yield ticket, Result(id=ticket.program.id, **row), near

    def _write(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode("ascii")
        try:
            self.channel.sendall(len(data).to_bytes(4, "little") + data)
        except OSError as error:
            raise self._broken(f"the worker's channel broke: {error}") from None

    def _broken(self, message: str) -> Broken:
        """What the worker's end says: the kernel's CPU limit struck in the tests of the program
        that it was on."""
        try:
            status = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return Broken(message)
        if -status in ENDED_BY and self.out:
            name = self.out[0].program.id
            detail = "the tests took too long over the program's answers"
            verdict = Result(id=name, outcome=Outcome.TIMEOUT, code="timeout", detail=detail)
            return Broken(message, verdict)
        return Broken(f"{message} with status {status}: {stderr_tail(self.process)}")


def _packages() -> str | None:
    """The folder where DuckDB is installed: the harness sees no installed packages, and a bare
    interpreter none at all."""
    spec = find_spec("duckdb")
    return str(Path(spec.origin).parents[1]) if spec and spec.origin else None
