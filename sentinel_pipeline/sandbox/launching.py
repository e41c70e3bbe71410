"""Starting ``main`` of a module of ``guest`` in a bare interpreter.

What this module does not do: talk to it, or confine it; each does that to itself.
"""

from __future__ import annotations

import json
import socket
import subprocess
from typing import IO, Any, Protocol

from .isolation import guest_command


class Process(Protocol):
    """As much of ``subprocess.Popen`` as those who start a guest use."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Its status where it has ended."""

    def wait(self) -> int:
        """Its status, once it has ended."""

    def kill(self) -> None:
        """SIGKILL."""


class Launch(Protocol):
    """Starts ``main`` of a module with a configuration and an environment. With a channel,
    ``config["channel"]`` becomes its number and standard error is a pipe; without one, standard
    input and output are pipes."""

    def __call__(
        self,
        module: str,
        config: dict[str, Any],
        environment: dict[str, str],
        channel: socket.socket | None = None,
    ) -> Process:
        """Raises OSError: it cannot be started."""


def launch(
    module: str,
    config: dict[str, Any],
    environment: dict[str, str],
    channel: socket.socket | None = None,
) -> Process:
    """``Launch`` from this process."""
    if channel is None:
        return subprocess.Popen(
            guest_command(module, json.dumps(config)),
            env=environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return subprocess.Popen(
        guest_command(module, json.dumps(config | {"channel": channel.fileno()})),
        env=environment,
        cwd="/",
        pass_fds=(channel.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
