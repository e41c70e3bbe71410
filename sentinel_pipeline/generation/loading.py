"""A model and its tokenizer from a folder, ready to generate: plain weights, or an adapter merged
into its base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, padding on the left as generation needs; the end token pads where no
    pad token is named."""
    from transformers import AutoTokenizer

    check_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    except (OSError, ValueError) as error:
        raise BadInput(f"has no usable tokenizer: {_first_line(error)}", file=folder) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path) -> PreTrainedModel:
    """The folder's causal language model in evaluation mode on the device: float32 on a CPU,
    bfloat16 on a GPU."""
    import torch
    from transformers import AutoModelForCausalLM

    check_folder(folder)
    cuda = torch.cuda.is_available()
    options: dict[str, Any] = {"dtype": torch.bfloat16 if cuda else torch.float32}
    try:
        if (folder / "adapter_config.json").is_file():
            from peft import AutoPeftModelForCausalLM

            model = AutoPeftModelForCausalLM.from_pretrained(folder, **options).merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"holds no causal language model: {_first_line(error)}", file=folder
        ) from error
    placed: PreTrainedModel = model.to("cuda" if cuda else "cpu").eval()
    return placed


def check_folder(folder: Path) -> None:
    """Raises BadInput: the folder is not there, or holds no model."""
    if not folder.is_dir():
        raise BadInput(
            "no such model folder.", file=folder, fix="Give the folder that holds config.json."
        )
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        problem = "holds no config.json."
        raise BadInput(problem, file=folder, fix="Give a folder that Transformers or PEFT saved.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
