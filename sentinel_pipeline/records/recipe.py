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
from .data_spec import CandidatesSpec, CriticSpec, MixSpec, TasksSpec
from .decision_spec import DecisionPoint, check_decisions
from .gap_spec import GapProof
from .gate_checks import STAGES, validate_gap, validate_gates
from .gate_spec import DEFAULT_GATES, BenchSpec, GatePolicy, with_defaults
from .grpo_spec import GrpoSpec
from .judge_spec import JudgeSpec
from .launch_spec import LaunchSpec
from .mix_rules import check_mix
from .model_spec import ModelSpec
from .release_spec import ReleaseSpec
from .review_spec import ReviewSpec
from .toml import read_section, read_toml
from .training_checks import (
    check_grpo,
    check_grpo_stage,
    check_launch,
    check_method,
    check_pairs_and_dpo,
    check_schedules,
    check_self_generated,
    check_stages,
    check_start,
    check_windows,
)
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
    grpo: GrpoSpec | None = None
    """None: the recipe has no GRPO."""
    pairs: PairsSpec = field(default_factory=PairsSpec)
    dpo: DpoSpec = field(default_factory=DpoSpec)
    bench: BenchSpec = field(default_factory=BenchSpec)
    gates: dict[str, GatePolicy] = field(default_factory=lambda: dict(DEFAULT_GATES))
    gap_proof: GapProof | None = None
    """Absent: the gate ``capability_gap`` alone says whether there is something to learn."""
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    review: ReviewSpec = field(default_factory=ReviewSpec)
    release: ReleaseSpec = field(default_factory=ReleaseSpec)
    decisions: tuple[DecisionPoint, ...] = ()
    """The decision tree: a point for each stage after whose report something is decided, and one over the finished GRPO run."""
    budget: Budget = field(default_factory=Budget)
    launch: LaunchSpec = field(default_factory=LaunchSpec)

    def decision_after(
        self, stage: str, evidence: Literal["report", "curves"] = "report"
    ) -> DecisionPoint | None:
        """The point about the report of ``stage``, or about its recorded curves."""
        for point in self.decisions:
            if (point.stage, point.evidence) == (stage, evidence):
                return point
        return None

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
        data["gates"] = with_defaults(data["gates"], grpo="grpo" in data)
    recipe = read_section(Recipe, data, file=path)
    _validate(recipe, path)
    return recipe


def _validate(recipe: Recipe, path: Path) -> None:
    if recipe.name != path.stem:
        raise BadInput(
            f"is {recipe.name!r} but the file is {path.name!r}.",
            file=path,
            field="name",
            fix="Make them equal.",
        )
    check_mix(recipe.mix, path)
    validate_gates(recipe.gates, recipe.bench.suites, path)
    if recipe.gap_proof is not None:
        validate_gap(recipe.gap_proof, recipe.seed, recipe.bench.suites, path)
    _check_bench(recipe.bench, path)
    _check_judge(recipe.judge, path)
    if recipe.pairs.ranked_by == "judge" and recipe.judge.model is None:
        fix = "Name one in [judge.model], or let the critic rank alone."
        raise BadInput(
            "is judge, and the recipe has none.", file=path, field="pairs.ranked_by", fix=fix
        )
    _positive(recipe, path)
    for section, tuned in (("sft", recipe.sft), ("dpo", recipe.dpo)):
        check_windows(tuned.windows, f"{section}.windows", path)
        check_method(tuned, section, path)
        check_stages(tuned, section, path)
    check_launch(recipe.launch, {"sft": recipe.sft, "dpo": recipe.dpo}, path)
    check_self_generated(recipe.candidates.self_generated, path)
    check_start(recipe.model, recipe.sft, path)
    check_schedules({"sft": recipe.sft, "dpo": recipe.dpo}, path)
    check_pairs_and_dpo(recipe.pairs, recipe.dpo, recipe.budget, path)
    check_decisions(recipe.decisions, recipe.bench.suites, STAGES, path)
    check_grpo_stage(recipe.grpo, recipe.decisions, recipe.gates, path)
    if recipe.grpo is not None:
        check_grpo(recipe.grpo, path)


_TUNING = (
    "num_train_epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "decay_ratio", "max_length",
    "lora_r", "lora_alpha",
    "save_steps", "save_total_limit",
)  # fmt: skip
_GRPO = (
    "max_steps", "prompts_per_step", "learning_rate", "temperature", "max_prompt_length", "max_completion_length", "lora_r",
    "lora_alpha", "eval_steps", "eval_items", "save_steps",
)  # fmt: skip
_REWARDS = ("cpu_seconds", "wall_seconds", "memory_mib", "step_seconds")


def _check_judge(judge: JudgeSpec, path: Path) -> None:
    for name, asked in (
        ("model", judge.model),
        ("exam.second", judge.exam.second if judge.exam else None),
    ):
        if asked is not None and asked.concurrency < 1:
            message = f"is {asked.concurrency}, expected 1 or more."
            raise BadInput(message, file=path, field=f"judge.{name}.concurrency")
    if judge.exam is not None and judge.exam.second == judge.model:
        raise BadInput(
            "is the first judge again.",
            file=path,
            field="judge.exam.second",
            fix="Name another model.",
        )
    if judge.exam is not None and judge.model is None:
        raise BadInput(
            "examines nobody.",
            file=path,
            field="judge.exam",
            fix="Name the judge in [judge.model].",
        )
    for name in set(JudgeSpec.__slots__) - {"model", "exam"}:
        if not 0 < getattr(judge, name) <= 1 or (
            name == "confidence" and not 0.5 < judge.confidence < 1
        ):
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
        raise BadInput(
            "greedy samples are all the same.", file=path, field="bench.samples", fix=fix
        )
    if bench.temperature < 0 or not 0 < bench.top_p <= 1:
        message = f"temperature {bench.temperature:g} and top_p {bench.top_p:g}: expected 0 or more, and within (0, 1]."
        raise BadInput(message, file=path, field="bench.temperature")


def _positive(recipe: Recipe, path: Path) -> None:
    sections: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("sft", recipe.sft, _TUNING),
        ("sft.windows", recipe.sft.windows, ("eval_steps", "eval_items")),
        ("pairs", recipe.pairs, ("prompts", "min_pairs")),
        ("dpo", recipe.dpo, _TUNING),
        ("dpo.windows", recipe.dpo.windows, ("eval_steps", "eval_items")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size", "samples")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
        ("review", recipe.review, _review_numbers(recipe)),
    )
    if recipe.grpo is not None:
        sections += (("grpo", recipe.grpo, _GRPO), ("grpo.rewards", recipe.grpo.rewards, _REWARDS))
    for section, spec, names in sections:
        for name in names:
            if getattr(spec, name) <= 0:
                raise BadInput(
                    f"is {getattr(spec, name)}, expected more than 0.",
                    file=path,
                    field=f"{section}.{name}",
                )


def _review_numbers(recipe: Recipe) -> tuple[str, ...]:
    optional = ("rebuild_after",) if recipe.review.rebuild_after is not None else ()
    return ("min_tokens_per_second", *optional)
