"""How a completion is drawn from a model. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import Count, NotNegative, PositiveShare, Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Greedy at temperature 0; else sampling, seeded per item, so that batching does not change an
    item's draw."""

    max_new_tokens: Count = 128
    batch_size: Count = 64
    temperature: NotNegative = 0.0
    top_p: PositiveShare = 1.0
    seed: Seed = 17
    prompt_format: Literal["chat", "cue", "raw"] = "chat"
