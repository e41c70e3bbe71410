"""A recipe: one TOML file that says everything about a run, read into frozen dataclasses.

An unknown key, a wrong type or a value out of range is a ``BadInput`` that names the file, the key
and the nearest known one (``decode``). A field's bounds stand at the field, the rules of a section
in its ``check``, the rules between sections in ``Recipe.check``. What this module does not do:
resolve models or paths, or decide anything; rooms read their own section.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import BadInput, did_you_mean
from .bounds import Seed
from .chain import complete, read_stages, refuse_gates_of_other_stages
from .data_spec import CandidatesSpec, CriticSpec, MixSpec
from .decision_spec import DecisionPoint
from .decode import Fault, build, decode
from .decoding import Decoding
from .engine_spec import ServerModel, VllmSpec
from .fence_spec import FenceSpec
from .gap_spec import GapProof
from .gate_spec import BenchSpec, GatePolicy, with_defaults
from .grpo_spec import GrpoSpec
from .judge_spec import JudgeSpec
from .kto_spec import KtoSpec
from .launch_spec import LaunchSpec
from .model_spec import ModelSpec
from .present_suites import add_present
from .printable import RECIPE_NAMES, is_recipe_name
from .release_spec import ReleaseSpec
from .review_spec import ReviewSpec
from .stages import (
    BASE,
    REPORT_STAGES,
    TRAINING_STAGES,
    TrainingStage,
    default_gates,
    gates_of_stage,
)
from .task_source import TasksSpec
from .toml import read_toml
from .training_spec import Budget, DpoSpec, PairsSpec, SftSpec, StageSpec

_GATE_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    """The stem of the recipe's file."""
    description: str = ""
    seed: Seed = 17
    nightly: bool = False
    scaled_from: str = ""
    """The recipe that this one was shrunk from (``--scale tiny``); nothing that it trains is
    released."""
    stages: tuple[str, ...] = ()
    """The training stages that the recipe uses, in the order of the chain: ``["sft"]``, ``["sft",
    "grpo"]``, ``["grpo"]`` … Absent: ``sft`` and ``dpo``, and of the optional stages those that
    have a section."""
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
    vllm: VllmSpec = field(default_factory=VllmSpec)
    server: ServerModel = field(default_factory=ServerModel)
    gates: dict[str, GatePolicy] = field(default_factory=dict)
    """By name; the default gates of its stages where nothing is said."""
    fences: FenceSpec = field(default_factory=FenceSpec)
    gap_proof: GapProof | None = None
    """Absent: the gate ``capability_gap`` alone says whether there is something to learn."""
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    review: ReviewSpec = field(default_factory=ReviewSpec)
    release: ReleaseSpec = field(default_factory=ReleaseSpec)
    decisions: tuple[DecisionPoint, ...] = ()
    """The decision tree: a point for each stage after whose report something is decided, and one
    over the finished GRPO run."""
    budget: Budget = field(default_factory=Budget)
    launch: LaunchSpec = field(default_factory=LaunchSpec)
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Trackers that get every training step's numbers under TRL's names, beside the run's own
    files: TensorBoard's into the checkpoint's ``logs/tensorboard``, trackio and W&B offline."""

    def __post_init__(self) -> None:
        """A recipe that is made without a file has the stages and the gates that an empty file
        has."""
        if not self.stages:
            optional = {stage.name for stage in TRAINING_STAGES if stage.optional}
            names = tuple(
                stage.name
                for stage in TRAINING_STAGES
                if stage.name not in optional or getattr(self, stage.name) is not None
            )
            object.__setattr__(self, "stages", names)
        for stage in self.chain:
            if getattr(self, stage.name) is None:
                object.__setattr__(self, stage.name, stage.spec())
        if not self.gates:
            object.__setattr__(self, "gates", default_gates(self.stages, self.bench))

    @property
    def chain(self) -> tuple[TrainingStage, ...]:
        """The training stages that the recipe uses, in order."""
        return tuple(stage for stage in TRAINING_STAGES if stage.name in self.stages)

    @property
    def reported(self) -> tuple[str, ...]:
        """The base model and the stages that the recipe uses: what has a report, in the order of
        comparison."""
        return (BASE, *(stage.name for stage in self.chain))

    def spec_of(self, name: str) -> StageSpec:
        """The settings of one of the recipe's stages."""
        spec: StageSpec = getattr(self, name)
        return spec

    def start_of(self, name: str) -> str:
        """Whose weights a stage starts from: what its section says, else the stage before it, else
        the base model."""
        return self.spec_of(name).start or self.before(name)

    def before(self, name: str) -> str:
        """The stage that comes before ``name`` in this recipe, or ``base``."""
        return self.reported[self.reported.index(name) - 1]

    def asks_curves(self, reported: Iterable[str]) -> bool:
        """Whether ``sentinel next`` has a decision to make, given the stages that have a report."""
        return any(
            point.evidence == "curves" and point.stage in reported for point in self.decisions
        )

    def promotion_gates(self, stage: str) -> tuple[str, ...]:
        """The gates without whose pass a checkpoint of ``stage`` is not released: those that
        ``[release] gates`` names, else the stage's default gates that block by default; and every
        gate of the stage that blocks in this recipe."""
        declared = tuple(
            name for name in self.release.gates if self.gates[name].stage == stage
        ) or tuple(
            name
            for name, default in gates_of_stage(stage).items()
            if default.policy.severity == "block"
        )
        blocking = tuple(
            name
            for name, policy in self.gates.items()
            if (policy.stage, policy.severity) == (stage, "block")
        )
        return tuple(dict.fromkeys((*declared, *blocking)))

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

    def check(self) -> None:
        """What one section says of another; what is of one section alone is checked there."""
        answered = f"Add it to bench.suites ({', '.join(self.bench.suites)})"
        if self.tasks.fresh_seed is not None:
            if self.tasks.fresh_seed == self.seed:
                message = f"is {self.seed}, the recipe's own"
                raise Fault(message, "tasks.fresh_seed", "Fresh items need another seed.")
            if "fresh" not in self.bench.suites:
                message = "draws a suite 'fresh' that this recipe does not answer"
                raise Fault(message, "tasks.fresh_seed", 'Add "fresh" to bench.suites.')
        for name, policy in self.gates.items():
            if not _GATE_NAME.fullmatch(name):
                fix = "Use lower-case letters, digits and underscores."
                raise Fault("invalid name for a gate", f"gates.{name}", fix)
            if policy.suite not in self.bench.suites and policy.severity != "off":
                message = f"suite {policy.suite!r} is not answered by this recipe"
                fix = f"{answered}, name another one, or set severity = 'off'."
                raise Fault(message, f"gates.{name}.suite", fix)
            for key, stage in (("stage", policy.stage), ("against", policy.against)):
                if stage is not None:
                    self._check_stage(stage, f"gates.{name}.{key}")
            order = self.reported.index
            if policy.against and order(policy.against) >= order(policy.stage):
                message = f"{policy.against!r} does not come before {policy.stage!r}"
                raise Fault(message, f"gates.{name}.against", "Name an earlier stage.")
        for index, name in enumerate(self.release.gates):
            if name not in self.gates or self.gates[name].severity == "off":
                state = "is off" if name in self.gates else "is not a gate of this recipe"
                fix = did_you_mean(name, self.gates)
                raise Fault(f"{name!r} {state}", f"release.gates[{index}]", fix)
        gap = self.gates.get("capability_gap")
        if (gap is None or gap.severity != "block") and not self.model.capable_because.strip():
            fix = (
                "Leave it at 'block', change its threshold where you mean another bound, or say why "
                "a model is trained that may be capable already: model.capable_because."
            )
            key = "gates.capability_gap.severity"
            raise Fault("training never starts without it", key, fix)
        if self.gap_proof is not None:
            if self.gap_proof.suite not in self.bench.suites:
                message = f"suite {self.gap_proof.suite!r} is not answered by this recipe"
                fix = did_you_mean(self.gap_proof.suite, self.bench.suites)
                raise Fault(message, "gap_proof.suite", fix)
            peers = {
                "instruct": self.gap_proof.instruct,
                "alternative": self.gap_proof.alternative,
            }
            for name, peer in peers.items():
                if peer.model.source == "embedded" and peer.seed == self.seed:
                    fix = "An embedded peer needs another seed."
                    message = f"is {self.seed}, the recipe's own"
                    raise Fault(message, f"gap_proof.{name}.seed", fix)
        if self.bench.engine == "server":
            try:
                self.server.require()
            except Fault as fault:
                raise fault.below("server") from None
        if self.pairs.ranked_by == "judge" and self.judge.model is None:
            fix = "Name one in [judge.model], or let the critic rank alone."
            raise Fault("is judge, and the recipe has none", "pairs.ranked_by", fix)
        # The candidate that the probe did not choose is the only second model of a recipe.
        if self.sft.distillation is not None and self.model.source != "probed":
            fix = 'Set model.source = "probed": the candidate that is not chosen teaches.'
            raise Fault("there is no teacher", "sft.distillation", fix)
        for section in (stage.name for stage in self.chain):
            tuned = self.spec_of(section)
            processes = self.launch.processes
            if tuned.batch_size % processes:
                key = "micro_batch" if isinstance(tuned, GrpoSpec) else "batch_size"
                message = (
                    f"{processes} processes do not divide {section}.{key} = {tuned.batch_size}"
                )
                fix = f"Make {section}.{key} a multiple of {processes}: a step's rows are divided among the processes."
                raise Fault(message, "launch.processes", fix)
        places = [(point.stage, point.evidence) for point in self.decisions]
        for index, point in enumerate(self.decisions):
            key = f"decisions[{index}]"
            if places[index] in places[:index]:
                raise Fault(f"{point.stage!r} has two points", f"{key}.stage", "Join their rules.")
            if point.suite not in self.bench.suites:
                raise Fault(f"{point.suite!r} is not answered", f"{key}.suite", f"{answered}.")
            self._check_stage(point.stage, f"{key}.stage")
        self._check_optional()

    def _check_optional(self) -> None:
        """An optional phase can be left out without taking anything critical with it."""
        order = self.budget.optional
        for index, name in enumerate(order):
            key = f"budget.optional[{index}]"
            suite = name.removeprefix("suite:")
            if suite == name:
                if name not in self.stages:
                    names = [*self.stages, *(f"suite:{each}" for each in self.bench.suites)]
                    raise Fault(f"unknown phase {name!r}", key, did_you_mean(name, names))
                self._check_optional_stage(name, key)
                continue
            if suite not in self.bench.suites:
                fix = did_you_mean(suite, self.bench.suites)
                raise Fault(f"suite {suite!r} is not answered by this recipe", key, fix)
            needed = [f"gates.{gate}" for gate, policy in self.gates.items()
                      if policy.suite == suite and policy.severity == "block"]  # fmt: skip
            needed += ["gap_proof"] if self.gap_proof and self.gap_proof.suite == suite else []
            needed += [f"decisions[{at}]" for at, point in enumerate(self.decisions)
                       if point.suite == suite]  # fmt: skip
            if needed:
                fix = "Leave it out of budget.optional, or let nothing that stops a run ask for it."
                raise Fault(f"{needed[0]} needs suite {suite!r}", key, fix)

    def _check_optional_stage(self, name: str, key: str) -> None:
        order = self.budget.optional
        goes_first = order[: order.index(name)]
        for stage in self.stages:
            if self.start_of(stage) == name and stage not in goes_first:
                fix = f"Put {stage!r} before {name!r}, or leave {name!r} out of budget.optional."
                raise Fault(f"{stage!r} starts from {name!r}, which may be skipped", key, fix)
        for gate, policy in self.gates.items():
            if policy.against == name and policy.severity == "block":
                if policy.stage in goes_first:
                    continue
                fix = f"Let gates.{gate} warn, or put {policy.stage!r} before {name!r}."
                raise Fault(f"gates.{gate} compares with {name!r}, which may be skipped", key, fix)

    def _check_stage(self, name: str, key: str) -> None:
        """Nothing is decided about a stage that the recipe does not use."""
        if name not in REPORT_STAGES:
            raise Fault(f"unknown stage {name!r}", key, did_you_mean(name, REPORT_STAGES))
        if name not in self.reported:
            fix = f"Add {name!r} to stages; the recipe uses {', '.join(self.reported)}."
            raise Fault(f"the recipe does not use the stage {name!r}", key, fix)


def section_hash(section: Any) -> str:
    """SHA-256 of a recipe or one of its sections as canonical JSON."""
    text = json.dumps(asdict(section), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _bench(data: dict[str, Any]) -> BenchSpec:
    """What is answered; a section that cannot be read is left for the reader to refuse."""
    try:
        return build(BenchSpec, data.get("bench", {}))
    except Fault:
        return BenchSpec()


def load_recipe(path: Path) -> Recipe:
    """Read and validate one recipe file.

    Raises:
        BadInput: the file is missing, has no name for a recipe or is not TOML, a key is unknown, a
            value has the wrong type or is out of range.
    """
    if not is_recipe_name(path.stem):
        problem = f"{path.stem[:80]!r} is not a recipe's name."
        raise BadInput(problem, file=path.parent, field="name", fix=RECIPE_NAMES)
    data = {"name": path.stem, **read_toml(path)}
    names = read_stages(data, path)
    complete(data, names, path)
    add_present(data)
    gates = data.get("gates", {})
    if isinstance(gates, dict):
        refuse_gates_of_other_stages(gates, names, path)
        data["gates"] = with_defaults(gates, default_gates(names, _bench(data)))
    recipe = decode(Recipe, data, file=path)
    if recipe.name != path.stem:
        message = f"is {recipe.name!r} but the file is {path.name!r}."
        raise BadInput(message, file=path, field="name", fix="Make them equal.")
    return recipe
