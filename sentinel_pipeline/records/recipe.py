"""A recipe: one TOML file that says everything about a run, read into frozen dataclasses.

An unknown key, a wrong type or a value out of range is a ``BadInput`` that names the file, the key and the nearest known
one. What this module does not do: resolve models or paths, or decide anything; rooms read the section that is theirs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput, did_you_mean
from .data_spec import CandidatesSpec, CriticSpec, MixSpec, TasksSpec
from .decision_spec import DecisionPoint
from .gate_spec import BenchSpec, GatePolicy, Gates
from .model_spec import ModelSpec
from .preference import REJECTION_KINDS
from .toml import read_section, read_toml
from .training_spec import Budget, DpoSpec, PairsSpec, SftSpec


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
    pairs: PairsSpec = field(default_factory=PairsSpec)
    dpo: DpoSpec = field(default_factory=DpoSpec)
    bench: BenchSpec = field(default_factory=BenchSpec)
    gates: Gates = field(default_factory=Gates)
    decisions: tuple[DecisionPoint, ...] = ()
    """The decision tree: a point for each stage after whose report something is decided."""
    budget: Budget = field(default_factory=Budget)

    def decision_after(self, stage: str) -> DecisionPoint | None:
        return next((point for point in self.decisions if point.stage == stage), None)

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
    _pairs_and_dpo(recipe, path)
    _decisions(recipe, path)


def _decisions(recipe: Recipe, path: Path) -> None:
    stages = [point.stage for point in recipe.decisions]
    for index, point in enumerate(recipe.decisions):
        field, known = f"decisions[{index}]", ("base", "sft", "dpo", "grpo")
        if point.stage not in known:
            fix = did_you_mean(point.stage, known)
            raise BadInput(f"{point.stage!r} is no stage with a report.", file=path, field=f"{field}.stage", fix=fix)
        if stages.count(point.stage) > 1:
            raise BadInput(
                f"{point.stage!r} has two points.", file=path, field=f"{field}.stage", fix="Join their rules."
            )
        if point.suite not in recipe.bench.suites:
            fix = f"Add it to bench.suites ({', '.join(recipe.bench.suites)})."
            raise BadInput(f"{point.suite!r} is not answered.", file=path, field=f"{field}.suite", fix=fix)
        if not point.rules:
            raise BadInput("has no rules.", file=path, field=f"{field}.rules", fix="Add [[decisions.rules]].")


def _pairs_and_dpo(recipe: Recipe, path: Path) -> None:
    pairs, caps = recipe.pairs, recipe.pairs.largest_shares
    unknown = [kind for kind in caps if kind not in REJECTION_KINDS]
    if unknown:
        fix = did_you_mean(unknown[0], REJECTION_KINDS)
        raise BadInput("is no kind of rejection.", file=path, field=f"pairs.largest_shares.{unknown[0]}", fix=fix)
    rules = (
        ("pairs.samples", 2 <= pairs.samples <= 16, pairs.samples, "2 to 16: one answer alone has no pair"),
        ("pairs.temperature", pairs.temperature > 0, pairs.temperature, "more than 0: greedy answers are all the same"),
        ("pairs.top_p", 0 < pairs.top_p <= 1, pairs.top_p, "within (0, 1]"),
        ("pairs.margin", 0 < pairs.margin <= 1, pairs.margin, "within (0, 1]: two sides that tie are no pair"),
        ("pairs.largest_shares", all(0 < cap <= 1 for cap in caps.values()), caps, "shares within (0, 1]"),
        (
            "pairs.largest_shares",
            len(caps) < len(REJECTION_KINDS) or sum(caps.values()) >= 1,
            caps,
            "shares that sum to 1 or more where every kind has one",
        ),
        ("dpo.beta", recipe.dpo.beta > 0, recipe.dpo.beta, "more than 0; seed 001 uses 0.1 to 0.3"),
        ("dpo.sft_weight", recipe.dpo.sft_weight >= 0, recipe.dpo.sft_weight, "0 or more"),
        ("budget.utilisation", 0 < recipe.budget.utilisation <= 1, recipe.budget.utilisation, "within (0, 1]"),
    )
    for name, good, found, expected in rules:
        if not good:
            raise BadInput(f"is {found}, expected {expected}.", file=path, field=name)


_TUNING = (
    "epochs", "batch_size", "gradient_accumulation", "learning_rate", "decay_share", "max_length", "lora_r", "lora_alpha",
    "save_every",
)  # fmt: skip


def _positive(recipe: Recipe, path: Path) -> None:
    sections: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("sft", recipe.sft, _TUNING),
        ("sft.windows", recipe.sft.windows, ("every", "items")),
        ("pairs", recipe.pairs, ("prompts", "min_pairs")),
        ("dpo", recipe.dpo, _TUNING),
        ("dpo.windows", recipe.dpo.windows, ("every", "items")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
    )
    for section, spec, names in sections:
        for name in names:
            if getattr(spec, name) <= 0:
                raise BadInput(f"is {getattr(spec, name)}, expected more than 0.", file=path, field=f"{section}.{name}")
