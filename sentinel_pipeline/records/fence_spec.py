"""Recipe section about fences: which of those that a recipe may loosen block, and how far a mix may
be short.

A fence is a verdict about rows or a checkpoint, beside the gates, which are about answers. Overlap
with a benchmark, infrastructure outcomes and export parity block in every recipe. What this module
does not do: decide (``gates.fences``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import PartialShare

Severity = Literal["block", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceSpec:
    shares_are_met: Severity = "block"
    """``warn``: a mix that is short of a category is trained and released all the same; the card
    says so."""
    eval_reward: Severity = "block"
    """``warn``: a GRPO checkpoint is released whatever its mean reward on held-out prompts."""
    watch_rules: Severity = "block"
    """``warn``: a GRPO checkpoint is released whatever its watch rules found, or could not see."""
    max_shortfall: PartialShare = 0.01
    """Share of what was wanted that a category may lack: a quota in tokens cannot be met to the
    token."""
