"""Recipe section about where SFT and DPO train: this process, several of them, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import Count
from .decode import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What starts the worker of a fine-tuning. GRPO, pretraining and answering stay in one process
    of this machine."""

    engine: Literal["local", "accelerate", "ray"] = "local"
    """``ray``: a task of the cluster that ``RAY_ADDRESS`` names, on a file system that its nodes
    share with this machine."""
    processes: Count = 1
    """Processes, one a device; a step's rows are divided among them, so it must divide the
    batch."""
    config: str | None = None
    """``fsdp2``, ``deepspeed-zero2`` or ``deepspeed-zero3``, which are shipped; or a file of
    ``accelerate config``, relative to the project's root, whose machines are used too. Absent:
    plain data parallel."""

    def check(self) -> None:
        if self.engine == "local" and (self.processes > 1 or self.config):
            fix = 'Set launch.engine = "accelerate" (or "ray").'
            raise Fault("is local, which is one process of this machine", "engine", fix)
