"""A frozen teacher beside the rows: how far the student's next-token distributions are from its
own, and at which rate it counts.

The teacher is a starting point that was not chosen (the auto-critic plan: "reintroduce v2 weights
later via low-LR distillation"). What this module does not do: choose the teacher
(``starting_point`` does), or generate: the teacher is asked about the rows' own tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...records.training_spec import Distillation, StageSpec
from ..loop.freezing import rate_factor

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


def rate_of(spec: StageSpec, step: int) -> float:
    """What the scheduled learning rate is multiplied with after ``step`` steps: by the stage, and
    by the teacher's presence."""
    taught: Distillation | None = getattr(spec, "distillation", None)
    return rate_factor(spec.stages, step) * (
        taught.lr_scale if taught and step >= taught.from_step else 1.0
    )


class Teacher:
    """A frozen model that says what it would have written."""

    def __init__(
        self, folder: Path, spec: Distillation, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        """Raises BadInput: no model in the folder, or one that writes in other tokens than the
        student."""
        from ...generation.loading import load_model, load_tokenizer

        if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
            raise BadInput(
                "its tokens are not those of the model that it is to teach.",
                file=folder,
                field="sft.distillation",
                fix="Leave [sft.distillation] out: models of different tokenizers cannot be compared token by token.",
            )
        self.spec = spec
        self.model: Any = load_model(folder).requires_grad_(False)

    def divergence(self, logits: Tensor, inputs: dict[str, Any], trained: Tensor) -> Tensor:
        """``weight * T^2 * KL(teacher || student)`` at temperature T, summed over the trained
        positions.

        Args:
            logits: the student's, of shape (trained positions, vocabulary).
            inputs: what the student read, without its labels.
            trained: which positions but the last of each row are trained, of shape (rows, length -
                1).
        """
        import torch
        from torch.nn import functional

        heat = self.spec.temperature
        with torch.no_grad():
            student_logits = self.model(**inputs, use_cache=False).logits[:, :-1][trained].float()
        student, taught = (
            functional.log_softmax(logits_of / heat, dim=-1)
            for logits_of in (logits, student_logits)
        )
        kl = functional.kl_div(student, taught, log_target=True, reduction="sum")
        return self.spec.weight * heat * heat * kl
