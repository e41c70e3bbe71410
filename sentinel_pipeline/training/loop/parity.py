"""Export parity: a checkpoint's adapter, its merged model and a re-saved copy give the same logits
and the same greedy answers.

Merging an adapter adds its product to the weights in another order than adding its output, so equal
here is equal up to float32 rounding; a copy that was only saved and loaded must be equal to the
bit. What this module does not do: score answers, or compare with what another engine makes of the
same folder.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...generation.loading import load_model, load_tokenizer
from ...generation.prompts import Prompt
from ...records import Message
from ...records.decoding import Decoding

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOLERANCE = 1e-3
"""Largest distance of two logits that merging may cause, in float32; logits span tens."""
NEEDED = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
ANSWERED = Decoding(max_new_tokens=32, batch_size=16)
ASKED = (
    "Write a function that returns the sum of a list.",
    "Say hello.",
    "List the files of this folder.",
    'Answer in JSON: {"name": "pearl", "price": 4.5}',
    "My boat is red and my horse is brown. What colour is my horse?",
    "def double(x):\n    return",
    "Rename port to level.",
    "Diga o preço de 1.234,50.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form of the checkpoint beside the first."""

    name: str
    logit_distance: float
    """Largest absolute difference of any logit over all prompts."""
    tolerance: float
    answers_differ: int
    """Prompts whose greedy answers differ."""

    @property
    def same(self) -> bool:
        return self.logit_distance <= self.tolerance and self.answers_differ == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was compared with ``model/`` as our loader loads it."""

    prompts: int
    logits: int
    variants: tuple[Variant, ...]
    missing: tuple[str, ...]
    """Files that a Transformers folder should have and this one has not."""
    pickles: tuple[str, ...]
    """Files that would execute code when loaded."""

    @property
    def passed(self) -> bool:
        return (
            all(variant.same for variant in self.variants) and not self.missing and not self.pickles
        )

    def to_json(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self)}


def check_parity(checkpoint: Path) -> Parity:
    """Compare the forms of ``checkpoint``: a folder with ``model/`` (and ``adapter/``), or a
    model's own folder.

    Raises:
        BadInput: there is no loadable model.
    """
    if not checkpoint.is_dir():
        raise BadInput(
            "no such folder.", file=checkpoint, fix="Give a checkpoint's folder, or a model's."
        )
    folder = checkpoint / "model" if (checkpoint / "model").is_dir() else checkpoint
    tokenizer = load_tokenizer(folder)
    forms: list[tuple[str, Callable[[], PreTrainedModel], float]] = []
    if (checkpoint / "adapter").is_dir():
        forms.append(("adapter", lambda: _unmerged(checkpoint / "adapter"), TOLERANCE))
    elif (folder / "adapter_config.json").is_file():
        forms.append(("adapter", lambda: _unmerged(folder), TOLERANCE))
    with tempfile.TemporaryDirectory(prefix="sentinel-parity-") as name:
        model = load_model(folder)
        logits, answers = _read(model, tokenizer)
        model.save_pretrained(name)
        tokenizer.save_pretrained(name)
        del model
        forms.append(("saved again", lambda: load_model(Path(name)), 0.0))
        variants = tuple(_compare(form, tokenizer, logits, answers) for form in forms)
    files = {path.name for path in folder.iterdir()}
    weights = () if any(file.endswith(".safetensors") for file in files) else ("model.safetensors",)
    # An adapter's folder has no configuration of its own: its base model's is used.
    plain = "adapter_config.json" not in files
    return Parity(
        prompts=len(ASKED),
        logits=sum(each.numel() for each in logits),
        variants=variants,
        missing=(*weights, *(file for file in NEEDED if plain and file not in files)),
        pickles=tuple(
            sorted(
                file for file in files if file.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))
            )
        ),
    )


def _unmerged(folder: Path) -> PreTrainedModel:
    import torch
    from peft import AutoPeftModelForCausalLM

    cuda = torch.cuda.is_available()
    model: Any = AutoPeftModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16 if cuda else torch.float32
    )
    placed: PreTrainedModel = model.to("cuda" if cuda else "cpu").eval()
    return placed


def _compare(
    form: tuple[str, Callable[[], PreTrainedModel], float],
    tokenizer: PreTrainedTokenizerBase,
    logits: list[Tensor],
    answers: dict[str, str],
) -> Variant:
    name, load, tolerance = form
    model = load()
    found, said = _read(model, tokenizer)
    del model
    gc.collect()
    distance = max(float((a - b).abs().max()) for a, b in zip(logits, found, strict=True))
    differ = sum(said[key] != answers[key] for key in answers)
    return Variant(
        name=name,
        logit_distance=float(f"{distance:.3g}"),
        tolerance=tolerance,
        answers_differ=differ,
    )


def _read(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[Tensor], dict[str, str]]:
    """Logits of every position of every prompt, and the greedy answers."""
    import torch

    from ...generation.engine import generate

    prompts = [Prompt(str(index), (Message("user", text),)) for index, text in enumerate(ASKED)]
    decoding = (
        ANSWERED
        if tokenizer.chat_template
        else Decoding(max_new_tokens=32, batch_size=16, prompt_format="raw")
    )
    answers = {
        each.id: each.completion
        for batch in generate(model, tokenizer, prompts, decoding)
        for each in batch
    }
    logits = []
    with torch.inference_mode():
        for text in ASKED:
            tokens = tokenizer(text, return_tensors="pt")["input_ids"].to(model.device)
            logits.append(model(input_ids=tokens).logits.float().cpu())
    return logits, answers
