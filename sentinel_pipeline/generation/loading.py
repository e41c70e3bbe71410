"""A model and its tokenizer from a folder, ready to generate: plain weights, or an adapter merged
into its base.

Weights are safetensors: a pickle may run code of its author's when it is read, so it is not read.
Nor is a model's own code run (``worker.remote_code``).
"""

from __future__ import annotations

import errno
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Infrastructure, SentinelError
from ..worker.device import first_line, is_out_of_memory, on_gpu, torch_device
from ..worker.remote_code import trust_remote_code
from .template import turn_end

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Names of weights that are a pickle."""
_MACHINE = {errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors of reading that say nothing about the file."""


ANSWER_DTYPE = "sentinel_dtype"
"""Key of a ``config.json`` that says in which number format these weights are answered with: a
small adapter's change would be lost in the device's usual 16 bit."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, padding on the left as generation needs; an adapter's own, else its
    base's.

    Its ``eos_token`` is the token by which the chat template ends an answer, as it is in the
    instruction-tuned releases: base Qwen and Gemma checkpoints name another one, that of a
    document, which still pads where no pad token is named.
    """
    from transformers import AutoTokenizer

    check_folder(folder)
    with reading_model(folder, "has no usable tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            tokenizer_place(folder),
            padding_side="left",
            trust_remote_code=trust_remote_code(folder),
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    end = turn_end(tokenizer)
    if end is not None and end != tokenizer.eos_token:
        tokenizer.eos_token = end
        if tokenizer.pad_token is None:
            tokenizer.pad_token = end
    return tokenizer


def tokenizer_place(folder: Path) -> str:
    """Where the tokenizer of a model's folder lies: in an adapter's base where the adapter brings
    none."""
    adapter = folder / "adapter_config.json"
    if adapter.is_file() and not (folder / "tokenizer_config.json").is_file():
        base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
        return str(base or folder)
    return str(folder)


def load_model(
    folder: Path,
    *,
    exact: bool = False,
    dtype: Any = None,
    device: str | None = None,
    load_in_4bit: bool = False,
) -> PreTrainedModel:
    """The folder's causal language model in evaluation mode on the device: float32 on a CPU,
    bfloat16 on a GPU; ``dtype`` and ``device`` say otherwise (``"auto"`` is the weights' own).
    ``exact``: float32 in main memory, for arithmetic with the weights.

    With ``load_in_4bit`` its linear layers are held in 4 bit, an adapter unmerged over them.

    Raises:
        BadInput: the folder holds no causal language model.
        Infrastructure: 4 bit is asked for where ``bitsandbytes`` is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM

    check_folder(folder)
    check_weights(folder)
    trusted = trust_remote_code(folder)
    sixteen_bit = on_gpu() and not exact and answer_dtype(folder) is None
    usual = torch.bfloat16 if sixteen_bit else torch.float32
    device = "cpu" if exact else device
    options: dict[str, Any] = {
        "dtype": dtype or usual,
    }
    if load_in_4bit:
        options |= four_bit(folder, torch.bfloat16 if on_gpu() else torch.float32)
    with reading_model(folder):
        if (folder / "adapter_config.json").is_file():
            from peft import AutoPeftModelForCausalLM

            adapted: Any = AutoPeftModelForCausalLM.from_pretrained(
                folder, trust_remote_code=trusted, **options
            )
            if load_in_4bit:
                unmerged: PreTrainedModel = adapted.eval()
                return unmerged
            model = adapted.merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(
                folder, trust_remote_code=trusted, use_safetensors=True, **options
            )
    allow_sampling(model)
    if load_in_4bit:
        answering: PreTrainedModel = model.eval()
        return answering
    placed: PreTrainedModel = model.to(device or torch_device()).eval()
    return placed


def four_bit(folder: Path, compute_dtype: Any) -> dict[str, Any]:
    """QLoRA's own settings for ``from_pretrained``: NF4, scales quantised again (Dettmers et al.,
    2023, arXiv:2305.14314), on this process's device.

    Raises:
        Infrastructure: ``bitsandbytes`` is missing.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise Infrastructure(
            f"{folder} is to be held in 4 bit, but bitsandbytes is not installed: pip install 'sentinel_pipeline[gpu]', or set "
            "load_in_4bit = false."
        )
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )
    return {"quantization_config": settings, "device_map": {"": torch_device()}}


def answer_dtype(folder: Path) -> str | None:
    """The number format that a folder asks to be answered in; None leaves it to the device."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return "float32" if isinstance(config, dict) and config.get(ANSWER_DTYPE) else None


def allow_sampling(model: PreTrainedModel) -> None:
    """Some checkpoints name a temperature and not that it is sampled at: Transformers reads such a
    generation config, and refuses to save it."""
    settings = model.generation_config
    if settings is None or settings.do_sample:
        return
    named = [getattr(settings, name, None) for name in ("temperature", "top_p", "top_k")]
    if any(value not in (None, neutral) for value, neutral in zip(named, (1.0, 1.0, 50))):
        settings.do_sample = True


def check_folder(folder: Path) -> None:
    """Raises BadInput: the folder is not there, or holds no model."""
    if not folder.is_dir():
        raise BadInput(
            "no such model folder.", file=folder, fix="Give the folder that holds config.json."
        )
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        problem = "holds no config.json."
        raise BadInput(problem, file=folder, fix="Give a folder that Transformers or PEFT saved.")


def check_weights(folder: Path, *, field: str | None = None) -> None:
    """Raises BadInput: the folder's weights are a pickle and nothing else."""
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise BadInput(
            "is a pickle, which may run code when it is read: it is not read.",
            file=pickles[0],
            field=field,
            fix="Save the weights as safetensors: model.save_pretrained(FOLDER).",
        )


@contextmanager
def reading_model(
    folder: Path, problem: str = "holds no causal language model", *, field: str | None = None
) -> Iterator[None]:
    """Whatever goes wrong inside is about the folder, which somebody else wrote.

    Raises:
        BadInput: it cannot be used; says what the library says.
        Infrastructure: the machine could not read it.
    """
    try:
        yield
    except (SentinelError, ImportError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        if isinstance(error, OSError) and error.errno in _MACHINE:
            raise Infrastructure(f"{folder} cannot be read: {error}.") from error
        # The libraries' own advice is to run the code.
        if "trust_remote_code" in str(error):
            raise BadInput(
                f"{problem} that can be used without running code of its own.",
                file=folder,
                field=field,
                fix="Code of a checkpoint is not run: use an architecture that Transformers knows.",
            ) from error
        raise BadInput(f"{problem}: {first_line(error)}", file=folder, field=field) from error
