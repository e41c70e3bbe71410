"""The harness's main loop: programs in over a socket, results out, one at a time, with zygotes of
its own.

What this module does not do: decide order or parallelism; the grader starts one harness per worker.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import time
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, get_args

from ...errors import Infrastructure
from ...records.verifiers import KINDS, Executable, Verifier
from ..guest import confine
from ..guest.speed import at_start
from ..outcomes import Limits, Outcome, one_line
from .finding import Finding
from .python_tests import Judgement, place_of
from .starter import Starter
from .tools import Tools
from .zygotes import ENDED, Lost, Zygote

_OUTCOMES = {
    "passed": Outcome.PASS,
    "timeout": Outcome.TIMEOUT,
    "infra": Outcome.INFRA,
    "test_error": Outcome.INFRA,
}
_JUDGES: dict[type[Any], Any] = {
    verifier: import_module(f".{verifier.kind}", __package__) for verifier in get_args(Executable)
}
"""Class of a verifier -> the module of its kind. It has ``judge``, and ``GUEST``: the kind of
zygote that its programs run in; it may have ``NEEDS``: the layers of isolation without which
nothing of this kind is run."""
_MEMORY_BYTES = 640 << 20
_SPARE_CPU_SECONDS = 10
_SPARE_SHARE = 8
"""CPU time of this process over one program, by the kernel: seconds, and more for each second of
the program's limit. A backstop for all that ``clock`` does not bound."""


@lru_cache(maxsize=512)
def _verifier(text: str) -> Verifier:
    """What the grader wrote of a verifier that was read and checked outside; this process has no
    package to check it with."""
    data = json.loads(text)
    verifier: Verifier = KINDS[data.pop("kind")](
        **{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    )
    return verifier


class Judge:
    """One worker: its layers, its warm zygotes."""

    def __init__(self, layers: list[str], limits: Limits, tools: Tools) -> None:
        self.layers = layers
        self.tools = tools
        self.zygotes = {"python": self._start("python", limits)}

    def grade(self, program: dict[str, Any]) -> dict[str, Any]:
        """A program as the grader sends it -> a result row. A lost zygote is replaced and the
        program tried once more."""
        verifier = _verifier(program["verifier"])
        limits = Limits(**program["limits"])
        started = time.monotonic()
        try:
            judgement = self._judge(program["code"], verifier, limits)
        except Lost:
            try:
                judgement = self._judge(program["code"], verifier, limits)
            except Exception as error:
                self.drop_all()
                judgement = Judgement(Finding("infra", str(error)), None, True)
        except Infrastructure as error:
            judgement = Judgement(Finding("infra", str(error)), None, False)
        except Exception as error:
            # A fault of ours, in the middle of who knows what: the next program gets fresh
            # processes.
            self.drop_all()
            # Not what it says: that may be the program's text, and pages and digests show this.
            detail = f"a fault of the harness: {type(error).__name__}{place_of(error)}"
            judgement = Judgement(Finding("infra", detail), None, False)
        finding = judgement.finding
        end = judgement.end
        return {
            "outcome": _OUTCOMES.get(finding.code, Outcome.FAIL).value,
            "code": finding.code,
            "detail": one_line(finding.detail),
            "trust": judgement.trust,
            "cpu_seconds": end.cpu_seconds if end else 0.0,
            "wall_seconds": time.monotonic() - started,
            "near": finding.code == "timeout"
            and end is not None
            and end.why == ENDED
            and end.cpu_seconds > limits.cpu_seconds,
        }

    def _judge(self, code: str, verifier: Any, limits: Limits) -> Judgement:
        module = _JUDGES.get(type(verifier))
        if module is None:
            problem = f"no grader for {type(verifier).__name__}"
            return Judgement(Finding("infra", problem), None, False)
        needs = getattr(module, "NEEDS", ())
        missing = [layer for layer in needs if layer not in self.layers]
        if missing:
            problem = f"{module.GUEST} programs need {', '.join(missing)} on this machine"
            return Judgement(Finding("infra", problem), None, False)
        kind = module.GUEST
        self.tools.demand(kind)
        zygote = self.zygotes.get(kind)
        if zygote and zygote.disk_mib != limits.disk_mib:
            zygote.close()
            zygote = None
        zygote = zygote or self._start(kind, limits)
        self.zygotes[kind] = zygote
        try:
            judgement: Judgement = module.judge(code, verifier, limits, zygote, self.tools)
        except Lost:
            self._drop(kind)
            raise
        if judgement.recycle:
            self._drop(kind)
            self.zygotes[kind] = self._start(kind, limits)
        return judgement

    def _start(self, kind: str, limits: Limits) -> Zygote:
        return Zygote(kind, self.layers, limits.disk_mib, self.tools.of(kind), self.tools.start)

    def drop_all(self) -> None:
        for kind in list(self.zygotes):
            self._drop(kind)

    def _drop(self, kind: str) -> None:
        self.zygotes.pop(kind).close()


def _end_with_grader(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(0)


def read_message(stream: Any) -> Any:
    """One length-prefixed JSON message; None at the end of the stream."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    return json.loads(stream.read(int.from_bytes(header, "little")))


def main() -> NoReturn:
    """Serve the grader on the descriptors in ``argv``: the conversation and the lifeline."""
    conversation = int(sys.argv[1])
    lifeline = int(sys.argv[2])
    starter = Starter(conversation, lifeline)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, resource.RLIM_INFINITY))
    channel = socket.socket(fileno=conversation)
    stream = channel.makefile("rb")
    hello = read_message(stream)
    at_start()
    judge = Judge(
        hello["layers"], Limits(**hello["limits"]), Tools(**hello["tools"], start=starter)
    )
    own = str(Path(__file__).resolve().parents[2])
    engine = judge.tools.engine
    confine.confine_judge(set(hello["layers"]), own, [engine] if engine else [])
    # Threads from here on: a filter holds for the thread that installs it and what it starts.
    threading.Thread(target=_end_with_grader, args=(lifeline,), daemon=True).start()
    while (program := read_message(stream)) is not None:
        # Give the next program's tests a share of CPU time that the kernel enforces.
        seconds = _SPARE_CPU_SECONDS + _SPARE_SHARE * program["limits"]["cpu_seconds"]
        allowed = int(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        data = json.dumps(judge.grade(program)).encode("ascii")
        channel.sendall(len(data).to_bytes(4, "little") + data)
    os._exit(0)
