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

from ..errors import BadInput
from .data_spec import CandidatesSpec, CriticSpec, MixSpec, TasksSpec
from .decision_spec import Condition, Scenario
from .gate_spec import BenchSpec, GatePolicy, Gates
from .grpo_spec import GrpoSpec
from .model_spec import ModelSpec
from .toml import read_section, read_toml
from .training_spec import Budget, SftSpec


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
    grpo: GrpoSpec | None = None
    """None: the recipe has no GRPO."""
    bench: BenchSpec = field(default_factory=BenchSpec)
    gates: Gates = field(default_factory=Gates)
    next: tuple[Scenario, ...] = ()
    """The decision tree over the finished GRPO run, asked by ``sentinel next``."""
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
    if recipe.grpo is not None:
        _validate_grpo(recipe.grpo, path)
    for at, scenario in enumerate(recipe.next):
        _validate_scenario(scenario, f"next[{at}]", path)


def _validate_grpo(spec: GrpoSpec, path: Path) -> None:
    for name, low, high in (("generations", 2, 4096), ("warmup_share", 0, 0.999), ("beta", 0, 1e3)):
        if not low <= getattr(spec, name) <= high:
            raise BadInput(f"is {getattr(spec, name)}, expected {low:g} to {high:g}.", file=path, field=f"grpo.{name}")
    names = [rule.name for rule in spec.watch]
    for at, rule in enumerate(spec.watch):
        field_name = f"grpo.watch[{at}]"
        if names.count(rule.name) > 1:
            raise BadInput(
                f"{rule.name!r} stands twice.", file=path, field=f"{field_name}.name", fix="Name it otherwise."
            )
        if rule.test in ("plateau", "spikes", "diverges") and rule.span < 1:
            raise BadInput(f"a {rule.test} needs steps to look back on.", file=path, field=f"{field_name}.span")
        if rule.test == "diverges" and rule.against is None:
            raise BadInput("says from which metric it diverges.", file=path, field=f"{field_name}.against")
        if rule.points < 1:
            raise BadInput(f"is {rule.points}, expected 1 or more.", file=path, field=f"{field_name}.points")


def _validate_scenario(scenario: Scenario, field_name: str, path: Path) -> None:
    if not scenario.when:
        raise BadInput("has no condition.", file=path, field=f"{field_name}.when", fix="A scenario needs evidence.")
    if Path(scenario.recipe).name != scenario.recipe or not scenario.recipe:
        raise BadInput(f"{scenario.recipe!r} is no recipe's name.", file=path, field=f"{field_name}.recipe")
    for at, condition in enumerate(scenario.when):
        if _asked(condition) != 1:
            raise BadInput(
                "expected exactly one of at_least, below and weakest.", file=path, field=f"{field_name}.when[{at}]"
            )


def _asked(condition: Condition) -> int:
    return (condition.at_least is not None) + (condition.below is not None) + condition.weakest


_GRPO = (
    "steps", "prompts_per_step", "learning_rate", "temperature", "max_prompt_length", "max_completion_length", "lora_r",
    "lora_alpha", "eval_every", "eval_items",
)  # fmt: skip
_REWARDS = ("cpu_seconds", "wall_seconds", "memory_mib", "step_seconds")


def _positive(recipe: Recipe, path: Path) -> None:
    sections: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("sft", recipe.sft, ("batch_size", "gradient_accumulation", "learning_rate", "max_length", "save_every")),
        ("sft.windows", recipe.sft.windows, ("every", "items")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
    )
    if recipe.grpo is not None:
        sections += (("grpo", recipe.grpo, _GRPO), ("grpo.rewards", recipe.grpo.rewards, _REWARDS))
    for section, spec, names in sections:
        for name in names:
            if getattr(spec, name) <= 0:
                raise BadInput(f"is {getattr(spec, name)}, expected more than 0.", file=path, field=f"{section}.{name}")
