"""Running a whole program over its own standard input and output, as a forked, sealed process that
dies afterwards.

What it prints goes to a memory file that the harness made and reads; why it failed goes out as
``sample`` tells it. What this module does not do: know what the output should be.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NoReturn

from .sample import Sample


def run_program(code: bytes, out: int, output_bytes: int) -> NoReturn:
    """Execute ``code`` as ``__main__`` on descriptors 0 and 1, then tell how it ended and die."""
    streams = {"stdin": 0, "stdout": 1}
    for name, number in streams.items():
        mode = "r" if number == 0 else "w"
        stream = open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sample = Sample(out, output_bytes)
    sample.module.__name__ = "__main__"
    sys.modules["__main__"] = sample.module
    compiled = sample.compile(code)
    answer: dict[str, Any] = {"v": None}
    try:
        exec(compiled, sample.module.__dict__)
        if (threading := sys.modules.get("threading")) is not None:
            threading._shutdown()  # noqa: SLF001 -- what the interpreter calls at its end; no public name
    except SystemExit as error:
        if error.code not in (None, 0):
            answer = sample.failure(error)
    except BaseException as error:
        answer = sample.failure(error)
    outputs: tuple[Any, ...] = (sys.stdout, sys.__stdout__)
    for output in outputs:
        with contextlib.suppress(BaseException):
            output.flush()
    sample.send(answer)
    os._exit(0)
