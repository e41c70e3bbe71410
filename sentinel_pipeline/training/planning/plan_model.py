"""The shapes behind a plan: parameters, memory and learning rates of a model that is built without
weights.

What this module does not do: read or load weights; a configuration is all it takes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadInput, SentinelError
from ...records.model_spec import ModelSpec
from ...records.recipe import Recipe
from ...records.training_spec import StageSpec
from ...worker.convert import config_file, require_gguf
from ...worker.device import first_line, is_out_of_memory
from ...worker.remote_code import trust_remote_code
from ...worker.weights import Located, locate, of_path
from ..data.tokens import TokenReport
from ..loop.freezing import check_stages
from ..trainers.distil import rate_of
from ..trainers.fit import new_adapter
from ..trainers.trainable import fused_experts, refuse_four_bit

KNOWN = Path(__file__).with_name("known_models.toml")
"""Shapes of public models."""

FLOAT = 4
"""Bytes of a float32: weights, gradients and optimizer moments are kept so."""
HALF = 2
"""Bytes of a bfloat16."""
LOGIT_BYTES = 10
"""Bytes that a logit takes in a pass that computes in bfloat16: itself, its float32 copy and its
gradient."""
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
    embeddings: int = 0
    """Parameters of the embeddings and of an untied head, which 4 bit leaves as they are."""
    fused_experts: int = 0
    """Parameters of a mixture's experts that one tensor holds for all."""
    experts_share: float = 1.0
    """Of a mixture's experts that a token goes through."""
    cache_bytes: int = 0
    """Of a token's keys and values in 16 bit, over all layers."""

    @property
    def active_parameters(self) -> float:
        """Parameters that compute for one token; looking up an embedding computes nothing."""
        looked_up = self.vocabulary * self.hidden if self.embeddings > self._head else 0
        idle = self.fused_experts * (1.0 - self.experts_share)
        return self.parameters - looked_up - idle

    @property
    def _head(self) -> int:
        return self.vocabulary * self.hidden

    def answering_mib(
        self, batch: int, tokens: int, *, sixteen_bit: bool, four_bit: bool = False
    ) -> int:
        """MiB of answering ``batch`` prompts at a time, each of ``tokens`` with its answer:
        weights, keys and values, and the logits of a step."""
        held = HALF if sixteen_bit else FLOAT
        weights: float = self.parameters * held
        if four_bit:
            weights = (self.parameters - self.embeddings) * FOUR_BIT + self.embeddings * held
        cache = batch * tokens * self.cache_bytes * held / HALF
        return round((weights + cache + batch * self.vocabulary * 24) / MIB)

    def trained(self, spec: StageSpec) -> int:
        return (
            self.adapter_parameters[str(spec.lora_r)] if spec.method == "lora" else self.parameters
        )

    def memory_mib(
        self,
        spec: StageSpec,
        sides: int,
        report: TokenReport | None,
        *,
        sixteen_bit: bool = False,
        processes: int = 1,
        sharded: str = "",
    ) -> dict[str, int]:
        """Weights, gradients, moments and the activations of one micro-batch at its longest, on
        each device; an estimate, not a measurement.

        Args:
            sides: sequences a row (2 for a pair).
            sixteen_bit: whether training computes in bfloat16, as it does on a GPU.
            processes: among which a micro-batch is divided.
            sharded: ``weights`` where they divide weights, gradients and moments among themselves,
                ``moments`` where the last two.
        """
        trained = self.trained(spec)
        frozen = self.parameters if spec.method == "lora" else 0
        moments = 2 if spec.optimizer == "adamw" else 1
        length = report.longest if report else spec.max_length
        rows = -(-spec.batch_size // processes) * sides
        tokens = rows * length
        # Of GRPO only completions have a loss.
        predicted = rows * min(getattr(spec, "max_completion_length", length), length)
        # With checkpointing a layer keeps its input alone, and one layer at a time is whole.
        floats_kept = (
            self.layers + LAYER_FLOATS
            if spec.gradient_checkpointing
            else LAYER_FLOATS * self.layers
        )
        held = HALF if sixteen_bit else FLOAT
        if spec.load_in_4bit:
            # Embeddings, head and norms stay float32 under a base in 4 bit; so do fused experts.
            whole = min(frozen, self.embeddings + self.fused_experts)
            base = (frozen - whole) * FOUR_BIT + whole * FLOAT
        else:
            base = frozen * held
        # Autocast keeps a 16-bit copy of the masters through a pass.
        copies = trained * HALF if sixteen_bit else 0
        # Logits, and their gradients; in 16 bit their float32 copies as well.
        logits = predicted * self.vocabulary * (LOGIT_BYTES if sixteen_bit else 2 * FLOAT)
        parts = {
            "weights": trained * FLOAT + base + copies,
            "gradients": trained * FLOAT,
            "optimizer": moments * trained * FLOAT,
            "activations": tokens * floats_kept * self.hidden * held + logits,
        }
        for name in {
            "weights": ("weights", "gradients", "optimizer"),
            "moments": ("gradients", "optimizer"),
        }.get(sharded, ()):
            parts[name] /= processes
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
            trusted = trust_remote_code(recipe.model.source)
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted)
        except Exception as error:
            # The configuration is the user's, and any of its values may be of another kind.
            if is_out_of_memory(error) or isinstance(error, (SentinelError, ImportError)):
                raise
            text = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise BadInput(f"not a causal language model: {text}", field="model.source") from error
        parameters = sum(p.numel() for p in model.parameters())
        vocabulary = {
            id(layer.weight): layer.weight.numel()
            for layer in (model.get_input_embeddings(), model.get_output_embeddings())
            if layer is not None
        }
        tied = bool(getattr(config.get_text_config(), "tie_word_embeddings", False))
        embedded = max(vocabulary.values()) if tied else sum(vocabulary.values())
        experts = fused_experts(model)
        four_bit = [stage.name for stage in recipe.chain if recipe.spec_of(stage.name).load_in_4bit]
        if four_bit and (reason := refuse_four_bit(model)):
            fix = (
                f'Set {four_bit[0]}.load_in_4bit = false: method = "lora" holds the base in 16 bit.'
            )
            raise BadInput(reason, field=f"{four_bit[0]}.load_in_4bit", fix=fix)
        for stage in recipe.chain:
            spec = recipe.spec_of(stage.name)
            trained = {name: p.numel() for name, p in model.named_parameters()}
            if spec.method == "lora":
                base = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted)
                trained = _adapter_parameters(base, spec)
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
        embeddings=embedded,
        fused_experts=experts,
        experts_share=_experts_share(text_config),
        cache_bytes=_cache_bytes(text_config),
    )


def _experts_share(config: Any) -> float:
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    total = next((int(getattr(config, n)) for n in names if getattr(config, n, None)), 0)
    return int(getattr(config, "num_experts_per_tok", 0) or 1) / total if total else 1.0


def _cache_bytes(config: Any) -> int:
    heads = int(getattr(config, "num_attention_heads", 0) or 1)
    groups = int(getattr(config, "num_key_value_heads", 0) or heads)
    width = int(getattr(config, "head_dim", 0) or config.hidden_size // heads)
    return 2 * int(config.num_hidden_layers) * groups * width * HALF


def _config(recipe: Recipe, made: Path | None) -> Any:
    from ..embedded.embedded_model import check_shape, model_config

    spec = recipe.model
    if spec.source == "embedded":
        check_shape(spec.embedded)
        return model_config(spec.embedded, spec.embedded.vocabulary)
    folder = made
    if spec.source == "probed" and made is None:
        local = (Path(candidate.source).expanduser() for candidate in spec.candidates)
        folder = next((path for path in local if path.is_dir()), None)
        if folder is None:
            return None
    located = of_path(folder) if folder is not None else None
    if spec.source != "probed":
        # What the recipe names now, rather than what a run found: it may have been changed.
        located = locate(spec, fetch=False) or located
    if located is None and (known := known_config(spec)) is not None:
        return known
    if located is None:
        return None
    return read_config(located, spec)


def read_config(located: Located, spec: ModelSpec) -> Any:
    """The configuration of weights of any kind; no tensor is read.

    Raises:
        BadInput: there is none that Transformers knows.
        Infrastructure: the package that reads GGUF files is not installed.
    """
    from transformers import AutoConfig

    place: Path | str = located.path
    options: dict[str, Any] = {}
    if located.kind == "gguf":
        require_gguf(located.path)
        place = located.path.parent
        options["gguf_file"] = located.path.name
    elif located.kind == "raw":
        file = config_file(located.path, spec.raw)
        place = file.parent
        options["_configuration_file"] = file.name
    elif located.kind == "peft" and not (located.path / "config.json").is_file():
        adapter = json.loads((located.path / "adapter_config.json").read_text(encoding="utf-8"))
        place = str(adapter.get("base_model_name_or_path"))
        # The base is a folder here, or in the hub's cache: planning fetches nothing.
        options["local_files_only"] = True
    try:
        trusted = trust_remote_code(place, recipe_says=spec.trust_remote_code)
        return AutoConfig.from_pretrained(place, trust_remote_code=trusted, **options)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"holds no usable config.json: {first_line(error)[:200]}",
            file=located.path,
            field="model.source",
        ) from error


def known_config(spec: ModelSpec) -> Any:
    """The configuration of a hub model without asking the hub: from its cache on this machine, else
    from our table of shapes; None where neither has it."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError
    from transformers import AutoConfig

    try:
        cached = try_to_load_from_cache(spec.source, "config.json", revision=spec.revision)
    except HFValidationError:
        return None
    if isinstance(cached, str):
        try:
            folder = Path(cached).parent
            trusted = trust_remote_code(folder)
            return AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
        except (OSError, ValueError):
            return None
    for model in tomllib.loads(KNOWN.read_text(encoding="utf-8"))["model"]:
        if spec.source in model.pop("names"):
            return AutoConfig.for_model(**model)
    return None


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
