"""Scored samples in and out of a report artefact: ``SUITE/samples.parquet``; timings apart, in ``logs/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..records import SampleScore
from ..store import Artefact, Draft, read_parquet

_TIMING = "seconds"


def write_samples(out: Draft, suite: str, samples: Sequence[SampleScore]) -> None:
    """Write one suite's samples; ``seconds`` goes to ``logs/SUITE.timing.jsonl``, since it differs between equal runs."""
    out.table(f"{suite}/samples.parquet", (_row(sample) for sample in samples), "samples")
    out.jsonl(f"logs/{suite}.timing.jsonl", ({"task_id": s.task_id, _TIMING: s.seconds} for s in samples))


def read_samples(report: Artefact, suite: str) -> list[SampleScore]:
    """Read what ``write_samples`` wrote, without the timings."""
    rows = read_parquet(report.path(f"{suite}/samples.parquet"))
    return [SampleScore(**row, seconds=0.0) for row in rows]


def _row(sample: SampleScore) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in SampleScore.__slots__ if name != _TIMING}
