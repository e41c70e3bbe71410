"""Recipe sections about the model. What this module does not do: load one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """The small model that a recipe without weights pretrains on the spot."""

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    intermediate: int = 384
    experts: int = 0
    """Experts of each feed-forward layer, beside a shared one (the Qwen2-MoE architecture); 0: a dense Llama."""
    experts_per_token: int = 2
    vocabulary: int = 1536
    context: int = 512
    """Positions that the model can attend to, in tokens."""
    pretrain_steps: int = 100
    pretrain_batch: int = 8
    """Blocks of ``pretrain_length`` tokens a step."""
    pretrain_length: int = 256
    optimizer: Literal["adamw", "muon"] = "muon"
    pretrain_learning_rate: float = 1e-3
    warmup_steps: int = 20
    raw_material_share: float = 0.8
    """Share of pretraining tokens from the families' raw material; the rest is the standard library's source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCandidate:
    """A model that training might start from."""

    name: str
    source: str
    """A local folder, or a hub model's name."""
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    source: str = "embedded"
    """``embedded``, a local folder, a hub model's name, or ``probed``: whichever of ``candidates`` does better in a short probe."""
    revision: str | None = None
    embedded: EmbeddedModel = field(default_factory=EmbeddedModel)
    candidates: tuple[StartCandidate, ...] = ()
    """Two starting points or more, the preferred one first (seed 000's pretrain anchor and best checkpoint)."""
    probe: tuple[str, ...] = ("format_probe",)
    """Generated suites that the candidates answer; a later candidate is chosen only where it passes significantly more items."""
