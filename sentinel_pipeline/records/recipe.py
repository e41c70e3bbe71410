"""A recipe: one TOML file that says everything about a run, read into frozen dataclasses.

An unknown key, a wrong type or a value out of range is a ``BadInput`` that names the file, the key and the nearest known
one. What this module does not do: resolve models or paths, or decide anything; rooms read the section that is theirs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import BadInput
from .task import CATEGORIES
from .toml import read_section, read_toml

SHARES = dict(zip(CATEGORIES, (0.45, 0.20, 0.15, 0.10, 0.10)))
"""Seed 000's data mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """The small Llama that a recipe without weights pretrains on the spot."""

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    intermediate: int = 384
    vocabulary: int = 1536
    context: int = 512
    """Positions that the model can attend to, in tokens."""
    pretrain_steps: int = 100
    pretrain_batch: int = 8
    """Blocks of ``pretrain_length`` tokens a step."""
    pretrain_length: int = 256
    optimizer: Literal["adamw", "muon"] = "muon"
    pretrain_learning_rate: float = 1e-3
    warmup_steps: int = 20
    raw_material_share: float = 0.8
    """Share of pretraining tokens from the families' raw material; the rest is the standard library's source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    source: str = "embedded"
    """``embedded``, a local folder, or a hub model's name."""
    revision: str | None = None
    embedded: EmbeddedModel = field(default_factory=EmbeddedModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksSpec:
    """How many generated tasks of each family, by family name."""

    train: dict[str, int] = field(default_factory=dict)
    heldout: dict[str, int] = field(default_factory=dict)
    window: dict[str, int] = field(default_factory=dict)
    """For the windows of training; of compositions that neither train nor judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    name: str
    """Dataset name on the hub, or a local folder of the same layout."""
    split: str = "train"
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesSpec:
    corrupted_share: float = 0.1
    """Corrupted variants for each reference, on average."""
    files: tuple[str, ...] = ()
    """Files or folders, relative to the project's root."""
    hub: tuple[HubSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSpec:
    cpu_seconds: float = 5.0
    memory_mib: int = 512
    workers: int | None = None
    """Grader workers; every available core when absent."""
    require_isolation: Literal["none", "rlimits", "seccomp", "namespaces", "full"] = "seccomp"
    """On a machine that isolates less, no candidate runs and the stage is refused (``sentinel doctor`` names the level)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSpec:
    shares: dict[str, float] = field(default_factory=lambda: dict(SHARES))
    size: int | None = None
    """Rows wanted; the most that the shares allow when absent."""
    repair_share: float = 0.05
    """Largest share of repair traces within a category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Evaluation while training: every ``every`` steps the model answers ``items`` tasks of ``suite``."""

    every: int = 250
    suite: str = "window"
    """``window``: the task bank's own window tasks, which no gate judges by; or one of ``bench.suites``."""
    items: int = 50
    syntax_drops: int = 2
    """Stop when the syntax rate dropped in this many windows in a row."""
    no_gain_by: int = 750
    """Stop when Pass@1 has not improved by this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSpec:
    method: Literal["full", "lora"] = "full"
    epochs: float = 1.0
    max_steps: int | None = None
    batch_size: int = 32
    gradient_accumulation: int = 1
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 2e-3
    schedule: Literal["linear", "cosine", "constant_with_warmup", "warmup_stable_decay"] = "cosine"
    decay_share: float = 0.6
    """Last share of the steps over which ``warmup_stable_decay`` falls linearly to zero."""
    warmup_steps: int = 40
    weight_decay: float = 0.01
    max_length: int = 512
    lora_r: int = 32
    lora_alpha: int = 32
    save_every: int = 100
    """Steps between full optimizer checkpoints."""
    windows: Windows = field(default_factory=Windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSpec:
    suites: tuple[str, ...] = ("heldout", "smoke")
    max_new_tokens: int = 128
    batch_size: int = 64
    temperature: float = 0.0
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A gate's policy: ``metric`` of the ``suite`` against ``threshold``, decided on the interval or on the point."""

    metric: Literal["pass_at_1", "syntax_rate"]
    threshold: float
    stage: str = "sft"
    """Whose report is judged: ``base``, ``sft`` …"""
    suite: str = "heldout"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: the whole confidence interval must clear the threshold; between the two the gate is inconclusive."""
    confidence: float = 0.95
    max_infra_share: float = 0.02
    """More infrastructure outcomes than this and the report is void: the gate is inconclusive."""
    severity: Literal["block", "warn"] = "block"
    """``warn``: shown, never a reason to refuse (a smoke suite of 8 tasks decides nothing, see the README)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The recipe's gates, one field each; defaults are the seeds' thresholds."""

    capability_gap: GatePolicy = GatePolicy(metric="pass_at_1", stage="base", threshold=0.30, direction="at_most")
    """Seeds 001 and 003: never train what the base model can do already."""
    pass_at_1: GatePolicy = GatePolicy(metric="pass_at_1", threshold=0.40)
    """Seed 000: at least 40 % Pass@1."""
    syntax_rate: GatePolicy = GatePolicy(metric="syntax_rate", threshold=0.95)
    """Seed 000: at least 95 % syntax rate."""
    smoke_pass_at_1: GatePolicy = GatePolicy(metric="pass_at_1", suite="smoke", threshold=0.40, severity="warn")
    """Eight tasks: a quick look, never a promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    hourly_rate: float = 0.0
    currency: str = "USD"
    max_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    """The stem of the recipe's file."""
    description: str = ""
    seed: int = 17
    nightly: bool = False
    model: ModelSpec = field(default_factory=ModelSpec)
    tasks: TasksSpec = field(default_factory=TasksSpec)
    candidates: CandidatesSpec = field(default_factory=CandidatesSpec)
    critic: CriticSpec = field(default_factory=CriticSpec)
    mix: MixSpec = field(default_factory=MixSpec)
    sft: SftSpec = field(default_factory=SftSpec)
    bench: BenchSpec = field(default_factory=BenchSpec)
    gates: Gates = field(default_factory=Gates)
    budget: Budget = field(default_factory=Budget)

    def sha256(self) -> str:
        """Hash of the recipe's *meaning*: formatting and comments of the file do not count."""
        return section_hash(self)


def section_hash(section: Any) -> str:
    """SHA-256 of a recipe or one of its sections as canonical JSON."""
    text = json.dumps(asdict(section), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def load_recipe(path: Path) -> Recipe:
    """Read and validate one recipe file.

    Raises:
        BadInput: the file is missing or no TOML, a key is unknown, a value has the wrong type or is out of range.
    """
    data = read_toml(path)
    data.setdefault("name", path.stem)
    recipe = read_section(Recipe, data, file=path)
    _validate(recipe, path)
    return recipe


def _validate(recipe: Recipe, path: Path) -> None:
    if recipe.name != path.stem:
        raise BadInput(
            f"is {recipe.name!r} but the file is {path.name!r}.", file=path, field="name", fix="Make them equal."
        )
    total = sum(recipe.mix.shares.values())
    if abs(total - 1) > 1e-6 or any(share < 0 for share in recipe.mix.shares.values()):
        raise BadInput(
            f"shares sum to {total:g}, expected 1 with none negative.",
            file=path,
            field="mix.shares",
            fix="Adjust the shares.",
        )
    for name in Gates.__slots__:
        policy: GatePolicy = getattr(recipe.gates, name)
        if not 0 < policy.threshold < 1 or not 0.5 < policy.confidence < 1:
            raise BadInput(
                f"threshold {policy.threshold:g} and confidence {policy.confidence:g}: expected both within (0, 1).",
                file=path,
                field=f"gates.{name}",
                fix="A rate of 40 % is written 0.40.",
            )
        if policy.suite not in recipe.bench.suites:
            raise BadInput(
                f"suite {policy.suite!r} is not answered by this recipe.",
                file=path,
                field=f"gates.{name}.suite",
                fix=f"Add it to bench.suites ({', '.join(recipe.bench.suites)}).",
            )
    _positive(recipe, path)


def _positive(recipe: Recipe, path: Path) -> None:
    sections: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("sft", recipe.sft, ("batch_size", "gradient_accumulation", "learning_rate", "max_length", "save_every")),
        ("sft.windows", recipe.sft.windows, ("every", "items")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
    )
    for section, spec, names in sections:
        for name in names:
            if getattr(spec, name) <= 0:
                raise BadInput(f"is {getattr(spec, name)}, expected more than 0.", file=path, field=f"{section}.{name}")
