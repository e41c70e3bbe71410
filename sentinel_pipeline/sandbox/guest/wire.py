"""What the harness and a zygote say to each other, as bytes: the header of a job, the report of its
end, frames.

Both sides import it, so neither has to import the other. What this module does not do: read, write
or run anything.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

FRAME = struct.Struct("<I")
"""The length of one answer or request, in front of it."""
JOB = struct.Struct("<IIIIddII")
"""The fields of ``Job``."""
REPORT = struct.Struct("<IiddII")
"""The fields of ``End``, whether to recycle this zygote, and the answer bytes that follow."""
BATCH, LIVE, SHARED, SHELL, PROGRAM = range(5)
"""Kinds of job."""
KILL, AWAIT = b"K", b"W"
"""The harness's last word on a live sample: kill it; or it is gone already, so tell how it ends."""
ENDED, OUT_OF_CPU, OUT_OF_WALL, STOPPED = range(4)
"""Why a sample ended."""


class Job(NamedTuple):
    """The header of a job, as ``JOB`` packs it."""

    payload_bytes: int
    kind: int
    code_bytes: int
    requests: int
    cpu_seconds: float
    wall_seconds: float
    memory_mib: int
    output_kib: int


class End(NamedTuple):
    """How a sample ended."""

    why: int
    status: int
    cpu_seconds: float
    """In seconds of the reference machine (``speed``)."""
    wall_seconds: float
