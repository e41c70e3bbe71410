"""What a recipe says of KTO: learning from single answers that are labelled desirable or
undesirable.

The loss of an answer is lambda * (1 - sigmoid(beta * s * (r - z))): r is its log-ratio against the
reference, z how far the model has moved from the reference on mismatched answers, s is 1 for a
desirable answer and -1 for an undesirable one, lambda the weight of its class (Ethayarajh et al.,
2024, arXiv:2402.01306). What this module does not do: gather answers, or train.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from msgspec import Meta

from .bounds import LARGEST, Count, CountOrZero, Positive
from .decode import Fault
from .training_spec import TuneSpec

LEAST_RATIO = 1.0
MOST_RATIO = 4 / 3
"""Where desirable weight times desirable answers over undesirable weight times undesirable answers
should lie: [1, 4/3] in the paper's first edition (equation 8) and in TRL, [1, 3/2] in its current
one (section 4.2); the narrower range satisfies both."""
SMALLEST_BATCH = 2
"""Answers of a micro-batch, at least: z is estimated on each prompt with another one's answer."""
_ONE_ANSWER = "Take more answers a step: the reference point is estimated within a batch."


class LossWeights(NamedTuple):
    """What the loss of an answer is multiplied with, by its label."""

    desirable: float
    undesirable: float

    def ratio(self, desirable: int, undesirable: int) -> float:
        """How much the desirable answers weigh, all together, for each unit of the undesirable
        ones."""
        return self.desirable * desirable / (self.undesirable * undesirable)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedSpec:
    """Which labelled answers are trained on: those of the critic and of people, never of a suite
    that judges."""

    max_per_class: Count | None = 4000
    """Desirable answers, and undesirable ones, at most; people's labels come first, the others are
    drawn by seed."""
    max_ratio: Annotated[float, Meta(ge=1)] = 4.0
    """The larger class has at most so many answers for each one of the smaller; weights balance
    what is left."""
    max_per_prompt: Count = 4
    """Answers of one class to one prompt, at most."""
    min_per_class: Count = 8
    """Fewer answers of either class than this and the stage ends as bad input: there is nothing to
    contrast."""

    def check(self) -> None:
        if self.max_per_class is not None and self.max_per_class < self.min_per_class:
            message = f"is {self.max_per_class}, below min_per_class = {self.min_per_class}"
            raise Fault(message, "max_per_class", "Raise it, or lower min_per_class.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KtoSpec(TuneSpec):
    """Optimisation on single answers with a label, instead of pairs (Ethayarajh et al., 2024,
    arXiv:2402.01306)."""

    batch_size: Annotated[int, Meta(ge=SMALLEST_BATCH, le=LARGEST, description=_ONE_ANSWER)] = 16
    """Answers a step, 2 or more: the reference point is estimated within a micro-batch."""
    learning_rate: Positive = 5e-6
    """The paper's starting point with AdamW; a small model and an adapter bear more."""
    warmup_steps: CountOrZero = 10
    beta: Annotated[float, Meta(gt=0, description="Usual values are 0.01 to 0.5.")] = 0.1
    """Strength of the pull back to the reference; the paper takes less than 0.1 where SFT has seen
    the same answers."""
    desirable_weight: Positive | None = None
    """Absent: 1, or as much more as brings the two classes into balance (see ``weights``)."""
    undesirable_weight: Positive | None = None
    """Absent: 1, or as much more as brings the two classes into balance (see ``weights``)."""
    answers: UnpairedSpec = field(default_factory=UnpairedSpec)

    def weights(self, desirable: int, undesirable: int) -> LossWeights:
        """The weights for so many answers of each class, both 1 or more: those of the recipe, and
        where it leaves one open, the nearest to 1 with which ``LossWeights.ratio`` lies within
        ``LEAST_RATIO`` and ``MOST_RATIO``. Where both are open, the weight of the class that is too
        light is raised."""
        weights = LossWeights(
            1.0 if self.desirable_weight is None else self.desirable_weight,
            1.0 if self.undesirable_weight is None else self.undesirable_weight,
        )
        ratio = weights.ratio(desirable, undesirable)
        target = min(max(ratio, LEAST_RATIO), MOST_RATIO)
        both_open = self.desirable_weight is None and self.undesirable_weight is None
        if both_open and ratio < target:
            return weights._replace(desirable=target / ratio)
        if self.undesirable_weight is None:
            return weights._replace(undesirable=ratio / target)
        if self.desirable_weight is None:
            return weights._replace(desirable=target / ratio)
        return weights
