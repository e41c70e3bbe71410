"""Export parity: a checkpoint's adapter, its merged model and a re-saved copy give the same logits
and the same greedy answers.

A copy that was only saved and loaded must be equal to the bit. Merging an adapter is held to what
the number format of the merged file can hold. Every weight must be the exact sum of base and
adapter, computed in float32, rounded once to that format, and the sum of all must keep the
adapter's change. In float32 the logits may differ by ``TOLERANCE`` and no answer may; in 16 bit the
rounding itself moves logits by a tenth and flips an answer that is nearly a tie, so there the
weights decide, and logits only have to lie near: they still show what no weight shows (a layer
that the configuration leaves out). What this module does not do: score answers, or compare with
what another engine makes of the same folder.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadInput
from ...generation.loading import load_model, load_tokenizer
from ...generation.prompts import Prompt
from ...records import Message
from ...records.decoding import Decoding
from ...worker.device import free_bytes, on_gpu, torch_device
from ...worker.remote_code import trust_remote_code

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOLERANCE = 1e-3
"""Largest distance of two logits that merging may cause, in float32; logits span tens."""
NEAR = 0.25
"""The same in 16 bit, in standard deviations of all logits: rounding moves real models by less than
0.1, another model by more than 1."""
FLIPPED = 2
"""Greedy answers that may differ in 16 bit where the weights of an adapter cannot be compared."""
KEPT = (0.75, 1.25)
"""The share of an adapter's change that its merged weights hold, between these bounds: 0 is the
base, 2 an adapter that was added twice."""
LEAST_KEPT = 0.9
"""Of an adapter's change; where its base's format would hold less, the merged weights are kept in
float32."""
SINGLE = 1e-6
"""Error of a sum in float32, of its terms' sizes."""
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
    answers_allowed: int = 0
    number_format: str = "float32"
    """Of the weights that were saved."""
    weight_error: float | None = None
    """Of an adapter: the largest distance of a merged weight from the exact sum, in roundings of
    its format: at most 1. None where weights were not compared."""
    kept: float | None = None
    """The share of the adapter's change that the merged weights hold: 1 but for rounding."""
    different: tuple[str, ...] = ()
    """Tensors that are not what they should be, or are missing; the first few."""

    @property
    def same(self) -> bool:
        return (
            self.logit_distance <= self.tolerance
            and self.answers_differ <= self.answers_allowed
            and not self.different
            and (self.kept is None or KEPT[0] <= self.kept <= KEPT[1])
        )


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
    not_compared: str = ""
    """Why logits and answers were not compared; empty where they were."""

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
    adapter = checkpoint / "adapter" if (checkpoint / "adapter").is_dir() else None
    if adapter is None and (folder / "adapter_config.json").is_file():
        adapter = folder
    variants: list[Variant] = []
    logits: list[Tensor] = []
    not_compared = _too_large(folder)
    if not not_compared:
        with tempfile.TemporaryDirectory(prefix="sentinel-parity-") as name:
            model = load_model(folder)
            logits, answers = _read(model, tokenizer)
            # What a 16-bit folder is answered with on a CPU is float32: saved in what was loaded,
            # so that the copy can be equal to the bit.
            model.save_pretrained(name)
            tokenizer.save_pretrained(name)
            del model
            _free()
            again = load_model(Path(name), dtype="auto")
            distance, differ = _distance(again, tokenizer, logits, answers)
            del again
            _free()
        variants.append(
            Variant(
                name="saved again", logit_distance=distance, tolerance=0.0, answers_differ=differ
            )
        )
    if adapter is not None:
        adapted = _unmerged(adapter)
        merge = _compare_weights(adapted, folder) if adapter != folder else None
        # A folder that is only an adapter is merged when it is loaded, in the format of the device.
        sixteen = on_gpu() or (merge is not None and merge.number_format != "float32")
        tolerance = TOLERANCE
        distance = 0.0
        differ = 0
        if not not_compared:
            import torch

            # A GPU computes in the base's own format, as reports do; a CPU in float32.
            placed = adapted.to(torch_device()) if on_gpu() else adapted.to(torch.float32)
            distance, differ = _distance(placed, tokenizer, logits, answers)
            if sixteen:
                spread = float(torch.cat([each.flatten() for each in logits]).std())
                tolerance = max(TOLERANCE, float(f"{NEAR * spread:.3g}"))
        allowed = 0
        if sixteen:
            allowed = len(ASKED) if merge is not None and merge.compared else FLIPPED
        variants.insert(
            0,
            Variant(
                name="adapter",
                logit_distance=distance,
                tolerance=tolerance,
                answers_differ=differ,
                answers_allowed=allowed,
                number_format=merge.number_format if merge else "float32",
                weight_error=merge.error if merge and merge.compared else None,
                kept=merge.kept if merge and merge.compared else None,
                different=merge.different if merge else (),
            ),
        )
        del adapted
        _free()
    files = {path.name for path in folder.iterdir()}
    weights = () if any(file.endswith(".safetensors") for file in files) else ("model.safetensors",)
    # An adapter's folder has no configuration of its own: its base model's is used.
    plain = "adapter_config.json" not in files
    return Parity(
        prompts=len(ASKED) if logits else 0,
        logits=sum(each.numel() for each in logits),
        variants=tuple(variants),
        missing=(*weights, *(file for file in NEEDED if plain and file not in files)),
        pickles=tuple(
            sorted(
                file for file in files if file.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))
            )
        ),
        not_compared=not_compared,
    )


def _too_large(folder: Path) -> str:
    """Why the model's logits cannot be read here; empty where they can."""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    free = free_bytes()
    # The weights, and a fifth of them for what answering takes.
    if not on_gpu() or size * 1.2 <= free:
        return ""
    return (
        f"the model's {size / 2**30:.1f} GiB do not fit the {free / 2**30:.1f} GiB that are free on "
        "the device: weights were compared, logits were not"
    )


def _free() -> None:
    import torch

    gc.collect()
    if on_gpu():
        torch.cuda.empty_cache()


def _unmerged(folder: Path) -> Any:
    """The adapter over its base, in memory of the host, weights in the formats of their files."""
    from peft import AutoPeftModelForCausalLM

    model: Any = AutoPeftModelForCausalLM.from_pretrained(
        folder, dtype="auto", trust_remote_code=trust_remote_code(folder)
    )
    return model.eval()


class Merge(NamedTuple):
    """What merged weights are beside the exact sum of base and adapter."""

    number_format: str
    error: float
    kept: float | None
    different: tuple[str, ...]
    compared: bool
    """False where the adapter changes weights otherwise than by a product that is added."""


def kept_by_rounding(adapted: Any) -> float:
    """The share of an adapter's change that is left when its sum with the base is rounded to the
    base's own number format."""
    import torch

    along = 0.0
    whole = 0.0
    for _, layer in _plain_layers(adapted):
        base = layer.get_base_layer().weight.data.cpu()
        delta = layer.get_delta_weight("default").detach().cpu().float()
        rounded = (base.float() + delta).to(base.dtype).float() - base.float()
        along += float((delta * rounded).sum(dtype=torch.float64))
        whole += float((delta * delta).sum(dtype=torch.float64))
    return along / whole if whole else 1.0


def _plain_layers(adapted: Any) -> Iterator[tuple[str, Any]]:
    """Name of the base's module -> the layer that adds a product to its weight. What is adapted by
    a parameter's name (routers, fused experts) is saved under other names."""
    from peft.tuners.lora.layer import ParamWrapper

    for name, module in _adapted_layers(adapted):
        if not isinstance(module, ParamWrapper):
            yield name, module


def _adapted_layers(adapted: Any) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    for name, module in adapted.get_base_model().named_modules():
        if isinstance(module, LoraLayer) and "default" in getattr(module, "lora_A", {}):
            yield name, module


def _compare_weights(adapted: Any, merged: Path) -> Merge:
    """Hold every tensor of the merged files against base and adapter, one tensor in memory at a
    time beside the base."""
    import torch
    from safetensors import safe_open

    layers = dict(_plain_layers(adapted))
    fused = tuple(f"{name}." for name, _ in _adapted_layers(adapted) if name not in layers)
    plain = not fused and not any(getattr(layer, "lora_variant", None) for layer in layers.values())
    base = {
        name.replace(".base_layer.", "."): parameter
        for name, parameter in adapted.get_base_model().named_parameters()
        if ".lora_" not in name
    }
    tied = set(getattr(adapted.get_base_model(), "all_tied_weights_keys", None) or ())
    missing = {f"{name}.weight" for name in layers}
    different: list[str] = []
    formats: set[str] = set()
    error = 0.0
    along = 0.0
    whole = 0.0
    for path in sorted(merged.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 -- not a mapping
                missing.discard(name)
                stored = file.get_tensor(name)
                if name not in base or name.startswith(fused):
                    # Fused experts are saved under other names, or changed by parameters of names
                    # of their own; their logits are compared.
                    continue
                formats.add(str(stored.dtype).removeprefix("torch."))
                before = base[name].data.cpu().float()
                if before.shape != stored.shape:
                    different.append(name)
                    continue
                layer = layers.get(name.removesuffix(".weight"))
                step = torch.finfo(stored.dtype).eps if stored.is_floating_point() else 0.0
                after = stored.float()
                if layer is None:
                    if not torch.equal(before.to(stored.dtype).float(), after):
                        different.append(name)
                    continue
                if not plain:
                    continue
                delta = layer.get_delta_weight("default").detach().cpu().float()
                exact = before + delta
                allowed = step * exact.abs() + SINGLE * (before.abs() + delta.abs())
                share = float(((after - exact).abs() / allowed.clamp(min=1e-30)).max())
                error = max(error, share)
                if not share <= 1.0:
                    different.append(name)
                along += float((delta * (after - before)).sum(dtype=torch.float64))
                whole += float((delta * delta).sum(dtype=torch.float64))
    different += sorted(missing - tied)
    number_format = "float32" if formats <= {"float32"} else min(formats - {"float32"})
    kept = float(f"{along / whole:.4g}") if whole else None
    return Merge(number_format, float(f"{error:.3g}"), kept, tuple(different[:5]), plain)


def _distance(
    model: Any, tokenizer: PreTrainedTokenizerBase, logits: list[Tensor], answers: dict[str, str]
) -> tuple[float, int]:
    """The largest distance of a logit, and how many greedy answers differ."""
    theirs, completions = _read(model, tokenizer)
    distance = max(float((a - b).abs().max()) for a, b in zip(logits, theirs, strict=True))
    differ = sum(completions[key] != answers[key] for key in answers)
    return float(f"{distance:.3g}"), differ


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
