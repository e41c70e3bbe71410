"""Recipe section about where SFT and DPO train: this process, several of them, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What starts the worker of a fine-tuning. GRPO, pretraining and answering stay in one process of this machine."""

    engine: Literal["local", "accelerate", "ray"] = "local"
    """``ray``: a task of the cluster that ``RAY_ADDRESS`` names, on a file system that its nodes share with this machine."""
    processes: int = 1
    """Processes, one a device; a step's rows are divided among them, so it must divide the batch."""
    config: str | None = None
    """A file of ``accelerate config``, relative to the project's root: FSDP or DeepSpeed by it; absent: plain data parallel."""
