"""Recipe sections about training and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

from msgspec import Meta

from ..errors import did_you_mean
from .bounds import (
    LARGEST,
    Count,
    CountOrZero,
    InnerShare,
    NotNegative,
    PartialShare,
    Positive,
    PositiveShare,
)
from .decode import Fault
from .preference import REJECTION_KINDS

Epochs = Annotated[float, Meta(gt=0, le=LARGEST)]
_ONE_ANSWER = "Draw more: one answer alone has no pair."
_GREEDY = "Sample: greedy answers are all the same."
_TIE = "Set a distance: two sides that tie make no pair."
_NO_FAILURE = "Allow failures: a task with no failure has no pair."


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Evaluation while training: every ``eval_steps`` steps the model answers ``eval_items`` tasks
    of ``suite``."""

    eval_steps: Count = 250
    suite: str = "window"
    """``window``: the task bank's own window tasks, which no gate judges by; or one of
    ``tasks.suites``."""
    eval_items: Count = 50
    syntax_drops: CountOrZero = 2
    """Stop when the syntax rate dropped in this many windows in a row."""
    early_stop_step: CountOrZero = 750
    """Stop when Pass@1 has not improved by this step."""
    gain_alpha: InnerShare | None = None
    """Count only a rise that is significant against the first window, this error rate being spent
    over all looks; absent: any."""
    gate_step: Count | None = None
    """The auto-critic plan's 1,000 steps: training goes past this step only when its window passes
    both rates below; absent: no such gate."""
    gate_pass_at_1: InnerShare = 0.40
    gate_syntax_rate: InnerShare = 0.95

    def check(self) -> None:
        if self.gate_step is not None and self.gate_step % self.eval_steps:
            fix = f"Windows fall every {self.eval_steps} steps: make it a multiple."
            raise Fault(f"is {self.gate_step}: no window falls on it", "gate_step", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeStage:
    """From ``from_step`` on, until the next stage, the parameters that some pattern of ``train``
    names and none of ``freeze``.

    Patterns are globs over whole parameter names (``*.mlp.experts.*``); each must match one at
    least. Of an adapter they see its own parameters.
    """

    from_step: CountOrZero = 0
    train: tuple[str, ...] = ("*",)
    freeze: tuple[str, ...] = ()
    lr_scale: Positive = 1.0
    """What the scheduled learning rate is multiplied with in this stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What every training stage says, whatever its loss; what only some set, the others derive."""

    start: str | None = None
    """Whose weights it starts from: ``base``, or a stage before it that the recipe uses. Absent:
    the stage before it in the recipe's ``stages``, of the first one the base model."""
    method: Literal["full", "lora"] = "full"
    """``lora``: an adapter is trained and kept in ``adapter/``; ``model/`` is the same merged."""
    max_steps: Count | None = None
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: Positive = 2e-3
    lr_scheduler_type: str = "cosine"
    lora_r: Count = 32
    lora_alpha: Count = 32
    save_steps: Count = 100
    """Steps between full optimizer checkpoints."""
    save_total_limit: Count = 2
    """Full optimizer checkpoints that are kept, the newest; the best model is kept apart from
    them."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""

    @property
    def batch_size(self) -> int:
        """Rows, or completions, of one forward and backward pass."""
        raise NotImplementedError

    @property
    def gradient_accumulation_steps(self) -> int:
        raise NotImplementedError

    def in_smaller_batches(self, parts: int) -> dict[str, Any]:
        """What to change so that a forward and backward pass takes one of so many ``parts`` of its
        rows, and a step as many rows as before."""
        return {
            "batch_size": self.batch_size // parts,
            "gradient_accumulation_steps": self.gradient_accumulation_steps * parts,
        }

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

    num_train_epochs: Epochs = 1.0
    batch_size: Count = 32
    """Rows a step; in ``dpo`` a row is a pair of two sequences."""
    gradient_accumulation_steps: Count = 1
    lr_scheduler_type: Literal[
        "linear", "cosine", "constant_with_warmup", "warmup_stable_decay"
    ] = "cosine"
    decay_ratio: PositiveShare = 0.6
    """Last share of the steps over which ``warmup_stable_decay`` falls linearly to
    ``min_lr_ratio``."""
    min_lr_ratio: PartialShare = 0.0
    """Share of the rate at which ``warmup_stable_decay`` begins and ends: more than 0 leaves
    something to a stage that follows."""
    warmup_steps: CountOrZero = 40
    weight_decay: NotNegative = 0.01
    max_length: Count = 512
    train_on_thoughts: bool = False
    """Whether what a row's model thought before its answer is part of the completion. ``false``
    leaves it out: prompt, then answer; rows without thoughts are the same either way."""
    load_in_4bit: bool = False
    """QLoRA: the frozen base in 4 bit while the adapter trains (Dettmers et al., 2023,
    arXiv:2305.14314); by ``bitsandbytes``."""
    stages: tuple[FreezeStage, ...] = ()
    """Staged freezing (auto-critic plan); absent: everything trains from the first step on."""
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

    def check(self) -> None:
        if self.load_in_4bit and self.method != "lora":
            raise Fault("weights of 4 bit cannot train", "load_in_4bit", 'Set method = "lora".')
        if self.min_lr_ratio and self.lr_scheduler_type != "warmup_stable_decay":
            fix = 'Set lr_scheduler_type = "warmup_stable_decay", or leave it out.'
            raise Fault(f"{self.lr_scheduler_type!r} ends at zero", "min_lr_ratio", fix)
        # Their patterns are held against the model later, when there is one.
        starts = [stage.from_step for stage in self.stages]
        ordered = all(earlier < later for earlier, later in pairwise(starts))
        if starts and not (starts[0] == 0 and ordered):
            fix = "Begin with from_step = 0, and put later stages after it."
            raise Fault(f"begin at steps {starts}", "stages", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """The starting point that was not chosen teaches beside the rows (Hinton et al., 2015,
    arXiv:1503.02531)."""

    weight: Positive = 0.5
    """Of the divergence from the teacher, a token, beside the rows' negative log-likelihood."""
    temperature: Positive = 1.0
    from_step: CountOrZero = 0
    """The auto-critic plan brings the other weights in later."""
    lr_scale: Positive = 1.0
    """What the scheduled learning rate is multiplied with while the teacher teaches: the
    auto-critic plan asks for a low one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSpec(TuneSpec):
    """Supervised fine-tuning on the mix."""

    packing: bool = False
    """Lay a micro-batch's rows end to end in packs of at most ``max_length`` tokens, without
    padding; none sees another."""
    distillation: Distillation | None = None
    """Asks for ``model.source = "probed"``: its teacher is the best of the candidates that were not
    chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSpec:
    """Preference pairs: the fine-tuned model's own answers to training tasks, ranked by the critic,
    or by critic and judge."""

    prompts: Count = 1000
    """Training tasks that are answered, drawn by seed; never one of a suite."""
    samples: Annotated[int, Meta(ge=2, le=16, description=_ONE_ANSWER)] = 4
    """Answers a task (best of N), 2 to 4 in the stage 1 plan."""
    temperature: Annotated[float, Meta(gt=0, description=_GREEDY)] = 1.0
    top_p: PositiveShare = 1.0
    margin: Annotated[float, Meta(gt=0, le=1, description=_TIE)] = 0.5
    """Least distance of the two scores. An accepted answer scores 1, any other at most 0.5: half
    its share of good labels."""
    min_accepted: Annotated[float, Meta(ge=0, lt=1, description=_NO_FAILURE)] = 0.0
    """Least share of a task's answers that must be accepted where one is: below it the accepted one
    is luck rather than what the model can do, and no pair."""
    ranked_by: Literal["critic", "judge"] = "critic"
    """``judge``: an accepted answer is one that the critic and the licensed ``[judge.model]``
    accept; a local judge decides by log-probability (stage 1 findings)."""
    reference: bool = True
    """Where no answer of the model's own is accepted, the task's reference is the chosen side."""
    max_shares: dict[str, PositiveShare] = field(default_factory=lambda: {"wrong": 0.9})
    """Kind of rejection -> the largest share of the pairs it may have; a kind that is not named has
    no limit."""
    min_pairs: Count = 8
    """Fewer pairs than this and the stage ends as bad input: there is nothing to learn from."""

    def check(self) -> None:
        for kind in self.max_shares:
            if kind not in REJECTION_KINDS:
                fix = did_you_mean(kind, REJECTION_KINDS)
                raise Fault(f"unknown kind {kind!r}", f"max_shares.{kind}", fix)
        total = sum(self.max_shares.values())
        if len(self.max_shares) == len(REJECTION_KINDS) and total < 1:
            fix = "Raise one, or leave one kind out."
            expected = "shares that sum to 1 or more where every kind has one"
            raise Fault(f"sum to {total:g}, expected {expected}", "max_shares", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class DpoSpec(TuneSpec):
    """Direct preference optimisation of the fine-tuned model on its own pairs (Rafailov et al.,
    2023, arXiv:2305.18290)."""

    num_train_epochs: Epochs = 1.0
    batch_size: Count = 16
    learning_rate: Positive = 1e-5
    warmup_steps: CountOrZero = 10
    beta: Annotated[float, Meta(gt=0, description="Usual values are 0.1 to 0.3.")] = 0.1
    """Strength of the pull back to the reference: a *higher* beta deviates *less* from the SFT
    model (the stage 1 plan has it reversed)."""
    sft_weight: NotNegative = 0.0
    """Weight of the chosen side's negative log-likelihood a token beside the pairs' (Pang et al.,
    2024, arXiv:2404.19733)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may cost. Hours are hours that a worker holds the device."""

    hourly_rate: NotNegative = 0.0
    """Money an hour of the device."""
    currency: str = "USD"
    max_hours: NotNegative | None = None
    """Hours that a run may take: a plan whose critical phases exceed it is refused, a run skips
    optional phases and pauses before the next critical one. ``--max-hours`` puts another limit on
    one command."""
    max_cost: NotNegative | None = None
    """The same as money at ``hourly_rate``; of the two limits the lower one counts.
    ``--max-cost``."""
    optional: tuple[str, ...] = ()
    """Phases that are skipped where the budget does not suffice, the first to go first: a stage
    (``dpo``) with all that is made for it, or a suite (``suite:ifeval``). What is not named is
    critical."""
    device: str | None = None
    """The device that a plan is for, by its name: ``L4``, ``L40S``, ``A100-80GB``, ``H100-80GB``,
    ``MI300X`` …; absent: the GPU that is here. Its memory bounds what fits, its peak and bandwidth
    say how long it takes."""
    device_memory_gib: Positive | None = None
    """Of a device that has no name here, or whose memory is shared with others."""
    device_tflops: Positive | None = None
    """The device's peak, dense, in the number format of training, where its name does not tell."""
    utilisation: PositiveShare = 0.3
    """Share of the peak that is reached (MFU)."""

    @property
    def hours_allowed(self) -> float | None:
        """Device hours that both limits allow; None without a limit."""
        limits = [] if self.max_hours is None else [self.max_hours]
        if self.max_cost is not None and self.hourly_rate:
            limits.append(self.max_cost / self.hourly_rate)
        return min(limits, default=None)

    def check(self) -> None:
        if self.max_cost is not None and not self.hourly_rate:
            fix = "Say what an hour of the device costs: budget.hourly_rate."
            raise Fault("an hour costs nothing, so money bounds nothing", "max_cost", fix)
        for index, name in enumerate(self.optional):
            if name in self.optional[:index]:
                raise Fault(f"{name!r} is named twice", f"optional[{index}]", "Name it once.")
