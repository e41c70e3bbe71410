"""The harness's end of a zygote: start it, hand it jobs, read how each sample ended.

What this module does not do: interpret answers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ...errors import Infrastructure
from ..guest.wire import AWAIT, BATCH, ENDED, JOB, KILL, LIVE, PROGRAM, REPORT, SHARED, SHELL, End
from ..launching import Launch, launch
from ..outcomes import Limits
from ..stderr_tail import stderr_tail

_START_SECONDS = 120.0
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "1",
    "LD_BIND_NOW": "1",
}
"""A fixed hash seed, so that the order of sets is the same on every worker; one malloc arena, so
that threads do not each reserve 64 MiB of the address space that a program may have."""
_ANSWER_BYTES = 256 << 20


class Lost(Infrastructure):
    """The zygote ended or went silent: start another, try again once."""


def frame(data: bytes) -> bytes:
    """Length-prefixed."""
    return len(data).to_bytes(4, "little") + data


class Zygote:
    """A process that forks samples of one kind, with a fixed list of layers and size of the working
    folder. ``tool``: what the kind loads before it is confined."""

    def __init__(
        self,
        kind: str,
        layers: Iterable[str],
        disk_mib: int,
        tool: str | None = None,
        start: Launch = launch,
    ) -> None:
        self.kind = kind
        self.disk_mib = disk_mib
        self.channel, theirs = socket.socketpair()
        config = {
            "kind": kind,
            "layers": sorted(layers),
            "disk_mib": disk_mib,
            "tool": tool,
        }
        with theirs:
            self.process = start("zygote", config, _ENVIRONMENT, theirs)
        self.channel.settimeout(_START_SECONDS)
        self._ready = False

    def close(self) -> None:
        """Kill it and all that it started."""
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        if self.process.stderr:
            self.process.stderr.close()
        self.process.wait()

    def run(
        self, kind: int, code: bytes, requests: int, rest: bytes, limits: Limits
    ) -> tuple[End, bytes, bool]:
        """Run one job to its end: how it ended, the raw answers, and whether this zygote should be
        replaced."""
        self._start(kind, code, requests, rest, limits)
        return self.report()

    def run_program(
        self, code: bytes, stdin: int, stdout: int, limits: Limits
    ) -> tuple[End, bytes, bool]:
        """Run a program on two descriptors of ours to its end; the raw answer says only why it
        failed."""
        self._start(PROGRAM, code, 0, b"", limits, stdin, stdout)
        return self.report()

    def start_live(self, code: bytes, limits: Limits) -> socket.socket:
        """Start a sample that answers over the returned socket until ``finish_live``."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._start(LIVE, code, 0, b"", limits, theirs.fileno())
        ours.settimeout(limits.wall_seconds + _START_SECONDS)
        return ours

    def finish_live(self, conversation: socket.socket, gone: bool) -> tuple[End, bytes, bool]:
        """End the live sample and read its report.

        ``gone``: the sample ended the conversation, so how its process ends is the verdict. Nobody
        kills it, or the verdict would tell who was faster; its limits hold on.
        """
        conversation.close()
        try:
            self.channel.sendall(AWAIT if gone else KILL)
        except OSError as error:
            raise Lost(f"the zygote's channel broke: {error}") from None
        return self.report()

    def _start(
        self, kind: int, code: bytes, requests: int, rest: bytes, limits: Limits, *descriptors: int
    ) -> None:
        if not self._ready:
            if self._receive(1) != b"R":
                raise Lost(f"the {self.kind} zygote did not start: {stderr_tail(self.process)}")
            self._ready = True
        header = JOB.pack(
            len(code) + len(rest), kind, len(code), requests, limits.cpu_seconds, limits.wall_seconds,
            limits.memory_mib, limits.output_kib,
        )  # fmt: skip
        self.channel.settimeout(limits.wall_seconds + _START_SECONDS)
        try:
            message = header + code + rest
            if descriptors:
                sent = socket.send_fds(self.channel, [message], descriptors)
            else:
                sent = self.channel.send(message)
            if sent < len(message):
                self.channel.sendall(message[sent:])
        except OSError as error:
            raise Lost(f"the zygote's channel broke: {error}") from None

    def report(self) -> tuple[End, bytes, bool]:
        """The end of the current sample."""
        *end, odd, size = REPORT.unpack(self._receive(REPORT.size))
        if size > _ANSWER_BYTES:
            raise Lost("the zygote's report has an impossible size")
        return End(*end), self._receive(size), bool(odd)

    def _receive(self, size: int) -> bytes:
        parts = []
        left = size
        try:
            while left:
                part = self.channel.recv(min(left, 1 << 20))
                if not part:
                    raise Lost(f"the {self.kind} zygote ended: {stderr_tail(self.process)}")
                parts.append(part)
                left -= len(part)
        except OSError as error:
            raise Lost(f"the {self.kind} zygote does not answer: {error}") from None
        return b"".join(parts)


__all__ = ["BATCH", "ENDED", "LIVE", "PROGRAM", "SHARED", "SHELL", "End", "Lost", "Zygote", "frame"]
