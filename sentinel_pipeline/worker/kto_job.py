"""The job of KTO; see ``job_kinds`` for what a tuning's job leaves in its folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..records.kto_spec import KtoSpec
from .job_kinds import TuneJob


@dataclass(frozen=True, slots=True, kw_only=True)
class KtoJob(TuneJob):
    """Optimise ``model`` on the answers of ``rows``: JSONL of ``{"prompt": [turns], "completion":
    [turn], "label": BOOL}``."""

    kind: ClassVar[str] = "kto"
    spec: KtoSpec = field(default_factory=KtoSpec)
