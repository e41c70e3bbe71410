"""What judging one training step's completions may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import Count, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSpec:
    cpu_seconds: Positive = 1.0
    """CPU time of one program or query: less than a benchmark's, so that a batch of endless loops
    does not stop the step."""
    wall_seconds: Positive = 5.0
    memory_mib: Count = 512
    step_seconds: Positive = 60.0
    """What is not judged by then has no reward, and is counted."""
    engine: Literal["local", "ray"] = "local"
    """Where completions run, as ``[critic] engine``: this machine, or the Ray cluster that
    ``RAY_ADDRESS`` names."""
    workers: Count | None = None
    """Grader workers of this machine; every available core when absent."""
    require_isolation: Literal["none", "rlimits", "seccomp", "namespaces", "full"] = "seccomp"
