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
    rate: float = 1.0
    """What the scheduled learning rate is multiplied with in this stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec:
    """What every fine-tuning says, whatever its loss."""

    method: Literal["full", "lora"] = "full"
    """``lora``: an adapter is trained and kept in ``adapter/``; ``model/`` is the same merged."""
    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 32
    """Rows a step; in ``dpo`` a row is a pair of two sequences."""
    gradient_accumulation: int = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 2e-3
    schedule: Literal["linear", "cosine", "constant_with_warmup", "warmup_stable_decay"] = "cosine"
    decay_share: float = 0.6
    """Last share of the steps over which ``warmup_stable_decay`` falls linearly to ``min_lr_ratio``."""
    min_lr_ratio: float = 0.0
    """Share of the rate at which ``warmup_stable_decay`` begins and ends: more than 0 leaves something to a stage that follows."""
    warmup_steps: int = 40
    weight_decay: float = 0.01
    max_length: int = 512
    train_on_thoughts: bool = False
    """Whether what a row's model thought before its answer is part of the completion. ``false`` leaves it out: prompt, then answer;
    rows without thoughts are the same either way."""
    lora_r: int = 32
    lora_alpha: int = 32
    four_bit: bool = False
    """QLoRA: the frozen base in 4 bit while the adapter trains (Dettmers et al., 2023, arXiv:2305.14314); by ``bitsandbytes``."""
    save_every: int = 100
    """Steps between full optimizer checkpoints."""
    keep_checkpoints: int = 2
    """Full optimizer checkpoints that are kept, the newest; the best model is kept apart from them."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""
    stages: tuple[FreezeStage, ...] = ()
    """Staged freezing (seed 000); absent: everything trains from the first step on."""
    windows: Windows = field(default_factory=Windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """The starting point that was not chosen teaches beside the rows (Hinton et al., 2015, arXiv:1503.02531)."""

    weight: float = 0.5
    """Of the divergence from the teacher, a token, beside the rows' negative log-likelihood."""
    temperature: float = 1.0
    from_step: int = 0
    """Seed 000 brings the other weights in later."""
    rate: float = 1.0
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
    largest_shares: dict[str, float] = field(default_factory=lambda: {"wrong": 0.9})
    """Kind of rejection -> the largest share of the pairs it may have; a kind that is not named has no limit."""
    min_pairs: int = 8
    """Fewer pairs than this and the stage ends as bad input: there is nothing to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DpoSpec(TuneSpec):
    """Direct preference optimisation of the fine-tuned model on its own pairs (Rafailov et al., 2023, arXiv:2305.18290)."""

    epochs: float = 1.0
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
