"""How a completion is drawn from a model. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Greedy at temperature 0; else sampling, seeded per item, so that batching does not change an item's draw."""

    max_new_tokens: int = 128
    batch_size: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 17
    prompt_format: Literal["chat", "cue", "raw"] = "chat"
