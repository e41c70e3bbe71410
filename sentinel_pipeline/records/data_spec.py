"""Recipe sections about data: tasks, sources of candidates, the critic, the mix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .task import CATEGORIES

SHARES = dict(zip(CATEGORIES, (0.45, 0.20, 0.15, 0.10, 0.10)))
"""Seed 000's data mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksSpec:
    """How many generated tasks of each family, by family name."""

    train: dict[str, int] = field(default_factory=dict)
    heldout: dict[str, int] = field(default_factory=dict)
    window: dict[str, int] = field(default_factory=dict)
    """For the windows of training; of compositions that neither train nor judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    name: str
    """Dataset name on the hub, or a local folder of the same layout."""
    split: str = "train"
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesSpec:
    corrupted_share: float = 0.1
    """Corrupted variants for each reference, on average."""
    files: tuple[str, ...] = ()
    """Files or folders, relative to the project's root."""
    hub: tuple[HubSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSpec:
    cpu_seconds: float = 5.0
    memory_mib: int = 512
    engine: Literal["local", "ray"] = "local"
    """Where candidates run: this machine, or the Ray cluster that ``RAY_ADDRESS`` names. The verdicts are the same."""
    workers: int | None = None
    """Grader workers of this machine; every available core when absent. On Ray the cluster's processors say."""
    require_isolation: Literal["none", "rlimits", "seccomp", "namespaces", "full"] = "seccomp"
    """On a machine that isolates less, no candidate runs and the stage is refused (``sentinel doctor`` names the level)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSpec:
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))
    size: int | None = None
    """Rows wanted; the most that the shares allow when absent."""
    repair_share: float = 0.05
    """Largest share of repair traces within a category."""
