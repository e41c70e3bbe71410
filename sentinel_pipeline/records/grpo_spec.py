"""Recipe section about GRPO: the run, its rewards, and the rules by which it is watched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from .bounds import Count, CountOrZero, PartialShare, Positive, PositiveShare
from .decode import Fault
from .decoding import Decoding
from .question_spec import Question
from .reward_spec import OwnReward, RewardSpec
from .training_spec import StageSpec, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRule:
    """One rule over one recorded curve, a row of the V4.1 handoff's table. ``gates.curve_rules``
    says what each test does."""

    name: str
    metric: str
    """As the trainer logs it: ``grad_norm``, ``frac_reward_zero_std``,
    ``completions/clipped_ratio``, ``eval/mean_reward`` …"""
    test: Literal["plateau", "below", "above", "spikes", "near_zero", "diverges"]
    threshold: float
    """``plateau``: the least gain that counts; ``near_zero``: a share of the highest value;
    ``diverges``: the least change."""
    action: Literal["stop", "warn"] = "stop"
    points: Count = 1
    """So many of the latest values in a row; of ``spikes``: so many within ``span``."""
    span: CountOrZero = 0
    """Steps looked back on (``plateau``, ``spikes``, ``diverges``)."""
    after_step: CountOrZero = 0
    """Not before this step."""
    before_step: CountOrZero | None = None
    """Not from this step on; of a ``plateau``: only one that began before it."""
    against: str | None = None
    """``diverges``: the metric that no reward enters."""
    because: str = ""
    """What it means and what to do, for people."""

    def check(self) -> None:
        if self.test in ("plateau", "spikes", "diverges") and self.span < 1:
            fix = "Say how many steps."
            raise Fault(f"a {self.test} needs steps to look back on", "span", fix)
        if self.test == "diverges" and self.against is None:
            fix = "Name the metric from which this one diverges."
            raise Fault("is missing: diverges compares two metrics", "against", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoSpec(StageSpec):
    """Group-relative policy optimisation: what is sampled a step, how it is rewarded, and when to
    stop."""

    method: Literal["full", "lora"] = "lora"
    max_steps: Count = 600
    prompts: Count | None = None
    """Training tasks it draws from, by seed; all when absent."""
    curriculum_samples: CountOrZero = 0
    """Answers to each prompt before the first step: prompts whose answers all earn the same are
    left out, the others come in the order of what the model earns on them, easy first. 0: every
    prompt, in random order."""
    prompts_per_step: Count = 2
    """Different prompts of an optimizer step; TRL's batch counts completions and is
    ``prompts_per_step * num_generations``."""
    num_generations: Annotated[int, Meta(ge=2, le=4096)] = 16
    """Completions of a prompt, the group that an advantage is relative to."""
    micro_batch: Count | None = None
    """Completions of one forward and backward pass; a divisor of the step's. All of them at once
    when absent."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """Who generates."""
    vllm_mode: Literal["colocate", "server"] = "colocate"
    """Where vLLM runs: in the trainer's process on its device, or as ``trl vllm-serve``, which gets
    the new weights after every step."""
    vllm_server_base_url: str | None = None
    """Of ``trl vllm-serve``, without a version path."""
    vllm_gpu_memory_utilization: PositiveShare = 0.3
    """Share of the device's memory that a colocated vLLM takes."""
    learning_rate: Positive = 5e-6
    lr_scheduler_type: Literal["constant_with_warmup", "constant", "linear", "cosine"] = (
        "constant_with_warmup"
    )
    warmup_ratio: PartialShare = 0.05
    """Of the steps; TRL takes it as ``warmup_steps`` below 1."""
    loss_type: Literal["dr_grpo", "dapo", "grpo", "bnpo"] = "dr_grpo"
    """TRL's default is ``dapo``: Dr. GRPO has to be asked for."""
    scale_rewards: Literal["none", "group", "batch"] = "none"
    """``none`` is the V4.1 handoff's ``False``: advantages are not divided by a group's standard
    deviation."""
    beta: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """Weight of the divergence from the reference; at 0 TRL logs none."""
    temperature: Positive = 1.0
    """Of the rollouts. A model that DPO has sharpened answers alike at 1, and groups without
    contrast teach nothing: more than 1 brings it back."""
    start_share: PartialShare = 0.0
    """Share of the starting weights in the weights that a window evaluates and that are kept, the
    rest being the trained ones (Wortsman et al., 2022, arXiv:2109.01903): what rewards improve
    stays, and what they do not ask for is lost less. Of ``method = "full"`` only."""
    max_prompt_length: Count = 1536
    """Longer prompts are left out and counted."""
    max_completion_length: Count = 512
    lora_r: Count = 16
    lora_alpha: Count = 32
    eval_steps: Count = 10
    """Steps between two looks at the held-out prompts."""
    eval_items: Count = 148
    """Window tasks that are asked, at most: sampled for the rewards, greedily for Pass@1."""
    min_eval_reward: PositiveShare = 0.55
    """The check ``eval_reward``: the V4.1 handoff's bar for the mean reward of the kept weights on
    fresh prompts, which no window asked."""
    reward_items: Count = 300
    """Fresh prompts of the check ``eval_reward``, at most. They are answered once, after the
    weights were chosen, at the rollouts' ``temperature`` and ``max_completion_length``, as the
    windows' prompts are."""
    save_steps: Count = 50
    weights: dict[str, float] = field(default_factory=dict)
    """Weight of a reward or of a part of one, by name; a task's is 1 and a part's 0 when absent."""
    reward: tuple[OwnReward, ...] = ()
    """Rewards of the user's own, each a ``[[grpo.reward]]``, beside those of the task families."""
    rewards: RewardSpec = field(default_factory=RewardSpec)
    watch: tuple[WatchRule, ...] = ()
    """Rules over the run's curves, in the order in which they are told."""
    questions: tuple[Question, ...] = ()
    """What people want to know from the finished run; answered in its report and by ``sentinel
    next``."""

    def sampling(self, decoding: Decoding) -> Decoding:
        """How windows and the check ``eval_reward`` draw answers: as rollouts are drawn."""
        return replace(
            decoding,
            temperature=self.temperature,
            max_new_tokens=self.max_completion_length,
        )

    @property
    def completions(self) -> int:
        """Of one optimizer step."""
        return self.prompts_per_step * self.num_generations

    @property
    def batch_size(self) -> int:
        """Completions of one forward and backward pass, as TRL counts a batch."""
        return self.micro_batch or self.completions

    @property
    def gradient_accumulation_steps(self) -> int:
        return self.completions // self.batch_size

    def in_smaller_batches(self, parts: int) -> dict[str, Any]:
        """A step is counted in completions: the micro-batch alone says how it is divided."""
        return {"micro_batch": self.batch_size // parts}

    @property
    def warmup_steps(self) -> int:
        return round(self.warmup_ratio * self.max_steps)

    @property
    def max_length(self) -> int:
        return self.max_prompt_length + self.max_completion_length

    @property
    def windows(self) -> Windows:
        """When and on how many prompts it is evaluated; when to stop is the watch rules'
        business."""
        return Windows(
            eval_steps=self.eval_steps,
            eval_items=self.eval_items,
            early_stop_step=0,
            syntax_drops=0,
        )

    def total_steps(self, rows: int) -> int:
        """As many as the recipe says, however many prompts there are."""
        return self.max_steps

    def check(self) -> None:
        if self.micro_batch is not None and self.completions % self.micro_batch:
            expected = f"a divisor of the step's {self.completions} completions"
            fix = "prompts_per_step times num_generations is a step."
            raise Fault(f"is {self.micro_batch}, expected {expected}", "micro_batch", fix)
        if (self.vllm_mode == "server") != (self.vllm_server_base_url is not None):
            fix = 'Set vllm_mode = "server" and the address of `trl vllm-serve`, or neither.'
            raise Fault("mode and address go together", "vllm_server_base_url", fix)
        if self.start_share and self.method != "full":
            fix = 'Say method = "full": an adapter has no starting weights to average with.'
            raise Fault(
                f"is {self.start_share:g}, but method is {self.method!r}", "start_share", fix
            )
        if self.curriculum_samples == 1:
            fix = "One answer alone shows no spread."
            raise Fault("is 1, expected 0 or 2 and more", "curriculum_samples", fix)
        for index, reward in enumerate(self.reward):
            try:
                reward.require()
            except Fault as fault:
                raise fault.below(f"reward[{index}]") from None
        rewards = [reward.name for reward in self.reward]
        for index, name in enumerate(rewards):
            if name in rewards[:index]:
                raise Fault(
                    f"duplicate name {name!r}", f"reward[{index}].name", "Rename one reward."
                )
        names = [rule.name for rule in self.watch]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Fault(f"duplicate name {name!r}", f"watch[{index}].name", "Rename one rule.")
