"""Recipe section ``[gap_proof]``: the evidence, before any training, that there is something to
learn (stage 1 findings)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .bounds import Count, CountOrZero, InnerShare, Positive, Seed
from .decode import Fault
from .model_spec import ModelSpec
from .training_spec import SftSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerModel:
    """A model that the base model is held against."""

    model: ModelSpec = field(default_factory=ModelSpec)
    """``embedded``: trained on the spot, once, then cached by what it is made of."""
    seed: Seed = 101
    """For an embedded one: another seed than the recipe's, else it would be the base model
    again."""
    train: dict[str, CountOrZero] = field(default_factory=dict)
    """For an embedded instruct model: generated training tasks of each family, other ones than the
    recipe's."""
    sft: SftSpec = field(default_factory=SftSpec)
    """For an embedded instruct model: its fine-tuning, without windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapProof:
    """Base and alternative base must fail in every prompt format, the instruct model must succeed,
    on the same items."""

    instruct: PeerModel
    alternative: PeerModel
    suite: str = "heldout"
    formats: tuple[Literal["raw", "cue", "chat"], ...] = ("raw", "cue", "chat")
    """Prompt formats in which the two base models are asked; the instruct model is judged in
    ``chat``."""
    max_base_rate: InnerShare = 0.30
    min_instruct_rate: InnerShare = 0.80
    p_below: InnerShare = 0.01
    """Exact McNemar of every base cell against the instruct model, after Holm over the cells."""
    min_h: Positive = 0.5
    """Cohen's h of every base cell against the instruct model."""
    decide_on: Literal["interval", "point"] = "interval"
    """Whether the 95 % interval of a rate must clear its bound, or the rate alone."""
    sign_off: bool = True
    """Training waits until a person has looked at sampled conversations and said that the gap is
    real."""
    conversations: Count = 12
    """How many conversations are sampled for that person."""

    def check(self) -> None:
        if "chat" not in self.formats or len(set(self.formats)) != len(self.formats):
            fix = "Name each format once, 'chat' among them."
            raise Fault(f"is {list(self.formats)}", "formats", fix)
        if self.instruct.model.source == "embedded" and not self.instruct.train:
            fix = "Say how many training tasks of each family, as in tasks.train."
            raise Fault("an embedded instruct model has no training tasks", "instruct.train", fix)
