"""TRL's GRPO trainer on the house's own generation: the same decoding that benchmarks use, seeded
by step and row. Of several processes each answers its share of a step's prompts, with the draws
that one process would give them.

A step's samples are a function of the weights, the seed and the step, so a resumed run draws what
the uninterrupted one drew. Rewards read a completion as a benchmark would: a special token in its
middle stays visible. vLLM generates where a recipe says so. What this module does not do: score, or
decide when to stop.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...records.decoding import Decoding
from .trainer import ByLength, believable

_NUMBERS = frozenset({
    "reward", "reward_std", "frac_reward_zero_std", "entropy", "kl", "completions/mean_length", "completions/clipped_ratio",
})  # fmt: skip
"""What is told of each step, of all that TRL measures."""


class Clock:
    """Seconds of one step by what they went into; spans may nest, each counts its own whole
    time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    def take(self) -> dict[str, float]:
        """``generation``, ``rewards``, ``gradient`` (with the optimizer's step) since the last
        call."""
        seconds = self.seconds
        self.seconds = defaultdict(float)
        gradient = seconds["training"] - seconds["prepare"] + seconds["optimizer"]
        return {
            "generation": seconds["generation"],
            "rewards": seconds["rewards"],
            "gradient": gradient,
        }


def grpo_trainer_class() -> Any:
    """The class, made late: its base lives in TRL."""
    import torch
    from trl import GRPOTrainer

    class Trainer(believable(GRPOTrainer)):  # type: ignore[misc]  # a base made at run time
        clock: Clock
        step_loss: Any
        decoding: Decoding
        """How rollouts are drawn; its seed is the run's."""
        stops: frozenset[int]

        def create_optimizer(self, model: Any = None) -> Any:
            optimizer = super().create_optimizer(model)
            began: list[float] = []
            optimizer.register_step_pre_hook(lambda *_: began.append(time.perf_counter()))
            optimizer.register_step_post_hook(lambda *_: self._count_optimizer(began.pop()))
            return optimizer

        def _count_optimizer(self, began: float) -> None:
            self.clock.seconds["optimizer"] += time.perf_counter() - began

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            with self.clock.span("training"):
                return super().training_step(model, inputs, num_items_in_batch)

        def _prepare_inputs(self, generation_batch: Any) -> Any:
            with self.clock.span("prepare"):
                return super()._prepare_inputs(generation_batch)

        def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
            from ...generation.engine import sample_tokens

            with self.clock.span("generation"):
                if self.use_vllm:
                    return super()._generate_single_turn(prompt_ids, *args, **kwargs)
                first = self.accelerator.process_index * len(prompt_ids)
                named = [
                    (f"{self.state.global_step}|{row}", list(ids))
                    for row, ids in enumerate(prompt_ids, start=first)
                ]
                inner = self.accelerator.unwrap_model(self.model)
                pad = int(self.processing_class.pad_token_id)
                return sample_tokens(inner, named, self.decoding, self.stops, pad), None

        def _calculate_rewards(
            self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any
        ) -> Any:
            with self.clock.span("rewards"):
                texts = [
                    [{"role": "assistant", "content": self._text(ids)}]
                    for ids in completion_ids_list
                ]
                return super()._calculate_rewards(inputs, prompts, texts, completion_ids_list)

        def _text(self, ids: list[int]) -> str:
            answer_ids = ids[:-1] if ids and ids[-1] in self.stops else ids
            decode = self.processing_class.decode
            return str(
                decode(answer_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            )

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            self.step_tokens += int(inputs["prompt_mask"].sum()) + int(
                inputs["completion_mask"].sum()
            )
            inputs, share = self._that_teach(inputs)
            loss = share * super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self.step_loss = self.step_loss + loss.detach()
            return loss

        def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
            """TRL's, on a model that computes only what they are made of."""
            if self.head_is_plain(model):
                model = ByLength(self.accelerator.unwrap_model(model), self.temperature)
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)

        def _that_teach(self, inputs: Any) -> tuple[Any, float]:
            """The rows whose advantage is not zero, and their share of all: of Dr. GRPO without a
            divergence, the others' terms and gradients are zero, and their forward and backward
            pass is most of a step.

            The loss is a sum divided by the number of rows: times the share it is what all rows
            give. Several processes must run alike, so there every row is passed.
            """
            advantages = inputs["advantages"]
            teach = advantages.reshape(len(advantages), -1).ne(0).any(dim=1)
            count = int(teach.sum())
            plain = self.loss_type == "dr_grpo" and self.beta == 0.0 and not self.aux_loss_enabled
            rows = len(teach)
            if not plain or count == rows or self.accelerator.num_processes > 1:
                return inputs, 1.0
            if not count:
                # One row, times zero: the optimizer takes its step with a gradient of zeros.
                teach[0] = True
            return {
                name: value[teach]
                if isinstance(value, torch.Tensor) and value.dim() and len(value) == rows
                else value
                for name, value in inputs.items()
            }, count / rows

        def take_numbers(self) -> dict[str, float]:
            metrics = self._metrics["train"]
            numbers = {name: _mean(values) for name, values in metrics.items() if name in _NUMBERS}
            parts = {
                name: values for name, values in metrics.items() if name.startswith("rewards/")
            }
            numbers |= {
                name.removesuffix("/mean"): _mean(v)
                for name, v in parts.items()
                if name.endswith("/mean")
            }
            metrics.clear()
            return {
                name: float(f"{value:.6g}") for name, value in numbers.items() if value is not None
            }

    return Trainer


def _mean(values: list[float]) -> float | None:
    """Of the numbers among them: a reward that applied to no completion is none."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else None
