"""Recipe sections about training and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Evaluation while training: every ``eval_steps`` steps the model answers ``eval_items`` tasks of ``suite``."""

    eval_steps: int = 250
    suite: str = "window"
    """``window``: the task bank's own window tasks, which no gate judges by; or one of ``tasks.suites``."""
    eval_items: int = 50
    syntax_drops: int = 2
    """Stop when the syntax rate dropped in this many windows in a row."""
    early_stop_step: int = 750
    """Stop when Pass@1 has not improved by this step."""
    gain_alpha: float | None = None
    """Count only a rise that is significant against the first window, this error rate being spent over all looks; absent: any."""
    gate_step: int | None = None
    """Seed 000's 1,000 steps: training goes past this step only when its window passes both rates below; absent: no such gate."""
    gate_pass_at_1: float = 0.40
    gate_syntax_rate: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeStage:
    """From ``from_step`` on, until the next stage, the parameters that some pattern of ``train`` names and none of ``freeze``.

    Patterns are globs over whole parameter names (``*.mlp.experts.*``); each must match one at least. Of an adapter they see its
    own parameters.
    """

    from_step: int = 0
    train: tuple[str, ...] = ("*",)
    freeze: tuple[str, ...] = ()
    lr_scale: float = 1.0
    """What the scheduled learning rate is multiplied with in this stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What every training stage says, whatever its loss; what only some set, the others derive."""

    start: str | None = None
    """Whose weights it starts from: ``base``, or a stage before it that the recipe uses. Absent: the stage before it in the
    recipe's ``stages``, of the first one the base model."""
    method: Literal["full", "lora"] = "full"
    """``lora``: an adapter is trained and kept in ``adapter/``; ``model/`` is the same merged."""
    max_steps: int | None = None
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 2e-3
    lr_scheduler_type: str = "cosine"
    lora_r: int = 32
    lora_alpha: int = 32
    save_steps: int = 100
    """Steps between full optimizer checkpoints."""
    save_total_limit: int = 2
    """Full optimizer checkpoints that are kept, the newest; the best model is kept apart from them."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""

    @property
    def batch_size(self) -> int:
        """Rows, or completions, of one forward and backward pass."""
        raise NotImplementedError

    @property
    def gradient_accumulation_steps(self) -> int:
        raise NotImplementedError

    @property
    def warmup_steps(self) -> int:
        raise NotImplementedError

    @property
    def weight_decay(self) -> float:
        return 0.0

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence."""
        raise NotImplementedError

    @property
    def load_in_4bit(self) -> bool:
        return False

    @property
    def stages(self) -> tuple[FreezeStage, ...]:
        """Staged freezing; none: everything trains from the first step on."""
        return ()

    @property
    def windows(self) -> Windows:
        """When it is evaluated while it trains, and when it stops."""
        raise NotImplementedError

    def total_steps(self, rows: int) -> int:
        """Optimizer steps over ``rows`` rows."""
        raise NotImplementedError

    def schedule_kwargs(self, steps: int) -> dict[str, Any] | None:
        """What the schedule needs besides its warm-up."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec(StageSpec):
    """What every stage that trains on a table of rows says, whatever its loss."""

    num_train_epochs: float = 1.0
    batch_size: int = 32
    """Rows a step; in ``dpo`` a row is a pair of two sequences."""
    gradient_accumulation_steps: int = 1
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant_with_warmup", "warmup_stable_decay"
    ] = "cosine"
    decay_ratio: float = 0.6
    """Last share of the steps over which ``warmup_stable_decay`` falls linearly to ``min_lr_ratio``."""
    min_lr_ratio: float = 0.0
    """Share of the rate at which ``warmup_stable_decay`` begins and ends: more than 0 leaves something to a stage that follows."""
    warmup_steps: int = 40
    weight_decay: float = 0.01
    max_length: int = 512
    load_in_4bit: bool = False
    """QLoRA: the frozen base in 4 bit while the adapter trains (Dettmers et al., 2023, arXiv:2305.14314); by ``bitsandbytes``."""
    stages: tuple[FreezeStage, ...] = ()
    """Staged freezing (seed 000); absent: everything trains from the first step on."""
    windows: Windows = field(default_factory=Windows)

    def total_steps(self, rows: int) -> int:
        """Whole batches of ``num_train_epochs`` passes, at most ``max_steps``."""
        batch = self.batch_size * self.gradient_accumulation_steps
        steps = max(1, int(rows * self.num_train_epochs) // batch)
        return min(steps, self.max_steps) if self.max_steps else steps

    def schedule_kwargs(self, steps: int) -> dict[str, Any] | None:
        if self.lr_scheduler_type != "warmup_stable_decay":
            return None
        decay = max(1, int(self.decay_ratio * steps))
        return {"num_decay_steps": decay, "decay_type": "linear", "min_lr_ratio": self.min_lr_ratio}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """The starting point that was not chosen teaches beside the rows (Hinton et al., 2015, arXiv:1503.02531)."""

    weight: float = 0.5
    """Of the divergence from the teacher, a token, beside the rows' negative log-likelihood."""
    temperature: float = 1.0
    from_step: int = 0
    """Seed 000 brings the other weights in later."""
    lr_scale: float = 1.0
    """What the scheduled learning rate is multiplied with while the teacher teaches: seed 000 asks for a low one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSpec(TuneSpec):
    """Supervised fine-tuning on the mix."""

    packing: bool = False
    """Lay a micro-batch's rows end to end in packs of at most ``max_length`` tokens, without padding; none sees another."""
    distillation: Distillation | None = None
    """Asks for ``model.source = "probed"``: its teacher is the best of the candidates that were not chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSpec:
    """Preference pairs: the fine-tuned model's own answers to training tasks, ranked by the critic, or by critic and judge."""

    prompts: int = 1000
    """Training tasks that are answered, drawn by seed; never one of a suite."""
    samples: int = 4
    """Answers a task (best of N), 2 to 4 in seed 001."""
    temperature: float = 1.0
    top_p: float = 1.0
    margin: float = 0.5
    """Least distance of the two scores. An accepted answer scores 1, any other at most 0.5: half its share of good labels."""
    min_accepted: float = 0.0
    """Least share of a task's answers that must be accepted where one is: below it the accepted one is luck rather than what the
    model can do, and no pair."""
    ranked_by: Literal["critic", "judge"] = "critic"
    """``judge``: an accepted answer is one that the critic and the licensed ``[judge.model]`` accept; a local judge decides by
    log-probability (seed 003)."""
    reference: bool = True
    """Where no answer of the model's own is accepted, the task's reference is the chosen side."""
    max_shares: dict[str, float] = field(default_factory=lambda: {"wrong": 0.9})
    """Kind of rejection -> the largest share of the pairs it may have; a kind that is not named has no limit."""
    min_pairs: int = 8
    """Fewer pairs than this and the stage ends as bad input: there is nothing to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DpoSpec(TuneSpec):
    """Direct preference optimisation of the fine-tuned model on its own pairs (Rafailov et al., 2023, arXiv:2305.18290)."""

    num_train_epochs: float = 1.0
    batch_size: int = 16
    learning_rate: float = 1e-5
    warmup_steps: int = 10
    beta: float = 0.1
    """Strength of the pull back to the reference: a *higher* beta deviates *less* from the SFT model (seed 001 has it reversed)."""
    sft_weight: float = 0.0
    """Weight of the chosen side's negative log-likelihood a token beside the pairs' (Pang et al., 2024, arXiv:2404.19733)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may cost. Hours are hours that a worker holds the device."""

    hourly_rate: float = 0.0
    """Money an hour of the device."""
    currency: str = "USD"
    max_hours: float | None = None
    """A plan beyond it is refused, and so is a nightly run's next stage."""
    device_tflops: float | None = None
    """The device's peak, dense, in the number format of training: from it hours are estimated where no earlier run tells them."""
    utilisation: float = 0.3
    """Share of the peak that is reached (MFU)."""
