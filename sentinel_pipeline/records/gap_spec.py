"""Recipe section ``[gap_proof]``: the evidence, before any training, that there is something to learn (seed 003)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .model_spec import ModelSpec
from .training_spec import SftSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerModel:
    """A model that the base model is held against."""

    model: ModelSpec = field(default_factory=ModelSpec)
    """``embedded``: trained on the spot, once, then cached by what it is made of."""
    seed: int = 101
    """For an embedded one: another seed than the recipe's, else it would be the base model again."""
    train: dict[str, int] = field(default_factory=dict)
    """For an embedded instruct model: generated training tasks of each family, other ones than the recipe's."""
    sft: SftSpec = field(default_factory=SftSpec)
    """For an embedded instruct model: its fine-tuning, without windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapProof:
    """Base and alternative base must fail in every prompt format, the instruct model must succeed, on the same items."""

    instruct: PeerModel
    alternative: PeerModel
    suite: str = "heldout"
    formats: tuple[Literal["raw", "cue", "chat"], ...] = ("raw", "cue", "chat")
    """Prompt formats in which the two base models are asked; the instruct model is judged in ``chat``."""
    max_base_rate: float = 0.30
    min_instruct_rate: float = 0.80
    p_below: float = 0.01
    """Exact McNemar of every base cell against the instruct model, after Holm over the cells."""
    min_h: float = 0.5
    """Cohen's h of every base cell against the instruct model."""
    decide_on: Literal["interval", "point"] = "interval"
    """Whether the 95 % interval of a rate must clear its bound, or the rate alone."""
    sign_off: bool = True
    """Training waits until a person has looked at sampled conversations and said that the gap is real."""
    conversations: int = 12
    """How many conversations are sampled for that person."""
