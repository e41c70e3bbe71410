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
from .chain import complete, read_stages, refuse_gates_of_other_stages
from .data_spec import CandidatesSpec, CriticSpec, MixSpec, TasksSpec
from .decision_spec import DecisionPoint
from .decoding import Decoding
from .gap_spec import GapProof
from .gate_checks import validate_gap, validate_gates
from .gate_spec import BenchSpec, GatePolicy, with_defaults
from .grpo_spec import GrpoSpec
from .judge_spec import JudgeSpec
from .kto_spec import KtoSpec, check_kto
from .launch_spec import LaunchSpec
from .mix_rules import check_mix
from .model_spec import ModelSpec
from .release_spec import ReleaseSpec
from .review_spec import ReviewSpec
from .scenario_spec import Scenario
from .stages import BASE, GRPO, TRAINING_STAGES, TrainingStage, default_gates, stage_named
from .toml import read_section, read_toml
from .training_checks import (
    check_decisions,
    check_grpo,
    check_judged_stages,
    check_launch,
    check_method,
    check_pairs_and_dpo,
    check_scenario,
    check_schedules,
    check_self_generated,
    check_stages,
    check_start,
    check_windows,
)
from .training_spec import Budget, DpoSpec, PairsSpec, SftSpec, StageSpec, TuneSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    """The stem of the recipe's file."""
    description: str = ""
    seed: int = 17
    nightly: bool = False
    stages: tuple[str, ...] = ()
    """The training stages that the recipe uses, in the order of the chain: ``["sft"]``, ``["sft", "grpo"]``, ``["grpo"]`` …
    Absent: ``sft`` and ``dpo``, and of the optional stages those that have a section."""
    model: ModelSpec = field(default_factory=ModelSpec)
    tasks: TasksSpec = field(default_factory=TasksSpec)
    candidates: CandidatesSpec = field(default_factory=CandidatesSpec)
    critic: CriticSpec = field(default_factory=CriticSpec)
    mix: MixSpec = field(default_factory=MixSpec)
    sft: SftSpec = field(default_factory=SftSpec)
    grpo: GrpoSpec | None = None
    """None: the recipe does not use GRPO."""
    pairs: PairsSpec = field(default_factory=PairsSpec)
    dpo: DpoSpec = field(default_factory=DpoSpec)
    kto: KtoSpec | None = None
    """None: the recipe does not use KTO."""
    bench: BenchSpec = field(default_factory=BenchSpec)
    gates: dict[str, GatePolicy] = field(default_factory=dict)
    """By name; the default gates of its stages where nothing is said."""
    gap_proof: GapProof | None = None
    """Absent: the gate ``capability_gap`` alone says whether there is something to learn."""
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    review: ReviewSpec = field(default_factory=ReviewSpec)
    release: ReleaseSpec = field(default_factory=ReleaseSpec)
    next: tuple[Scenario, ...] = ()
    """The decision tree over the finished GRPO run, asked by ``sentinel next``."""
    decisions: tuple[DecisionPoint, ...] = ()
    """The decision tree: a point for each stage after whose report something is decided."""
    budget: Budget = field(default_factory=Budget)
    launch: LaunchSpec = field(default_factory=LaunchSpec)

    def __post_init__(self) -> None:
        """A recipe that is made without a file has the stages and the gates that an empty file has."""
        if not self.stages:
            optional = {stage.name for stage in TRAINING_STAGES if stage.optional}
            names = tuple(
                stage.name
                for stage in TRAINING_STAGES
                if stage.name not in optional or getattr(self, stage.name) is not None
            )
            object.__setattr__(self, "stages", names)
        if not self.gates:
            object.__setattr__(self, "gates", default_gates(self.stages))

    @property
    def chain(self) -> tuple[TrainingStage, ...]:
        """The training stages that the recipe uses, in order."""
        return tuple(stage for stage in TRAINING_STAGES if stage.name in self.stages)

    @property
    def reported(self) -> tuple[str, ...]:
        """The base model and the stages that the recipe uses: what has a report, in the order of comparison."""
        return (BASE, *(stage.name for stage in self.chain))

    def spec_of(self, name: str) -> StageSpec:
        """The settings of one of the recipe's stages."""
        spec: StageSpec | None = getattr(self, name)
        return spec if spec is not None else stage_named(name).spec()

    def start_of(self, name: str) -> str:
        """Whose weights a stage starts from: what its section says, else the stage before it, else the base model."""
        return self.spec_of(name).start or self.before(name)

    def before(self, name: str) -> str:
        """The stage that comes before ``name`` in this recipe, or ``base``."""
        return self.reported[self.reported.index(name) - 1]

    def decoding(self) -> Decoding:
        """How its suites are answered."""
        bench = self.bench
        return Decoding(
            max_new_tokens=bench.max_new_tokens,
            batch_size=bench.batch_size,
            temperature=bench.temperature,
            top_p=bench.top_p,
            seed=self.seed,
        )

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
    names = read_stages(data, path)
    complete(data, names, path)
    if isinstance(data.setdefault("gates", {}), dict):
        refuse_gates_of_other_stages(data["gates"], names, path)
        data["gates"] = with_defaults(data["gates"], default_gates(names))
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
    tuned = {
        stage.name: spec
        for stage in recipe.chain
        if isinstance(spec := recipe.spec_of(stage.name), TuneSpec)
    }
    for section, spec in tuned.items():
        check_windows(spec.windows, f"{section}.windows", path)
        check_method(spec, section, path)
        check_stages(spec, section, path)
    check_launch(recipe.launch, tuned, path)
    check_self_generated(recipe.candidates.self_generated, path)
    check_start(recipe.model, recipe.sft, path)
    check_schedules(tuned, path)
    check_pairs_and_dpo(recipe.pairs, recipe.dpo, recipe.budget, path)
    check_decisions(recipe.decisions, recipe.bench.suites, path)
    check_judged_stages(recipe.reported, recipe.decisions, recipe.gates, path)
    if recipe.grpo is not None:
        check_grpo(recipe.grpo, path)
    if recipe.kto is not None:
        check_kto(recipe.kto, path)
    for at, scenario in enumerate(recipe.next):
        check_scenario(scenario, f"next[{at}]", path)


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
        ("pairs", recipe.pairs, ("prompts", "min_pairs")),
        ("bench", recipe.bench, ("max_new_tokens", "batch_size", "samples")),
        ("critic", recipe.critic, ("cpu_seconds", "memory_mib")),
        ("review", recipe.review, _review_numbers(recipe)),
    )
    for stage in recipe.chain:
        spec = recipe.spec_of(stage.name)
        if isinstance(spec, TuneSpec):
            sections += (
                (stage.name, spec, _TUNING),
                (f"{stage.name}.windows", spec.windows, ("eval_steps", "eval_items")),
            )
    if recipe.grpo is not None:
        sections += (
            (GRPO.name, recipe.grpo, _GRPO),
            (f"{GRPO.name}.rewards", recipe.grpo.rewards, _REWARDS),
        )
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
