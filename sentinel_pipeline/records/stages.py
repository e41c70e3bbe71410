"""The training chain, declared once: each stage with its settings, its trainer, what it trains on
and the gates of its report.

Assets, checks, gates, costs, plan, comparison, release and the command read this tuple; there is no
second list. A recipe names the stages that it uses (``Recipe.stages``). What this module does not
do: train, or decide which stage a recipe uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import BadInput, did_you_mean
from .gate_spec import BenchSpec, GatePolicy
from .grpo_spec import GrpoSpec
from .kto_spec import SMALLEST_BATCH, KtoSpec
from .training_spec import DpoSpec, SftSpec, StageSpec

BASE = "base"
"""What is there before any training: it has a checkpoint and a report, and every stage may start
from it."""


@dataclass(frozen=True, slots=True)
class DefaultGate:
    """A gate that every recipe with the stage has, and what its check tells people."""

    policy: GatePolicy
    description: str


class Pool(NamedTuple):
    """What the rows of a recipe are made of, counted before any is made."""

    tasks: Mapping[str, int]
    """Family -> training tasks that the scorer can judge."""
    judged: int = 0
    """Training tasks that only a judge can rank."""
    answers: int = 0
    """Rows to learn from that have no verifier."""

    @property
    def total(self) -> int:
        return sum(self.tasks.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """The table of rows that a stage trains on; a stage that samples its own answers has none."""

    table: str
    """The asset's Parquet file, with ``category`` and ``messages`` of every row; ``train.jsonl``
    beside it is what is trained."""
    metric: str
    """The asset's metric that counts the rows."""
    prepare: str
    """``module:function`` that tokenizes ``train.jsonl``."""
    sides: int = 1
    """Sequences a row: 2 for a pair."""
    on_device: bool = False
    """Whether making the rows takes the device: a model answers for them."""
    expected: str
    """``module:function`` that says how many rows a recipe asks for, before any is made:
    ``(recipe, pool) -> rows``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStage:
    """One stage of the chain. Its name is its section in a recipe and the kind of its job."""

    name: str
    description: str
    """What its checkpoint is, for people."""
    report_description: str
    spec: type[StageSpec]
    trainer: str
    """``module:function``, imported in the worker alone: ``(job, progress, interrupts, scorer) ->
    what it reached``."""
    planner: str
    """``module:function``, imported by a plan alone: ``(plan, stage, store)`` adds the stage to the
    plan."""
    trains_on: str
    """The asset with its rows or tasks."""
    rows: TrainingRows | None
    gates: Mapping[str, DefaultGate] = field(default_factory=dict)
    optional: bool = False
    """Whether a recipe without ``stages`` uses it only where it has a section of its name."""
    curves: str = "losses.jsonl"
    """In the checkpoint: a row of numbers for every step."""
    divides_model: bool = True
    """Whether processes may divide the model itself, as ``launch.config`` says; where they may not,
    each holds all of it."""
    reads_reference: bool = False
    """Whether every row is read once more, by the model that its loss refers to."""
    smallest_batch: int = 1
    """Rows of a micro-batch that its loss needs; no remedy goes below it."""

    @property
    def checkpoint(self) -> str:
        return f"{self.name}_checkpoint"

    @property
    def report(self) -> str:
        return report_of(self.name)

    @property
    def starts(self) -> tuple[str, ...]:
        """Whose weights it may start from: the base model's, or those of a stage before it."""
        names = tuple(stage.name for stage in TRAINING_STAGES)
        return (BASE, *names[: names.index(self.name)])

    @property
    def device_assets(self) -> tuple[str, ...]:
        """What takes the device for this stage, in the order in which it is made."""
        rows = (self.trains_on,) if self.rows is not None and self.rows.on_device else ()
        return (*rows, self.checkpoint, self.report)


def report_of(name: str) -> str:
    """The report asset of a stage, or of the base model."""
    return f"{name}_report"


def stage_of_report(asset: str) -> str:
    """The name of the stage, or ``base``, whose report ``asset`` is."""
    return asset.removesuffix("_report")


def load(dotted: str) -> Callable[..., Any]:
    """The function that ``module:function`` names, imported now."""
    module, name = dotted.split(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def _as_after_sft(stage: str) -> dict[str, DefaultGate]:
    """A loss can fall while the task is forgotten: what is optimised further is held to the same
    rates."""
    return {
        f"{stage}_pass_at_1": DefaultGate(
            GatePolicy(metric="pass_at_1", stage=stage, threshold=0.40),
            "Does it still pass enough items, as after SFT? (40 % unless the recipe says otherwise.)",
        ),
        f"{stage}_syntax_rate": DefaultGate(
            GatePolicy(metric="syntax_rate", stage=stage, threshold=0.95),
            "Do its answers still parse, as after SFT? (95 % unless the recipe says otherwise.)",
        ),
    }


BASE_GATES: Mapping[str, DefaultGate] = {
    "capability_gap": DefaultGate(
        GatePolicy(metric="pass_at_1", stage=BASE, threshold=0.30, direction="at_most"),
        "Is there something to learn: does the base model fail most items? (At most 30 % Pass@1.)",
    ),
}
"""Never train what the base model can do already."""

SFT = TrainingStage(
    name="sft",
    description="Supervised fine-tuning on the mix, with evaluation windows and checkpoints.",
    report_description="The fine-tuned model's answers to every suite, scored as the base model's were.",
    spec=SftSpec,
    trainer="sentinel_pipeline.training.trainers.sft:train_sft",
    planner="sentinel_pipeline.training.planning.plan:plan_rows",
    trains_on="rebalanced_mix",
    rows=TrainingRows(
        table="rows.parquet",
        metric="rows",
        prepare="sentinel_pipeline.training.data.tokens:prepare_rows",
        expected="sentinel_pipeline.training.data.tokens:expected_rows",
    ),
    gates={
        "pass_at_1": DefaultGate(
            GatePolicy(metric="pass_at_1", stage="sft", threshold=0.40),
            "Does the fine-tuned model pass enough items? (40 % unless the recipe says otherwise.)",
        ),
        "syntax_rate": DefaultGate(
            GatePolicy(metric="syntax_rate", stage="sft", threshold=0.95),
            "Do its answers parse? (95 % unless the recipe says otherwise.)",
        ),
        "smoke_pass_at_1": DefaultGate(
            GatePolicy(
                metric="pass_at_1",
                stage="sft",
                suite="smoke",
                threshold=0.40,
                severity="warn",
            ),
            "Does it pass some of eight smoke tasks? A quick look that may warn and never promotes.",
        ),
    },
)
DPO = TrainingStage(
    name="dpo",
    description="Preference optimisation of a model on pairs of its own answers, with evaluation windows.",
    report_description="The preference-optimised model's answers to every suite, scored as those before it were.",
    spec=DpoSpec,
    trainer="sentinel_pipeline.training.trainers.dpo:train_dpo",
    planner="sentinel_pipeline.training.planning.plan:plan_rows",
    trains_on="preference_pairs",
    rows=TrainingRows(
        table="pairs.parquet",
        metric="pairs",
        prepare="sentinel_pipeline.training.data.pair_tokens:prepare_pairs",
        sides=2,
        on_device=True,
        expected="sentinel_pipeline.training.data.pair_tokens:expected_pairs",
    ),
    gates=_as_after_sft("dpo"),
    reads_reference=True,
)
KTO = TrainingStage(
    name="kto",
    description="Optimisation on single answers that critic and people labelled, with evaluation windows.",
    report_description="The answers to every suite after KTO, scored as those before it were.",
    spec=KtoSpec,
    trainer="sentinel_pipeline.training.trainers.kto:train_kto",
    planner="sentinel_pipeline.training.planning.plan:plan_rows",
    trains_on="unpaired_rows",
    rows=TrainingRows(
        table="rows.parquet",
        metric="rows",
        prepare="sentinel_pipeline.training.data.unpaired_tokens:prepare_answers",
        expected="sentinel_pipeline.training.data.unpaired_tokens:expected_answers",
    ),
    gates=_as_after_sft("kto"),
    reads_reference=True,
    optional=True,
    smallest_batch=SMALLEST_BATCH,
)
GRPO = TrainingStage(
    name="grpo",
    description="GRPO with audited rewards, eval rewards, coverage and watch rules.",
    report_description="The answers to every suite after GRPO, scored as those before it were.",
    spec=GrpoSpec,
    trainer="sentinel_pipeline.training.trainers.grpo:train_grpo",
    planner="sentinel_pipeline.training.planning.plan_grpo:plan_prompts",
    trains_on="task_bank",
    rows=None,
    gates=_as_after_sft("grpo"),
    optional=True,
    curves="curves.jsonl",
    divides_model=False,
)
TRAINING_STAGES: tuple[TrainingStage, ...] = (SFT, DPO, KTO, GRPO)
"""The stages in the order of the chain. A stage starts from the base model or from one before
it."""

STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in TRAINING_STAGES)
REPORT_STAGES: tuple[str, ...] = (BASE, *STAGE_NAMES)
"""What has a report, in the order in which each is compared with the one before."""

OF_ADAPTERS = ("lora_r", "lora_alpha", "load_in_4bit")
INHERITED = ("method", *OF_ADAPTERS, "max_length")
"""Settings that a stage's section need not repeat: absent, they are those of the stage that it
starts from."""


def stage_named(name: str) -> TrainingStage:
    """Raises:
    BadInput: no such stage.
    """
    for stage in TRAINING_STAGES:
        if stage.name == name:
            return stage
    raise BadInput(f"unknown training stage {name!r}.", fix=did_you_mean(name, STAGE_NAMES))


def gates_of_stage(name: str) -> Mapping[str, DefaultGate]:
    """The default gates that judge the report of a stage, or of the base model."""
    return BASE_GATES if name == BASE else stage_named(name).gates


def default_gates(names: Iterable[str], bench: BenchSpec | None = None) -> dict[str, GatePolicy]:
    """The gates that a recipe with these stages has; ``[gates.NAME]`` changes one, or adds one of
    the recipe's own.

    They judge the suite that ``bench`` says. The quick look at ``smoke`` is off where a suite is
    named for the gates, or is the user's own, and the recipe does not answer ``smoke``.
    """
    bench = bench or BenchSpec()
    named = bench.gate_suite is not None or bench.judging != "heldout"
    gates: dict[str, GatePolicy] = {}
    for table in [gates_of_stage(name) for name in (BASE, *names)]:
        for gate, default in table.items():
            policy = default.policy
            if policy.suite == "heldout":
                policy = replace(policy, suite=bench.judging)
            elif named and policy.suite not in bench.suites:
                policy = replace(policy, severity="off")
            gates[gate] = policy
    return gates
