"""The model that a tuning trains: loaded with float32 masters, whole, with its adapter, or with a
base in 4 bit.

What this module does not do: train, or load a model to generate with (``generation.loading``).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput, Infrastructure
from ...worker.device import bfloat16_pays, is_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_trainable(
    folder: Path, method: str, load_in_4bit: bool = False, *, flash: bool = False
) -> PreTrainedModel:
    """Float32 masters: a checkpoint's own bfloat16 would swallow small updates.

    An adapter's folder is loaded as its trainable adapter for ``lora``, merged into its base for
    ``full``. With ``load_in_4bit`` the adapter's base is held in 4 bit, with ``flash`` attention is
    computed by the flash-attn package.

    Raises:
        BadInput: the folder holds no causal language model, or weights that are none of its
            configuration's.
        Infrastructure: 4 bit is asked for where nothing can compute in it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    loaded: Any
    options: dict[str, Any] = {
        "dtype": torch.float32,
        **(_four_bit(folder) if load_in_4bit else {}),
    }
    if flash:
        options["attn_implementation"] = "flash_attention_2"
    try:
        if not (folder / "adapter_config.json").is_file():
            loaded = AutoModelForCausalLM.from_pretrained(
                folder, output_loading_info=True, **options
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
            base: PreTrainedModel = _prepared(loaded[0]) if load_in_4bit else loaded[0]
            return base
        from peft import AutoPeftModelForCausalLM

        adapted = AutoPeftModelForCausalLM.from_pretrained(
            folder, is_trainable=method == "lora", **options
        )
    except (OSError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"holds no causal language model: {text}", file=folder, field="model.source"
        ) from error
    if load_in_4bit:
        _keep_unpacked(adapted)
    trained: PreTrainedModel = adapted if method == "lora" else adapted.merge_and_unload()
    return trained


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
    """QLoRA's own settings: NF4, scales quantised again, bfloat16 as ``bfloat16_pays`` says."""
    import torch
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise Infrastructure(
            f"{folder} is to be held in 4 bit, but bitsandbytes is not installed: pip install 'sentinel_pipeline[gpu]', or set "
            "load_in_4bit = false."
        )
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bfloat16_pays() else torch.float32,
    )
    return {
        "quantization_config": settings,
        "device_map": {"": "cuda:0" if torch.cuda.is_available() else "cpu"},
    }


def check_vocabulary(ids: Iterable[Sequence[int]], model: PreTrainedModel, folder: Path) -> None:
    """Raises BadInput where the tokenizer writes a token that the model does not embed."""
    size = int(model.config.get_text_config().vocab_size)
    largest = max(max(row) for row in ids)
    if largest >= size:
        raise BadInput(
            f"its tokenizer writes token {largest}, but the model embeds only {size}.", file=folder
        )
