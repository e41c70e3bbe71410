"""The model that a tuning trains: loaded with float32 masters, whole, or as an adapter over a
frozen base in 16 or 4 bit.

What this module does not do: train, or load a model to generate with (``generation.loading``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...generation.loading import allow_sampling, check_weights, four_bit, reading_model
from ...rates import percent
from ...worker.device import bfloat16_pays
from ...worker.remote_code import trust_remote_code

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_trainable(
    folder: Path, method: str, load_in_4bit: bool = False, *, flash: bool = False
) -> PreTrainedModel:
    """Float32 masters: a checkpoint's own bfloat16 would swallow small updates.

    An adapter's folder is loaded as its trainable adapter for ``lora``, merged into its base for
    ``full``. The frozen base of an adapter has no masters: where training computes in bfloat16 it
    is held so. With ``load_in_4bit`` it is held in 4 bit, with ``flash`` attention is computed by
    the flash-attn package.

    Raises:
        BadInput: the folder holds no causal language model, weights that are none of its
            configuration's, or experts that no 4 bit can hold.
        Infrastructure: 4 bit is asked for where nothing can compute in it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    loaded: Any
    frozen = method == "lora" and bfloat16_pays()
    options: dict[str, Any] = {
        "dtype": torch.bfloat16 if frozen and not load_in_4bit else torch.float32,
        **(_four_bit(folder) if load_in_4bit else {}),
    }
    if flash:
        options["attn_implementation"] = "flash_attention_2"
    trusted = trust_remote_code(folder)
    check_weights(folder, field="model.source")
    with reading_model(folder, field="model.source"):
        if not (folder / "adapter_config.json").is_file():
            loaded = AutoModelForCausalLM.from_pretrained(
                folder,
                output_loading_info=True,
                trust_remote_code=trusted,
                use_safetensors=True,
                **options,
            )
            # Weights that the configuration asks for and the file lacks would be random ones.
            info = loaded[1]
            missing = sorted(info["missing_keys"])
            if missing:
                raise BadInput(
                    f"its weights lack {len(missing)} of the architecture's tensors, {missing[0]!r} first.",
                    file=folder,
                    field="model.source",
                    fix="Use the config.json that belongs to these weights.",
                )
            allow_sampling(loaded[0])
            base: PreTrainedModel = _prepared(loaded[0]) if load_in_4bit else loaded[0]
            compute_experts_mixed(base)
            return base
        from peft import AutoPeftModelForCausalLM

        adapted = AutoPeftModelForCausalLM.from_pretrained(
            folder, is_trainable=method == "lora", trust_remote_code=trusted, **options
        )
    allow_sampling(adapted)
    if load_in_4bit:
        _keep_unpacked(adapted)
    compute_experts_mixed(adapted.get_base_model())
    trained: PreTrainedModel = adapted if method == "lora" else adapted.merge_and_unload()
    return trained


def fused_experts(model: Any) -> int:
    """Weights of a mixture's experts that one tensor holds for all of them: bitsandbytes quantises
    linear layers alone."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() == 3 and "experts" in name
    )


def refuse_four_bit(model: Any) -> str | None:
    """Why a base cannot be held in 4 bit; None where it can. A model without weights will do."""
    experts = fused_experts(model)
    if not experts:
        return None
    total = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"{percent(experts / total)} of its weights are experts that bitsandbytes leaves in 16 bit "
        f"({experts * 2 / 2**30:,.0f} GiB): 4 bit saves next to nothing."
    )


def compute_experts_mixed(model: Any) -> None:
    """Let a mixture's float32 experts compute in bfloat16 as every other layer does.

    Autocast does not know grouped products, which Transformers takes for experts: they would
    compute in float32. Its plain loop over experts is made of linear layers, which autocast knows.
    """
    import torch

    experts = [p for name, p in model.named_parameters() if p.dim() == 3 and "experts" in name]
    if bfloat16_pays() and any(parameter.dtype == torch.float32 for parameter in experts):
        model.set_experts_implementation("eager")


def _prepared(model: Any) -> Any:
    """A base in 4 bit whose norms and head are float32, as QLoRA trains over it."""
    from peft import prepare_model_for_kbit_training

    _keep_unpacked(model)
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def _keep_unpacked(model: Any) -> None:
    """Keep bitsandbytes from repacking a base in 4 bit for inference, which it does for good.

    On a CPU with AVX512-BF16 the first answer outside training (a window's) repacks each layer.
    The kernel for repacked layers has no backward pass: training would go on with no gradient
    below them. The repacking also rounds the scales to bfloat16, and fails on rows that are
    shorter than a block of 64 weights.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _four_bit(folder: Path) -> dict[str, Any]:
    """Settings of a base in 4 bit, which computes in bfloat16 as ``bfloat16_pays`` says; of several
    processes each holds it on its own device."""
    import torch

    settings = four_bit(folder, torch.bfloat16 if bfloat16_pays() else torch.float32)
    _refuse_fused(folder)
    return settings


def _refuse_fused(folder: Path) -> None:
    """Raises BadInput for a mixture whose experts 4 bit cannot hold; its weights are not read."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    source: str | Path = folder
    if (folder / "adapter_config.json").is_file():
        text = (folder / "adapter_config.json").read_text(encoding="utf-8")
        source = json.loads(text)["base_model_name_or_path"]
    trusted = trust_remote_code(source)
    with torch.device("meta"), reading_model(folder, field="model.source"):
        config = AutoConfig.from_pretrained(source, trust_remote_code=trusted)
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted)
    if reason := refuse_four_bit(empty):
        raise BadInput(
            reason,
            file=folder,
            field="load_in_4bit",
            fix='Set load_in_4bit = false: method = "lora" holds the base in 16 bit.',
        )


def check_vocabulary(ids: Iterable[Sequence[int]], model: PreTrainedModel, folder: Path) -> None:
    """Raises BadInput where the tokenizer writes a token that the model does not embed."""
    size = int(model.config.get_text_config().vocab_size)
    largest = max(max(row) for row in ids)
    if largest >= size:
        raise BadInput(
            f"its tokenizer writes token {largest}, but the model embeds only {size}.", file=folder
        )
