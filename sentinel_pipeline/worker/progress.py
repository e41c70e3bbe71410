"""Progress of a job: a row of ``progress.jsonl`` for whoever tails it, and now and then a line for
people.

A row is ``{"time", "step", "total", "loss", "tokens_per_s", "eta_s", "tokens", "memory_mib"}`` and
what else a job tells; the file belongs to the logs: its numbers differ between equal runs. Rates,
tokens and memory (the most so far) are those of this process, not of an earlier one that it
resumes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ..records.printable import visible
from ..store import read_jsonl, write_jsonl

LINE_EVERY_S = 2.0
ROW_EVERY_S = 0.5
SETTLED_S = 120.0
"""Before this a job's rate says nothing of its whole."""
ADVICE = "advice.jsonl"
"""Beside the progress: what a job advised, a symptom a row."""

Say = Callable[[str], None]


class Progress:
    """Counts one job's steps and tokens; ``say`` gets at most one line every ``LINE_EVERY_S``
    seconds, no path no row."""

    def __init__(
        self, path: Path | None, label: str, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._label = label
        self._say = say
        self._clock = clock
        self._started = clock()
        self._first_step: int | None = None
        self._advised: set[str] = set()
        self._tokens = 0
        self._last_row = self._last_line = float("-inf")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def update(
        self, step: int, total: int, *, loss: float | None = None, tokens: int = 0, **numbers: float
    ) -> None:
        """``step`` of ``total`` is done; ``tokens`` more were worked on since the last call;
        ``numbers`` are told as they are."""
        if self._first_step is None:
            self._first_step = step - 1
        self._tokens += tokens
        now = self._clock()
        last = step >= total
        if self._path is not None and (last or now - self._last_row >= ROW_EVERY_S):
            self._last_row = now
            self._write(now, step, total, loss, numbers)
        if last or now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._say(self._line(now, step, total, loss, numbers))

    def note(self, text: str) -> None:
        """Report something other than a step: a window's result, a checkpoint, a resume."""
        self._say(f"{self._label}: {text}")

    def advise(self, symptom: str, text: str) -> None:
        """Say once what to try against a symptom, and keep it beside the progress for the run's
        end."""
        if symptom in self._advised:
            return
        self._advised.add(symptom)
        self.note(text)
        if self._path is not None:
            path = self._path.with_name(ADVICE)
            rows = [row for row in read_advice(path) if row["symptom"] != symptom]
            write_jsonl(path, [*rows, {"symptom": symptom, "text": text}])

    def expected_hours(self, step: int, total: int) -> float:
        """What all of it is expected to take, as it went so far; 0 as long as that says little."""
        elapsed = self._clock() - self._started
        done = step - (self._first_step or 0)
        if elapsed < SETTLED_S or done <= 0:
            return 0.0
        return elapsed / done * (total - (self._first_step or 0)) / 3600

    def _rates(self, now: float, step: int, total: int) -> tuple[float, float]:
        elapsed = max(now - self._started, 1e-6)
        done = max(step - (self._first_step or 0), 1)
        return self._tokens / elapsed, elapsed / done * max(total - step, 0)

    def _write(
        self, now: float, step: int, total: int, loss: float | None, numbers: dict[str, float]
    ) -> None:
        rate, eta = self._rates(now, step, total)
        row = {
            "time": round(time.time(), 3),
            "step": step,
            "total": total,
            "loss": None if loss is None else round(loss, 6),
            "tokens_per_s": round(rate, 1),
            "eta_s": round(eta, 1),
            "tokens": self._tokens,
            "memory_mib": peak_memory_mib(),
            **numbers,
        }
        assert self._path is not None
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def _line(
        self, now: float, step: int, total: int, loss: float | None, numbers: dict[str, float]
    ) -> str:
        rate, eta = self._rates(now, step, total)
        parts = [f"{self._label}: {step}/{total}"]
        parts += [f"loss {loss:.3f}"] if loss is not None else []
        parts += [f"{name} {value:.2f}" for name, value in numbers.items()]
        return " · ".join([*parts, f"{rate:,.0f} tokens/s", f"{eta:.0f} s left"])


def read_advice(path: Path) -> list[dict[str, str]]:
    """The rows of an ``ADVICE`` file; none where there is none."""
    return [dict(row) for row in read_jsonl(path)] if path.is_file() else []


def peak_memory_mib() -> int:
    """The most memory that this process has used: of the device where torch has one, else of the
    host."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated()) >> 20
    return peak_host_mib()


def peak_host_mib() -> int:
    """The most of the host's memory that this process has used."""
    unit = 1024 if sys.platform == "linux" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def terminal_say(stream: TextIO = sys.stderr) -> Say:
    """One line that is rewritten in place on a terminal, plain lines elsewhere."""
    if not stream.isatty():
        return lambda text: print(visible(text), file=stream, flush=True)

    def rewrite(text: str) -> None:
        stream.write(f"\r\x1b[2K{visible(text)}")
        stream.flush()

    return rewrite


def last_row(path: Path) -> dict[str, Any] | None:
    """The newest row of a progress file, None where there is none yet; a torn line is passed
    over."""
    if not path.is_file():
        return None
    tail = path.read_bytes()[-2000:].decode("utf-8", "replace").splitlines()
    for line in reversed(tail):
        try:
            row: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        return row
    return None
