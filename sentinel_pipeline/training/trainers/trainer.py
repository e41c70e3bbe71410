"""TRL's trainers with what a believable run adds: a fixed sample order, whole checkpoints, an early
word on bad losses.

And, for ``SFTTrainer``, with what a small machine needs: little padding, and the language-model
head on trained positions only. What is trained, on what and for how long is TRL's and Transformers'
business.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ...worker import ranks
from ..loop.checkpoints import is_saved, save_checkpoint, staging_of
from ..loop.freezing import staged_schedule
from ..loop.optimizers import build_optimizer
from .trainable import load_trainable

if TYPE_CHECKING:
    from torch import Tensor

    from .distil import Teacher

MICRO_BATCH = 16
"""Rows of a batch that are padded together: batches are drawn freely, and within a batch rows go
with rows of like length."""
_SCALED = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "output_multiplier",
    "lm_head_multiplier",
)
"""Config fields of models whose logits are more than hidden states times the head."""


def sample_order(rows: int, samples: int, seed: int) -> list[int]:
    """Row indices for ``samples`` samples: one seeded shuffle of all rows after another.

    A pure function of its arguments: a resumed run walks the same order from where it was. Batches
    are not grouped by length: rows of like length are often of one family, and batches of one
    family each pull their own way.
    """
    order: list[int] = []
    random = Random(f"order|{seed}")
    while len(order) < samples:
        shuffled = list(range(rows))
        random.shuffle(shuffled)
        order += shuffled
    return order[:samples]


def length_groups(lengths: Sequence[int], size: int = MICRO_BATCH) -> list[list[int]]:
    """Indices of a batch's rows in groups of about ``size``, shortest rows first."""
    by_length = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    count = max(1, len(lengths) // size)
    borders = [index * len(lengths) // count for index in range(count + 1)]
    return [by_length[start:end] for start, end in pairwise(borders)]


def summed_loss(
    model: Any, inputs: dict[str, Any], labels: Tensor, teacher: Teacher | None = None
) -> Tensor:
    """Negative log-likelihood summed over the trained positions, the head applied to those alone;
    with a teacher, its share added.

    Rows are padded on the right and attention is causal: no trained position can see padding, so no
    mask is needed.
    """
    from torch.nn import functional

    hidden = model.get_decoder()(**inputs, use_cache=False).last_hidden_state[:, :-1]
    trained = labels[:, 1:] != -100
    logits = model.get_output_embeddings()(hidden[trained]).float()
    total = functional.cross_entropy(logits, labels[:, 1:][trained], reduction="sum")
    return total if teacher is None else total + teacher.divergence(logits, inputs, trained)


def whole_loss(model: Any, inputs: dict[str, Any], labels: Tensor, teacher: Teacher) -> Tensor:
    """The same through the model's own forward, which a wrapper may have to see."""
    from torch.nn import functional

    trained = labels[:, 1:] != -100
    logits = model(**inputs, use_cache=False).logits[:, :-1][trained].float()
    total = functional.cross_entropy(logits, labels[:, 1:][trained], reduction="sum")
    return total + teacher.divergence(logits, inputs, trained)


LOGITS = 1 << 24
"""Numbers of the head's output that are held at once; where there are more, they are computed again
in the backward pass."""


class TokenScores(NamedTuple):
    """What TRL's losses of DPO and GRPO ask of a model, for each next token; zero where no label
    is."""

    log_probs: Tensor
    entropy: Tensor
    mean_logits: Tensor
    is_top1: Tensor


def scored_tokens(
    head: Any, hidden: Tensor, labels: Tensor, temperature: float = 1.0
) -> TokenScores:
    """The scores of ``labels`` given the hidden states before them; only the first has a
    gradient."""
    import torch
    from torch.utils.checkpoint import checkpoint

    def scored(some_hidden: Tensor, some_labels: Tensor) -> tuple[Tensor, ...]:
        logits = head(some_hidden).float() / temperature
        every = logits.log_softmax(-1)
        with torch.no_grad():
            entropy = -(every.exp() * every).sum(-1)
            top = logits.argmax(-1) == some_labels
        log_probs = every.gather(-1, some_labels[:, None])[:, 0]
        return log_probs, entropy, logits.detach().mean(-1), top

    size = max(1, LOGITS // head.weight.shape[0])
    if len(labels) <= size:
        return TokenScores(*scored(hidden, labels))
    parts = [
        checkpoint(scored, *part, use_reentrant=False)
        for part in zip(hidden.split(size), labels.split(size), strict=True)
    ]
    return TokenScores(*(torch.cat(column) for column in zip(*parts, strict=True)))


class ByLength:
    """A model as TRL's losses of DPO and GRPO call it, without what they have no use for: nothing
    is computed for padding, and the head is applied to the tokens that have a label alone.

    What a row holds is one piece, with padding before and after it. Rows of like length go
    together, each begun at its first token; attention is causal, so that no token sees the padding
    behind its row, and no mask is needed.
    """

    def __init__(self, model: Any, temperature: float = 1.0) -> None:
        self.model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.temperature = temperature

    def __call__(
        self, *, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, **_: Any
    ) -> TokenScores:
        import torch

        lengths = attention_mask.sum(-1)
        first = attention_mask.argmax(-1)
        rows: list[Tensor] = []
        columns: list[Tensor] = []
        scores: list[TokenScores] = []
        for numbers in length_groups(lengths.tolist(), MICRO_BATCH // 2):
            group = torch.tensor(numbers, device=input_ids.device)
            width = torch.arange(int(lengths[group].max()), device=input_ids.device)
            places = first[group, None] + width
            beyond = places >= (first + lengths)[group, None]
            places = places.clamp(max=input_ids.shape[1] - 1)
            hidden = self.model.get_decoder()(
                input_ids=input_ids[group].gather(1, places), use_cache=False
            ).last_hidden_state[:, :-1]
            targets = labels[group].gather(1, places).masked_fill(beyond, -100)[:, 1:]
            scored = targets != -100
            head = self.model.get_output_embeddings()
            scores.append(scored_tokens(head, hidden[scored], targets[scored], self.temperature))
            rows.append(group[:, None].expand_as(targets)[scored])
            columns.append(places[:, 1:][scored] - 1)
        where = (torch.cat(rows), torch.cat(columns))
        values = [torch.cat(column) for column in zip(*scores, strict=True)]
        shape = labels[:, 1:].shape
        return TokenScores(*(value.new_zeros(shape).index_put(where, value) for value in values))


class FixedOrder:
    """A sampler that yields a given order once; it has no state to save."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def believable(base: Any) -> Any:
    """``base``, one of TRL's trainer classes, with our order, optimizer and checkpoints, and each
    step's loss at hand."""

    class Trainer(base):  # type: ignore[misc]  # a base that is an argument
        order: Sequence[int]
        optimizer_name: str
        optimizer: Any
        checkpoints: Path
        save_total_limit: int
        factor: Callable[[int], float] | None = None
        """What the scheduled rate is multiplied with after so many steps."""
        lr_scheduler: Any
        step_loss: Any = 0.0
        """Mean loss of the open optimizer step: over its trained tokens, or over its pairs."""
        step_tokens: int = 0
        grad_norm: float | None = None
        """Before clipping."""
        rate: float | None = None
        """The learning rate that the open step trains with."""
        _staging: str | None = None

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return FixedOrder(self.order)

        def create_optimizer(self, model: Any = None) -> Any:
            if self.optimizer is None:
                rate = self.args.learning_rate
                decay = self.args.weight_decay
                trained: Any = self.model if model is None else model
                self.optimizer = build_optimizer(trained, self.optimizer_name, rate, decay)
            return self.optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            scheduler = super().create_scheduler(num_training_steps, optimizer)
            self.lr_scheduler = (
                staged_schedule(scheduler, self.factor) if self.factor else scheduler
            )
            return self.lr_scheduler

        def take_step(self) -> tuple[float, int, dict[str, float]]:
            """Loss, tokens and the trainer's own numbers since the last call; ends the open
            step."""
            loss = float(self.step_loss)
            tokens = self.step_tokens
            self.step_loss = 0.0
            self.step_tokens = 0
            numbers = self.take_numbers()
            measured = {"grad_norm": self.grad_norm, "learning_rate": self.rate}
            for name, value in measured.items():
                if value is not None:
                    numbers[name] = float(f"{value:.6g}")
            return loss, tokens, numbers

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            self.rate = float(self.optimizer.param_groups[0]["lr"])
            return super().training_step(model, inputs, num_items_in_batch)

        def _clip_grad_norm(self, model: Any) -> Any:
            norm = super()._clip_grad_norm(model)
            self.grad_norm = float(norm)
            return norm

        @property
        def in_pieces(self) -> bool:
            """Whether processes may hold pieces of the model."""
            return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

        def weights(self) -> Any:
            """The gathered weights where processes hold pieces of them, else None; every process
            must ask."""
            if self.in_pieces:
                return self.accelerator.get_state_dict(self.model_wrapped)
            return None

        def take_numbers(self) -> dict[str, float]:
            return {}

        def head_is_plain(self, model: Any) -> bool:
            """One process, no wrapper whose forward must run, and logits that are head times hidden
            state."""
            config = model.config.get_text_config() if hasattr(model, "config") else None
            return (
                config is not None
                and self.accelerator.num_processes == 1
                and self.accelerator.device.type == "cpu"
                and not self.aux_loss_enabled
                and not any(getattr(config, name, None) for name in _SCALED)
            )

        def save_weights(self, folder: Path, weights: Any = None) -> None:
            """The trained weights: all of them, or of an adapter itself alone, never its frozen
            reference."""
            only: dict[str, Any] = (
                {"selected_adapters": ["default"]} if hasattr(self.model, "peft_config") else {}
            )
            self.model.save_pretrained(
                folder, **only, **({"state_dict": weights} if weights is not None else {})
            )

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            super()._save(output_dir, state_dict)
            # A second adapter in the checkpoint (a frozen reference) would hide the first from a
            # resume.
            shutil.rmtree(Path(str(output_dir)) / "ref", ignore_errors=True)

        def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
            """Transformers' own takes the file's names for the model's, and leaves fused experts as
            they were when the run began (transformers#48805); ``from_pretrained`` knows both
            names."""
            if hasattr(self.model, "peft_config") or self.is_fsdp_enabled:
                super()._load_from_checkpoint(folder, model)
                return
            self.model.load_state_dict(load_trainable(Path(folder), "full").state_dict())

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            """A full checkpoint under our own rules: whole or absent, the newest kept. Every
            process adds its part to the folder that rank 0 makes and puts into its place."""
            step = self.state.global_step

            def add(folder: Path) -> None:
                ranks.barrier()
                self._staging = str(folder)
                # Past TRL's own override, which writes a model card into the run's folder.
                super(base, self)._save_checkpoint(model, trial)
                self._staging = None
                ranks.barrier()

            def write(folder: Path) -> None:
                add(folder)
                inner = folder / f"checkpoint-{step}"
                for path in inner.iterdir():
                    os.replace(path, folder / path.name)
                inner.rmdir()

            if not ranks.from_main(is_saved(self.checkpoints, step)):
                if ranks.is_main():
                    save_checkpoint(self.checkpoints, step, write, self.save_total_limit)
                else:
                    add(staging_of(self.checkpoints, step))
            ranks.barrier()

        def _get_output_dir(self, trial: Any = None) -> str:
            return self._staging or super()._get_output_dir(trial)

    return Trainer


def sft_trainer_class() -> Any:
    """The class, made late: its base lives in TRL."""
    import torch
    from trl import SFTTrainer

    class Trainer(believable(SFTTrainer)):  # type: ignore[misc]  # a base made at run time
        step_loss: Any
        teacher: Teacher | None = None

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            mask = inputs.get("attention_mask")
            places = inputs.get("position_ids")
            self.step_tokens += int(inputs["input_ids"].numel() if mask is None else mask.sum())
            if places is not None:
                # With a mask, Transformers would not look at the positions, and packed documents
                # would see one another.
                inputs = {key: value for key, value in inputs.items() if key != "attention_mask"}
            teacher = self.teacher
            if teacher is not None and int(self.state.global_step) < teacher.spec.from_step:
                teacher = None
            # TRL's own loss where somebody wants its outputs, or where the head is more than one
            # matrix; else the sum below, which never holds the logits of prompt tokens.
            if return_outputs or (teacher is None and not self.head_is_plain(model)):
                loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
                self.step_loss = self.step_loss + (loss[0] if return_outputs else loss).detach()
                return loss
            loss = self._own_loss(model, inputs, num_items_in_batch, teacher)
            self.step_loss = self.step_loss + loss.detach()
            return loss

        def _own_loss(self, model: Any, inputs: Any, count: Any, teacher: Teacher | None) -> Any:
            labels = inputs["labels"]
            rest = {key: value for key, value in inputs.items() if key != "labels"}
            # The trainer divides by the tokens of all processes and averages their gradients: each
            # one's sum counts as often as there are processes.
            several = self.accelerator.num_processes if count is not None else 1
            count = (labels[:, 1:] != -100).sum() if count is None else count
            if teacher is not None and not self.head_is_plain(model):
                total = whole_loss(model, rest, labels, teacher) * several
                return total / torch.as_tensor(count, device=total.device).clamp(min=1)
            inner = self.accelerator.unwrap_model(model)
            inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
            total = labels.new_zeros((), dtype=torch.float32)
            if "position_ids" in rest:
                total = total + summed_loss(inner, rest, labels, teacher)
            else:
                lengths = rest["attention_mask"].sum(-1)
                # Rows of like length together: nothing is computed for padding.
                for group in length_groups(lengths.tolist()):
                    width = int(lengths[group].max())
                    read = {"input_ids": rest["input_ids"][group, :width]}
                    total = total + summed_loss(inner, read, labels[group, :width], teacher)
            return total / torch.as_tensor(count, device=total.device).clamp(min=1)

    return Trainer


NUMBERS = (
    "rewards/margins",
    "rewards/accuracies",
    "rewards/chosen",
    "rewards/rejected",
    "logps/chosen",
    "logps/rejected",
)
"""What DPO tells of each step; a falling ``logps/chosen`` is normal, gates look at the task."""


def dpo_trainer_class() -> Any:
    """The class, made late: its base lives in TRL."""
    from trl import DPOTrainer

    base: Any = trainer_on_encoded_rows(DPOTrainer, NUMBERS)

    class Trainer(base):  # type: ignore[misc]  # a base made at run time
        """Its loss is TRL's, of a model that computes only what the loss uses."""

        def _compute_loss(self, model: Any, inputs: Any, return_outputs: Any) -> Any:
            lean = model if return_outputs else self._lean(model)
            return super()._compute_loss(lean, inputs, return_outputs)

        def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
            return super().compute_ref_log_probs(self._lean(model), inputs)

        def _lean(self, model: Any) -> Any:
            if not self.head_is_plain(model):
                return model
            return ByLength(self.accelerator.unwrap_model(model))

    return Trainer


def trainer_on_encoded_rows(base: type[Any], names: Sequence[str]) -> Any:
    """``base`` of TRL over rows that are token ids already; it tells the metrics ``names`` of each
    step, the means over its micro-batches."""

    class Trainer(believable(base)):  # type: ignore[misc]  # a base made at run time
        step_loss: Any

        def _prepare_dataset(
            self, dataset: Any, processing_class: Any, args: Any, dataset_name: str
        ) -> Any:
            """Rows are tokenized already, as generation renders them."""
            return dataset

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            self.step_tokens += int(inputs["attention_mask"].sum())
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            value = (loss[0] if return_outputs else loss).detach()
            self.step_loss = self.step_loss + value / self.args.gradient_accumulation_steps
            return loss

        def take_numbers(self) -> dict[str, float]:
            metrics = self._metrics["train"]
            numbers = {
                name: sum(metrics[name]) / len(metrics[name]) for name in names if metrics[name]
            }
            metrics.clear()
            return {name: round(value, 6) for name, value in numbers.items()}

    return Trainer
