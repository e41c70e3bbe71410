"""The process that starts a judge's zygotes and parsers, so that the judge itself can be confined
before any test runs: who may start processes and mount folders is not confined.

It is forked from the judge while that is young, knows no test, reads no answer, and ends with it.
What this module does not do: confine anything; a zygote and a parser do that to themselves, and
``confine.confine_judge`` to the judge.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import IO, Any, NoReturn

from ..guest import kernel
from ..launching import Process, launch

_MESSAGE_BYTES = 1 << 16
_MODES = ("wb", "rb", "rb")
"""Of standard input, output and error, as the judge uses them."""


class Child:
    """A process that the starter holds."""

    def __init__(self, starter: Starter, pid: int, streams: list[IO[bytes] | None]) -> None:
        self.starter = starter
        self.pid = pid
        self.stdin, self.stdout, self.stderr = streams
        self.status: int | None = None

    def poll(self) -> int | None:
        if self.status is None:
            self.status = self.starter.ask({"do": "poll", "pid": self.pid})[0]["status"]
        return self.status

    def wait(self) -> int:
        if self.status is None:
            self.status = self.starter.ask({"do": "wait", "pid": self.pid})[0]["status"]
        return int(self.status or 0)

    def kill(self) -> None:
        if self.status is None:
            self.starter.ask({"do": "kill", "pid": self.pid})


class Starter:
    """The judge's end. Where the starter is gone the judge ends as well: the grader replaces it and
    tries its program again. ``closed_there``: descriptors that the starter must not hold."""

    def __init__(self, *closed_there: int) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            try:
                kernel.die_with_parent()
                self.channel.close()
                for descriptor in closed_there:
                    os.close(descriptor)
                _serve(theirs)
            finally:
                os._exit(1)
        theirs.close()

    def __call__(
        self,
        module: str,
        config: dict[str, Any],
        environment: dict[str, str],
        channel: socket.socket | None = None,
    ) -> Child:
        """``Launch`` from the starter."""
        request = {"do": "start", "module": module, "config": config, "environment": environment}
        descriptors = [] if channel is None else [channel.fileno()]
        reply, numbers = self.ask(request, descriptors)
        streams: list[IO[bytes] | None] = [None, None, None]
        for place, number in zip(reply["streams"], numbers, strict=True):
            streams[place] = os.fdopen(number, _MODES[place])
        return Child(self, reply["pid"], streams)

    def ask(
        self, request: dict[str, Any], descriptors: list[int] | None = None
    ) -> tuple[dict[str, Any], list[int]]:
        """One request, and its reply with the descriptors that come along."""
        message = json.dumps(request).encode("ascii")
        data = b""
        numbers: list[int] = []
        with suppress(OSError):
            socket.send_fds(self.channel, [message], descriptors or [])
            data, numbers, _, _ = socket.recv_fds(self.channel, _MESSAGE_BYTES, len(_MODES))
        if not data:
            os._exit(70)
        reply: dict[str, Any] = json.loads(data)
        return reply, numbers


def _serve(channel: socket.socket) -> NoReturn:
    """Start, kill and reap until the judge is gone."""
    children: dict[int, Process] = {}
    while True:
        data, numbers, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 1)
        if not data:
            os._exit(0)
        request = json.loads(data)
        streams: list[tuple[int, IO[bytes]]] = []
        reply: dict[str, Any] = {}
        if request["do"] == "start":
            theirs = socket.socket(fileno=numbers[0]) if numbers else None
            child = launch(request["module"], request["config"], request["environment"], theirs)
            if theirs is not None:
                theirs.close()
            children[child.pid] = child
            for place, stream in enumerate((child.stdin, child.stdout, child.stderr)):
                if stream is not None:
                    streams.append((place, stream))
            reply = {"pid": child.pid, "streams": [place for place, _ in streams]}
        elif request["do"] == "kill":
            children[request["pid"]].kill()
        else:
            child = children[request["pid"]]
            reply["status"] = child.wait() if request["do"] == "wait" else child.poll()
            if reply["status"] is not None:
                children.pop(request["pid"])
        descriptors = [stream.fileno() for _, stream in streams]
        socket.send_fds(channel, [json.dumps(reply).encode("ascii")], descriptors)
        for _, stream in streams:
            stream.close()
