"""What a model is, before anything is done with it: where it comes from, its shape, its tokens,
what training would refuse, and the memory of answering and of each training method.

Reads configuration, tokenizer and the heads of weight files; weights are converted where they have
to be, as any use of them would. Of a hub model only the small files are fetched. What this module
does not do: load weights, or judge answers.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...generation.loading import load_tokenizer
from ...generation.prompts import opened_thought, text_opening
from ...generation.template import problems, takes_no_system
from ...records.model_spec import ModelSpec
from ...records.recipe import Recipe
from ...records.stages import SFT, TRAINING_STAGES, TrainingStage
from ...records.training_spec import SftSpec, StageSpec
from ...store import Home
from ...store.address import find_stage
from ...worker.convert import Say, cached, converted, is_ready
from ...worker.models import needs_code
from ...worker.weights import Located, locate, of_path
from .plan_model import MIB, PlannedModel, planned_model, read_config

ROWS = 8
LENGTH = 1024
PROMPTS = 16
RANK = 16
"""For what memory is estimated: rows of a micro-batch, tokens of each, prompts answered at a time,
rank of an adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One model's facts."""

    source: str
    kind: str
    """``transformers``, ``peft``, ``gguf`` or ``raw``."""
    commit: str | None
    """The hub's commit, or a package's name and version."""
    path: str
    """Where the weights lie as they came."""
    folder: str | None
    """The Transformers folder that is used; None where the weights were not fetched or
    converted."""
    formats: dict[str, int]
    """Number format -> tensors in the files as they came."""
    size_mib: int
    code: bool
    """Whether its architecture is Python code of its own."""
    shape: PlannedModel
    heads: int
    key_value_heads: int
    tied: bool
    template: str
    """``none``, or what its system turns become: ``taken``, ``joined to the user's turn``."""
    thinking: str
    """``no``; ``switch`` where the template has ``enable_thinking``, ``opened`` where it opens a
    thought by itself."""
    turn_end: str | None
    stop_tokens: tuple[str, ...]
    pad_token: str | None
    text_begins_with: str | None
    """The token by which a plain prompt begins."""
    problems: tuple[str, ...]
    """What training would refuse."""
    memory_mib: dict[str, int]
    """Use -> MiB, in float32 as on a CPU; estimates."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "memory_of": {"rows": ROWS, "length": LENGTH, "prompts": PROMPTS, "lora_r": RANK}
        }


def inspect_model(
    home: Home, address: str, spec: ModelSpec, say: Say = lambda text: None
) -> Inspected:
    """The facts of ``address``: RECIPE/STAGE, or anything that ``model.source`` may be.

    Args:
        spec: template, stop token and the like to look at the model with; its source is not read.
        say: told of a conversion.

    Raises:
        BadInput: there is no such model, or its configuration or tokenizer cannot be read.
        Infrastructure: the hub cannot be reached.
    """
    located = None
    if find_stage(home, address) is not None:
        from ...generation.targets import find_target

        folder = find_target(home, address).folder
        assert folder is not None
        located = of_path(folder)
    source, _, revision = address.partition("@")
    spec = replace(spec, source=source if located is None else str(located.path))
    if located is None:
        spec = replace(spec, revision=revision or None)
        located = locate(spec, weights=False)
    assert located is not None
    used: Path | None = located.path
    if not is_ready(located, spec):
        used = cached(located, spec, home.converted) or converted(
            located, spec, home.converted, say
        )
    assert used is not None
    tokenizer = load_tokenizer(used)
    config = read_config(located, spec)
    text = config.get_text_config()
    shape = _shape(located, spec, used)
    heads = int(getattr(text, "num_attention_heads", 0) or 0)
    groups = int(getattr(text, "num_key_value_heads", 0) or heads)
    width = int(getattr(text, "head_dim", 0) or shape.hidden // max(heads, 1))
    opening = text_opening(tokenizer)
    template = str(tokenizer.chat_template or "")
    thinking = "switch" if "enable_thinking" in template else "no"
    if template and opened_thought(tokenizer):
        thinking = "opened"
    system = "taken"
    if template and takes_no_system(tokenizer):
        system = "joined to the user's turn"
    cache = 2 * shape.layers * groups * width * 4 * PROMPTS * LENGTH
    answering = (shape.parameters * 4 + cache) / MIB
    return Inspected(
        source=address,
        kind=located.kind,
        commit=located.commit,
        path=str(located.path),
        folder=str(used),
        formats=formats_of(located),
        size_mib=round(sum(path.stat().st_size for path in weight_files(located)) / MIB),
        code=needs_code(used),
        shape=shape,
        heads=heads,
        key_value_heads=groups,
        tied=bool(getattr(text, "tie_word_embeddings", False)),
        template=system if template else "none",
        thinking=thinking,
        turn_end=str(tokenizer.eos_token) if template else None,
        stop_tokens=_stops(used, text, tokenizer),
        pad_token=str(tokenizer.pad_token) if tokenizer.pad_token else None,
        text_begins_with=str(tokenizer.convert_ids_to_tokens(opening[0])) if opening else None,
        problems=tuple(reason for _, reason in problems(tokenizer)),
        memory_mib={"answering": round(answering)}
        | {name: shape.memory_mib(method, sides, None)["total"] for name, method, sides in METHODS},
    )


def _settings(stage: TrainingStage, **changes: Any) -> StageSpec:
    """A stage's settings at the sizes that memory is estimated for, as far as it has such keys."""
    wanted = {
        "batch_size": ROWS,
        "max_length": LENGTH,
        "lora_r": RANK,
        "prompts_per_step": 1,
        "num_generations": ROWS,
        "max_prompt_length": LENGTH // 2,
        "max_completion_length": LENGTH // 2,
        **changes,
    }
    names = {each.name for each in fields(stage.spec)}
    return stage.spec(**{name: value for name, value in wanted.items() if name in names})


def _sides(stage: TrainingStage) -> int:
    return stage.rows.sides if stage.rows is not None else 1


METHODS: tuple[tuple[str, StageSpec, int], ...] = (
    (f"{SFT.name}, full", _settings(SFT), 1),
    *(
        (f"{stage.name}, LoRA", _settings(stage, method="lora"), _sides(stage))
        for stage in TRAINING_STAGES
    ),
    (f"{SFT.name}, LoRA on 4 bit", _settings(SFT, method="lora", load_in_4bit=True), 1),
    (
        f"{SFT.name}, LoRA with checkpointing",
        _settings(SFT, method="lora", gradient_checkpointing=True),
        1,
    ),
)
"""What memory is estimated for: its name, the settings, and sequences a row."""


def _shape(located: Located, spec: ModelSpec, used: Path) -> PlannedModel:
    """The shape with an adapter of rank ``RANK``."""
    source = str(used if located.kind in ("gguf", "raw") else located.path)
    recipe = Recipe(
        name="inspect",
        stages=(SFT.name,),
        model=replace(spec, source=source),
        sft=SftSpec(method="lora", lora_r=RANK),
    )
    shape = planned_model(recipe, used)
    assert shape is not None
    return shape


def _stops(folder: Path, config: Any, tokenizer: Any) -> tuple[str, ...]:
    """Texts of the tokens at which generation ends: of the generation config, the configuration
    and the tokenizer."""
    ids: list[Any] = [tokenizer.eos_token_id]
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for configured in (settings.get("eos_token_id"), getattr(config, "eos_token_id", None)):
        ids += configured if isinstance(configured, list) else [configured]
    names = [str(tokenizer.convert_ids_to_tokens(int(i))) for i in ids if i is not None]
    return tuple(dict.fromkeys(names))


def weight_files(located: Located) -> list[Path]:
    """The files of the weights as they came."""
    if located.path.is_file():
        return [located.path]
    files = [*located.path.glob("*.safetensors"), *located.path.glob("pytorch_model*.bin")]
    return sorted(files)


def formats_of(located: Located) -> dict[str, int]:
    """Number format -> tensors, from the heads of the files; of a ``.bin`` or ``.pt`` file nothing
    is said."""
    counts: Counter[str] = Counter()
    for path in weight_files(located):
        if path.suffix == ".safetensors":
            counts.update(_safetensors(path))
        elif path.suffix == ".gguf":
            from gguf import GGUFReader

            counts.update(str(tensor.tensor_type.name) for tensor in GGUFReader(path).tensors)
    return dict(counts.most_common())


def _safetensors(path: Path) -> list[str]:
    """The format of each tensor: the file begins with the length of a JSON object that says it."""
    with path.open("rb") as stream:
        head = stream.read(8)
        if len(head) < 8:
            raise BadInput("not a safetensors file.", file=path, fix="Fetch it again.")
        (length,) = struct.unpack("<Q", head)
        try:
            tensors = json.loads(stream.read(min(length, 1 << 28)))
        except ValueError as error:
            raise BadInput("not a safetensors file.", file=path, fix="Fetch it again.") from error
    return [value["dtype"] for name, value in tensors.items() if name != "__metadata__"]
