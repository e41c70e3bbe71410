"""The shapes behind a plan: parameters, memory and learning rates of a model that is built without
weights.

What this module does not do: read or load weights; a configuration is all it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...records.recipe import Recipe
from ...records.training_spec import StageSpec
from ..data.tokens import TokenReport
from ..loop.freezing import check_stages
from ..trainers.distil import rate_of
from ..trainers.fit import new_adapter

FLOAT = 4
"""Bytes of a float32: weights, gradients and optimizer moments are kept so."""
FOUR_BIT = 4.127 / 8
"""Bytes of a weight in NF4 with its share of the scales (Dettmers et al., 2023, arXiv:2305.14314,
section 3)."""
LAYER_FLOATS = 16
"""Activations a token and layer that backward needs, in multiples of the hidden size, attention
computed in blocks (after Korthikanti et al., 2022, arXiv:2205.05198, section 4.1: 34 bytes in 16
bit)."""
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A model's shape."""

    architecture: str
    parameters: int
    adapter_parameters: dict[str, int]
    """Adapter rank, as text -> parameters of an adapter of that rank on every linear layer."""
    hidden: int
    layers: int
    vocabulary: int
    context: int

    def trained(self, spec: StageSpec) -> int:
        return (
            self.adapter_parameters[str(spec.lora_r)] if spec.method == "lora" else self.parameters
        )

    def memory_mib(self, spec: StageSpec, sides: int, report: TokenReport | None) -> dict[str, int]:
        """Weights, gradients, moments and the activations of one micro-batch at its longest; an
        estimate, not a measurement.

        Args:
            sides: sequences a row (2 for a pair).
        """
        trained = self.trained(spec)
        frozen = self.parameters if spec.method == "lora" else 0
        moments = 2 if spec.optimizer == "adamw" else 1
        length = report.longest if report else spec.max_length
        tokens = spec.batch_size * sides * length
        # With checkpointing a layer keeps its input alone, and one layer at a time is whole.
        bytes_kept = (
            self.layers + LAYER_FLOATS
            if spec.gradient_checkpointing
            else LAYER_FLOATS * self.layers
        )
        activations = tokens * (bytes_kept * self.hidden + 2 * self.vocabulary) * FLOAT
        parts = {
            "weights": trained * FLOAT + frozen * (FOUR_BIT if spec.load_in_4bit else FLOAT),
            "gradients": trained * FLOAT,
            "optimizer": moments * trained * FLOAT,
            "activations": activations,
        }
        rounded = {name: round(size / MIB) for name, size in parts.items()}
        return rounded | {"total": round(sum(parts.values()) / MIB)}


def planned_model(recipe: Recipe, folder: Path | None) -> PlannedModel | None:
    """The recipe's model as a shape; None where only the hub has it.

    Raises:
        BadInput: the folder holds no configuration of a causal language model, or the embedded
            shape cannot be built.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = _config(recipe, folder)
    if config is None:
        return None
    adapters = {}
    with torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(config)
        except ValueError as error:
            text = str(error).splitlines()[0][:200]
            raise BadInput(f"not a causal language model: {text}", field="model.source") from error
        parameters = sum(p.numel() for p in model.parameters())
        for stage in recipe.chain:
            spec = recipe.spec_of(stage.name)
            trained = {name: p.numel() for name, p in model.named_parameters()}
            if spec.method == "lora":
                trained = _adapter_parameters(AutoModelForCausalLM.from_config(config), spec)
                adapters[str(spec.lora_r)] = sum(trained.values())
            check_stages(spec.stages, list(trained), f"{stage.name}.stages")
    text_config = config.get_text_config()
    return PlannedModel(
        architecture=type(model).__name__,
        parameters=parameters,
        adapter_parameters=adapters,
        hidden=int(text_config.hidden_size),
        layers=int(text_config.num_hidden_layers),
        vocabulary=int(text_config.vocab_size),
        context=int(getattr(text_config, "max_position_embeddings", 0)),
    )


def _config(recipe: Recipe, made: Path | None) -> Any:
    from transformers import AutoConfig

    from ..embedded.embedded_model import check_shape, model_config

    source = Path(recipe.model.source).expanduser()
    if recipe.model.source == "embedded":
        check_shape(recipe.model.embedded)
        return model_config(recipe.model.embedded, recipe.model.embedded.vocabulary)
    if recipe.model.source == "probed":
        local = (Path(candidate.source).expanduser() for candidate in recipe.model.candidates)
        source = next((path for path in local if path.is_dir()), source)
    folder = (
        made
        if made is not None and recipe.model.source == "probed"
        else source
        if source.is_dir()
        else made
    )
    if folder is None:
        if source.is_absolute() or recipe.model.source.startswith((".", "~")):
            raise BadInput(
                "no such model folder.", file=source, field="model.source", fix="Check the path."
            )
        return None
    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        text = str(error).strip().splitlines()[0][:200]
        raise BadInput(
            f"holds no usable config.json: {text}", file=folder, field="model.source"
        ) from error


def _adapter_parameters(model: Any, spec: StageSpec) -> dict[str, int]:
    from peft import get_peft_model

    adapted: Any = get_peft_model(model, new_adapter(spec, model))
    return {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}


def refuse_spec(spec: StageSpec, model: PlannedModel | None) -> Iterator[tuple[str, str]]:
    """Settings of a trainer that cannot work, as (key, what to do)."""
    if model is not None and model.context and spec.max_length > model.context:
        yield (
            "max_length",
            f"{spec.max_length} tokens, but the model attends to {model.context}: lower it.",
        )


def scheduled_rates(spec: StageSpec, steps: int) -> list[float]:
    """Learning rate of steps 1 to ``steps``, from Transformers' own scheduler."""
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=spec.learning_rate)
    schedule = get_scheduler(
        spec.lr_scheduler_type,
        optimizer,
        num_warmup_steps=min(spec.warmup_steps, steps),
        num_training_steps=steps,
        scheduler_specific_kwargs=spec.schedule_kwargs(steps),
    )
    rates = []
    for step in range(steps):
        rates.append(float(f"{schedule.get_last_lr()[0] * rate_of(spec, step):.6g}"))
        optimizer.step()
        schedule.step()
    return rates
