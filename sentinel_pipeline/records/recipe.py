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
from .gap_spec import GapProof
from .gate_checks import validate_gap, validate_gates
from .gate_spec import DEFAULT_GATES, BenchSpec, GatePolicy, with_defaults
from .judge_spec import JudgeSpec
from .mix_rules import check_mix
from .model_spec import ModelSpec
from .preference import REJECTION_KINDS
from .review_spec import ReviewSpec
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
    gates: dict[str, GatePolicy] = field(default_factory=lambda: dict(DEFAULT_GATES))
    gap_proof: GapProof | None = None
    """Absent: the gate ``capability_gap`` alone says whether there is something to learn."""
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    review: ReviewSpec = field(default_factory=ReviewSpec)
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
    if isinstance(data.setdefault("gates", {}), dict):
        data["gates"] = with_defaults(data["gates"])
    recipe = read_section(Recipe, data, file=path)
    _validate(recipe, path)
    return recipe


def _validate(recipe: Recipe, path: Path) -> None:
    if recipe.name != path.stem:
        raise BadInput(
            f"is {recipe.name!r} but the file is {path.name!r}.", file=path, field="name", fix="Make them equal."
        )
    check_mix(recipe.mix, path)
    alpha = recipe.sft.windows.gain_alpha
    if alpha is not None and not 0 < alpha < 1:
        raise BadInput(
            f"is {alpha:g}, expected within (0, 1).",
            file=path,
            field="sft.windows.gain_alpha",
            fix="5 % is written 0.05.",
        )
    validate_gates(recipe.gates, recipe.bench.suites, path)
    if recipe.gap_proof is not None:
        validate_gap(recipe.gap_proof, recipe.seed, recipe.bench.suites, path)
    _check_bench(recipe.bench, path)
    _check_judge(recipe.judge, path)
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


def _check_judge(judge: JudgeSpec, path: Path) -> None:
    for name in JudgeSpec.__slots__:
        if not 0 < getattr(judge, name) <= 1 or (name == "confidence" and not 0.5 < judge.confidence < 1):
            raise BadInput(
                f"is {getattr(judge, name):g}, expected within (0, 1].",
                file=path,
                field=f"judge.{name}",
                fix="Mend it.",
            )


def _check_bench(bench: BenchSpec, path: Path) -> None:
    stray = sorted(bench.data.keys() - set(bench.suites))
    if stray:
        raise BadInput(
            f"suite {stray[0]!r} is not answered by this recipe.",
            file=path,
            field=f"bench.data.{stray[0]}",
            fix=f"Add it to bench.suites ({', '.join(bench.suites)}).",
        )
    if bench.samples > 1 and bench.temperature <= 0:
        fix = "Set bench.temperature above 0, or bench.samples to 1."
        raise BadInput("greedy samples are all the same.", file=path, field="bench.samples", fix=fix)
    if bench.temperature < 0 or not 0 < bench.top_p <= 1:
        message = f"temperature {bench.temperature:g} and top_p {bench.top_p:g}: expected 0 or more, and within (0, 1]."
        raise BadInput(message, file=path, field="bench.temperature")


def _positive(recipe: Recipe, path: Path) -> None:
    sections: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("sft", recipe.sft, _TUNING),
        ("sft.windows", recipe.sft.windows, ("every", "items")),
        ("pairs", recipe.pairs, ("prompts", "min_pairs")),
        ("dpo", recipe.dpo, _TUNING),
        ("dpo.windows", recipe.dpo.windows, ("every", "items")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size", "samples")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
        ("review", recipe.review, _review_numbers(recipe)),
    )
    for section, spec, names in sections:
        for name in names:
            if getattr(spec, name) <= 0:
                raise BadInput(f"is {getattr(spec, name)}, expected more than 0.", file=path, field=f"{section}.{name}")


def _review_numbers(recipe: Recipe) -> tuple[str, ...]:
    optional = ("rebuild_after",) if recipe.review.rebuild_after is not None else ()
    return ("min_tokens_per_second", *optional)
