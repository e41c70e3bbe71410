"""A checkpoint in a process of its own: the server that asks it stays small, and what the model
held, the device's memory too, is free once the process has ended.

``python -m sentinel_pipeline.chat.model_process FD FOLDER [--trust-remote-code]`` answers over the
socket FD, one turn after the other, and ends with the server. What this module does not do: decode
(``session``), or decide who may talk (``guard``).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..errors import Infrastructure, SentinelError
from ..records import Message
from .apart import error_to_json, raise_error
from .turn import Reply, Turn

POLL_S = 0.1
END_S = 10.0
"""How long a process may take to end by itself."""


class ModelProcess:
    """A loaded model; answers wait for each other, since one device decodes one stream at a
    time."""

    def __init__(self, folder: Path, *, trust_remote_code: bool = False) -> None:
        """
        Raises:
            BadInput: the folder holds no usable model.
            Infrastructure: the process ended before the model was loaded.
        """
        self.folder = folder
        self.turn = threading.Lock()
        self._retired = False
        ours, theirs = socket.socketpair()
        with theirs:
            options = ["--trust-remote-code"] if trust_remote_code else []
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), str(folder), *options],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stream(
        self, turn: Turn, cancelled: threading.Event, reply: Reply
    ) -> Generator[str, None, None]:
        """As ``Session.stream``.

        Raises:
            BadInput: as there.
            Infrastructure: decoding failed, or the process ended.
        """
        # Wait for the answers before this one, as long as somebody waits for this one.
        while not self.turn.acquire(timeout=POLL_S):
            if cancelled.is_set():
                reply.finish = "cancelled"
                return
        ended = False
        stopping = False
        try:
            self._send(asdict(turn) | {"messages": [each.to_dict() for each in turn.messages]})
            try:
                while True:
                    if cancelled.is_set() and not stopping:
                        stopping = True
                        self._send({"stop": True})
                    if not self._connection.poll(POLL_S):
                        continue
                    message = self._receive()
                    if "piece" in message:
                        yield message["piece"]
                    else:
                        ended = True
                        for name, value in message["reply"].items():
                            setattr(reply, name, value)
                        return
            except SentinelError:
                ended = True
                raise
            finally:
                if not ended:  # nobody reads any more
                    cancelled.set()
                    self._drain(stopping)
        finally:
            self.turn.release()
            if self._retired:
                self.retire()

    def _drain(self, stopping: bool) -> None:
        """Let the answer that is being decoded end, so that the next turn begins with its own."""
        try:
            if not stopping:
                self._send({"stop": True})
            while "piece" in self._receive():
                pass
        except SentinelError:
            return

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise self._gone() from error

    def _receive(self) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._gone() from error
        raise_error(message)
        return message

    def _gone(self) -> Infrastructure:
        self.close()
        code = self._process.returncode
        return Infrastructure(
            f"the model's process ended by itself (exit code {code}): it may have had too little "
            "memory. Ask again."
        )

    def retire(self) -> None:
        """End the process: now where it is idle, else once the answer that it writes has ended."""
        self._retired = True
        if self.turn.acquire(blocking=False):
            try:
                self.close()
            finally:
                self.turn.release()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Answering:
    """The process's own side: reads requests in one thread and decodes in another, so that a stop
    is heard while a model writes."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        from .session import Session

        self._connection = connection
        self._session = Session(folder)
        self._cancelled = threading.Event()

    def run(self) -> None:
        self.send({"ready": True})
        while True:
            request = json.loads(self._connection.recv_bytes())
            if "stop" in request:
                self._cancelled.set()
                continue
            messages = tuple(Message(**each) for each in request["messages"])
            self._cancelled = threading.Event()
            work = (Turn(**request | {"messages": messages}), self._cancelled)
            threading.Thread(target=self._answer, args=work, daemon=True).start()

    def _answer(self, turn: Turn, cancelled: threading.Event) -> None:
        reply = Reply()
        try:
            for piece in self._session.stream(turn, cancelled, reply):
                self.send({"piece": piece})
            self.send({"reply": asdict(reply)})
        except OSError:
            os._exit(0)  # the server is gone
        except Exception as error:
            self.send(error_to_json(error, "the answer broke off"))

    def send(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message).encode())


def main(argv: Sequence[str]) -> int:
    """Answer until the server closes its end."""
    # Ctrl-C of a terminal is the server's: it ends this process when nothing is written any more.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, folder, *options = argv
    connection = Connection(int(number))
    try:
        if options:
            from ..worker.remote_code import allow_remote_code

            allow_remote_code(lambda text: print(text, file=sys.stderr))
        answering = _Answering(connection, Path(folder))
    except Exception as error:
        reason = error_to_json(error, "the model could not be loaded")
        connection.send_bytes(json.dumps(reason).encode())
        return 0
    try:
        answering.run()
    except (EOFError, OSError):
        sys.stderr.flush()
        os._exit(0)  # a model may still write, for nobody
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
