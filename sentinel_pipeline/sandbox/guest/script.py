"""The candidate's side of JavaScript programs: a QuickJS context, made before the fork, that loads
one program and answers.

Like ``sample`` it knows calls and arguments, never a test. ``values.js`` and ``script.js`` keep
hold of what they use before the program runs, but nothing depends on it: whatever a program does
here, it can only choose its answers.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import time
from functools import lru_cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from .sample import read_frame, write_all
from .wire import FRAME

_FOLDER = Path(__file__).parent
_PYTHON_BYTES = 96 << 20
"""Address space of the interpreter itself; the rest of a program's memory is the JavaScript
engine's."""
_STACK_BYTES = 4 << 20
OWN_LINES = 1_000_000
"""Code of ours stands below this line of the one file that the engine names, and no program is as
long."""
_COMPILING = re.compile(r"\n    at <input>:(\d+)\n\Z")
_DEFINED = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?:async[ \t]+)?(?:function\*?|class|const|let|var)[ \t]+([\w$]+)",
    re.MULTILINE,
)


def extension(path: str) -> ModuleType:
    """The QuickJS extension module at ``path``, without a look at any folder of packages.

    Raises:
        ImportError: it is not there, or not for this interpreter.
    """
    spec = spec_from_file_location("_quickjs", path, loader=ExtensionFileLoader("_quickjs", path))
    if spec is None or spec.loader is None:
        raise ImportError(f"no extension module at {path}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=8)
def source(name: str) -> str:
    """The JavaScript of a file in this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


class Engine:
    """One context with its ways in and out."""

    def __init__(self, quickjs: ModuleType) -> None:
        self.quickjs, self.context = quickjs, quickjs.Context()
        self.context.set_max_stack_size(_STACK_BYTES)
        self.channel = -1
        self.left = 0
        self.memory = 0
        self.context.add_callable("__callOut", self._call_out)
        above = "\n" * OWN_LINES
        self.context.eval(above + source("newer.js"))
        self.serve = self.context.eval(
            f"{above}({source('script.js')})({source('values.js')}, globalThis.__callOut)"
        )
        self.context.eval(above + source("node.js"))

    def _call_out(self, text: str) -> str:
        """A function of the tests is called: ask the harness, and do what that function asks of the
        program meanwhile. Never raises: the engine could not carry it."""
        try:
            self.send(text)
            while (reply := read_frame(self.channel).decode("ascii")).startswith('{"do"'):
                self.answer(reply, [])
            return reply
        except BaseException:
            os._exit(78)

    def send(self, text: str) -> None:
        """Write one answer; ends the process where it would be longer than what is left of the
        output limit."""
        data = (text if text.isascii() else json.dumps(json.loads(text))).encode("ascii")
        if len(data) + FRAME.size > self.left:
            data = b'{"x":"output_limit"}'
            write_all(self.channel, FRAME.pack(len(data)) + data)
            os._exit(0)
        self.left -= len(data) + FRAME.size
        write_all(self.channel, FRAME.pack(len(data)) + data)

    def load(self, code: str) -> None:
        """Run the program; ends the process after telling why it cannot."""
        try:
            self.context.eval(f"{code}\n;void 0;")
        except Exception as error:
            self.send(json.dumps(self._failure(str(error))))
            os._exit(0)
        self._run_jobs()
        self.send('{"v":null}')

    def answer(self, request: str, defined: list[str]) -> None:
        """Carry out one request and send its answer."""
        try:
            text = self.serve(request, max(0, self.left - 64))
        except Exception as error:
            text = json.dumps(self._failure(str(error)))
        if text.startswith('{"t":null'):
            text = json.dumps(self._failure("null"))
        if text.startswith('{"x":"missing"'):
            text = json.dumps(json.loads(text) | {"d": defined})
        self._run_jobs()
        self.send(text)

    def _failure(self, text: str) -> dict[str, Any]:
        """An exception that the engine gives as text alone: name, message and stack in one. Where
        there is no memory left for an error, it throws ``null``."""
        compiling = _COMPILING.search(text)
        head, _, stack = text.partition("\n    at ")
        name, _, message = head.rstrip("\n").partition(": ")
        if compiling and name == "SyntaxError" and text.count("\n    at ") == 1:
            return {"x": "syntax_error", "m": f"line {compiling[1]}: {message[:200]} (for QuickJS)"}
        if name == "null" and not message:
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > self.memory // 2:
                return {"e": [], "n": "InternalError", "m": "out of memory", "k": None}
            return {"t": None}
        if text.endswith("\nundefined"):
            message = f"thrown: {text[:300].partition(chr(10))[0]}"
            return {"e": [], "n": "Error", "m": message, "k": None}
        if not re.fullmatch(r"[A-Za-z_$][\w$]{0,60}", name):
            name = "Error"
            message = head
        return {"e": [name], "n": name, "m": message[:300], "k": f"at {stack[:300]}"}

    def _run_jobs(self) -> None:
        """What promises still have to do; an error there is nobody's."""
        while True:
            try:
                if not self.context.execute_pending_job():
                    return
            except Exception:
                continue


_ENGINE: list[Engine] = []


def prepare(path: str) -> None:
    """Make the context that every sample begins with, and use one like it, so that no sample has to
    be the first.

    Raises:
        ImportError: the engine's extension module cannot be loaded.
    """
    os.environ["TZ"] = "UTC"
    time.tzset()
    quickjs = extension(path)
    trial = Engine(quickjs)
    trial.left, trial.channel = 1 << 20, os.open(os.devnull, os.O_WRONLY)
    trial.load("function f(a, b) { return [...a, { b, c: new Map([[1, 2n]]) }].map((x) => x); }")
    for _ in range(30):
        trial.answer('{"do":"call","on":"f","args":"[[3,4,5],{\\"o\\":[[\\"a\\",\\"x\\"]]}]"}', [])
    os.close(trial.channel)
    del trial
    gc.collect()
    _ENGINE.append(Engine(quickjs))


def run_live(code: bytes, channel: int, output_bytes: int) -> NoReturn:
    """Run the program, then answer requests as they come until the harness hangs up."""
    engine = _ENGINE[0]
    engine.channel = channel
    engine.left = output_bytes
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    if memory != resource.RLIM_INFINITY:
        engine.memory = max(memory - _PYTHON_BYTES, memory // 4)
        engine.context.set_memory_limit(engine.memory)
    text = code.decode("utf-8")
    engine.load(text)
    defined = list(dict.fromkeys(_DEFINED.findall(text)))[:10]
    while True:
        engine.answer(read_frame(channel).decode("ascii"), defined)


__all__ = ["OWN_LINES", "extension", "prepare", "run_live", "source"]
