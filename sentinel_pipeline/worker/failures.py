"""Why a worker gave up: ``failure.json`` beside its job, with the exit code of ``errors`` and the
words for people.

What this module does not do: run or resume a job.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from ..errors import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_GATE,
    EXIT_INFRASTRUCTURE,
    BadInput,
    GateRefused,
    Infrastructure,
    SentinelError,
)
from ..secrets import mask_error
from ..store import write_json

_NO_SPACE = 1 << 20
"""Bytes free, below which a worker that said nothing is taken to have found no room to say it."""


class Failure(NamedTuple):
    """Why a worker gave up: the exit code of ``errors`` and the message for people."""

    exit_code: int
    message: str


def failure_path(job_file: Path) -> Path:
    return job_file.parent / "failure.json"


def write_failure(job_file: Path, failure: Failure) -> None:
    write_json(failure_path(job_file), mask_error(failure._asdict()))


def read_failure(job_file: Path) -> Failure | None:
    """What the last run of a job said when it gave up; None when it said nothing (it was killed, or
    it is done)."""
    try:
        data = json.loads(failure_path(job_file).read_text(encoding="utf-8"))
        code = data["exit_code"]
        message = str(data["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    codes = (EXIT_FAILED, EXIT_BAD_INPUT, EXIT_GATE, EXIT_INFRASTRUCTURE)
    return Failure(code if code in codes else EXIT_FAILED, message)


def worker_error(job_file: Path) -> SentinelError:
    """The error that a failed worker told of; infrastructure's where it told nothing."""
    failure = read_failure(job_file)
    if failure is None:
        free = shutil.disk_usage(job_file.parent).free
        why = "killed, out of memory, or the disk was full"
        if free < _NO_SPACE:
            why = f"No space left on device: {free >> 10} KiB free"
        return Infrastructure(
            f"the worker exited without an error message ({why}): run again to resume."
        )
    kinds: dict[int, type[SentinelError]] = {EXIT_BAD_INPUT: BadInput, EXIT_GATE: GateRefused}
    return kinds.get(failure.exit_code, Infrastructure)(failure.message)
