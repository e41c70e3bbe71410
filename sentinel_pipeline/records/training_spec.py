"""Recipe sections about training and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Evaluation while training: every ``every`` steps the model answers ``items`` tasks of ``suite``."""

    every: int = 250
    suite: str = "window"
    """``window``: the task bank's own window tasks, which no gate judges by; or one of ``bench.suites``."""
    items: int = 50
    syntax_drops: int = 2
    """Stop when the syntax rate dropped in this many windows in a row."""
    no_gain_by: int = 750
    """Stop when Pass@1 has not improved by this step."""
    gain_alpha: float | None = None
    """Count only a rise that is significant against the first window, this error rate being spent over all looks; absent: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSpec:
    method: Literal["full", "lora"] = "full"
    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 32
    gradient_accumulation: int = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 2e-3
    schedule: Literal["linear", "cosine", "constant_with_warmup", "warmup_stable_decay"] = "cosine"
    decay_share: float = 0.6
    """Last share of the steps over which ``warmup_stable_decay`` falls linearly to zero."""
    warmup_steps: int = 40
    weight_decay: float = 0.01
    max_length: int = 512
    lora_r: int = 32
    lora_alpha: int = 32
    save_every: int = 100
    """Steps between full optimizer checkpoints."""
    windows: Windows = field(default_factory=Windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    hourly_rate: float = 0.0
    currency: str = "USD"
    max_hours: float | None = None
