"""The kinds of jobs, as plain data with explicit paths; ``jobs`` writes and reads their files.

What a job leaves in its folders:

- ``out/model/``: the model to use next, weights only (of a tuning: best by window Pass@1);
  ``out/final/``: a tuning's last weights. A LoRA run keeps adapters: ``out/adapter/`` and
  ``out/final/``, and ``out/model/`` is the former merged.
- ``out/token_report.json``, ``out/windows.jsonl``, ``out/training.json``: what was trained, judged
  and reached, free of timings.
- ``logs/job.json``, ``logs/progress.jsonl``, ``logs/result.json``, ``logs/failure.json`` and
  ``logs/checkpoints/step-N/`` (full optimizer checkpoints); an answer job writes
  ``logs/SUITE.jsonl``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from ..records.bounds import Count, NotNegative, Seed
from ..records.data_spec import CriticSpec, SelfGenerated
from ..records.decoding import Decoding
from ..records.engine_spec import EngineName, ServerModel, VllmSpec
from ..records.grpo_spec import GrpoSpec
from ..records.launch_spec import LaunchSpec
from ..records.model_spec import EmbeddedModel
from ..records.stages import TrainingStage, stage_named
from ..records.training_spec import DpoSpec, SftSpec, StageSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainJob:
    """Train the embedded tokenizer and base model."""

    kind: ClassVar[str] = "pretrain"
    out: Path
    """Content folder: gets ``model/`` and ``training.json``."""
    logs: Path
    device_lock: Path | None = None
    seed: Seed = 17
    spec: EmbeddedModel = field(default_factory=EmbeddedModel)


SpecT = TypeVar("SpecT", bound=StageSpec)


# Without slots: a frozen dataclass with them cannot be made through a generic alias in Python 3.11.
@dataclass(frozen=True, kw_only=True)
class TuneJob(Generic[SpecT]):
    """Train ``model`` as one stage of the chain does: ``kind`` is the stage's name, ``spec`` its
    section of the recipe."""

    kind: str
    out: Path
    logs: Path
    model: Path
    """A Transformers folder, or an adapter's."""
    rows: Path
    """What the stage trains on: JSONL in TRL's format of its rows, or a Parquet table of tasks to
    answer."""
    suite: Path | None = None
    """Parquet of tasks for the windows; no windows without one."""
    fresh: Path | None = None
    """Parquet of tasks that the kept weights answer once they are chosen (GRPO's check
    ``eval_reward``); nothing is measured without one."""
    device_lock: Path | None = None
    seed: Seed = 17
    spec: SpecT
    decoding: Decoding = field(default_factory=Decoding)
    """How the windows' answers are decoded: as the benchmarks' are, one answer an item."""
    launch: LaunchSpec = field(default_factory=LaunchSpec)
    """In which processes, on which machine."""
    teacher: Path | None = None
    """A model that teaches beside the rows, where ``spec`` asks for one."""
    root: Path | None = None
    """The project's folder, where rewards of the user's own are imported from."""
    trust_remote_code: bool = False
    """Whether the worker runs Python files that come with the model."""
    report_to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Trackers that get the run's numbers beside its own files."""
    tracked_as: str = "sentinel"
    """The project's name in the trackers."""
    vllm: VllmSpec = field(default_factory=VllmSpec)
    """Where ``spec`` lets vLLM generate."""

    @property
    def stage(self) -> TrainingStage:
        return stage_named(self.kind)

    @property
    def curves(self) -> str:
        """In ``out``: a row of numbers for every step."""
        return self.stage.curves


SftJob = TuneJob[SftSpec]
"""Its rows are ``{"prompt": [turns], "completion": [turn]}``."""
DpoJob = TuneJob[DpoSpec]
"""Its rows are ``{"prompt": [turns], "chosen": [turn], "rejected": [turn]}``."""
GrpoJob = TuneJob[GrpoSpec]
"""Its rows are tasks, which the model answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJob:
    """Let ``model`` answer every task of some suites: ``logs/SUITE.jsonl`` each."""

    kind: ClassVar[str] = "answer"
    logs: Path
    model: Path
    suites: dict[str, str]
    """Suite name -> Parquet file of its tasks."""
    device_lock: Path | None = None
    decoding: Decoding = field(default_factory=Decoding)
    samples: Count = 1
    """Answers to each task."""
    engine: EngineName = "transformers"
    vllm: VllmSpec = field(default_factory=VllmSpec)
    server: ServerModel = field(default_factory=ServerModel)
    load_in_4bit: bool = False
    cache: Path | None = None
    """Folder of answers that models gave before; with it goes ``model_hash``."""
    model_hash: str = ""
    trust_remote_code: bool = False
    """Whether the worker runs Python files that come with the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfInstructJob:
    """Let a base model write instructions and responses: ``logs/rounds.jsonl``, a round a line, and
    ``logs/guards.json``."""

    kind: ClassVar[str] = "self_instruct"
    logs: Path
    model: Path
    spec: SelfGenerated = field(default_factory=SelfGenerated)
    shares: dict[str, NotNegative]
    """Category -> its share of the rows."""
    critic: CriticSpec = field(default_factory=CriticSpec)
    seed: Seed = 17
    batch_size: Count = 64
    engine: EngineName = "transformers"
    vllm: VllmSpec = field(default_factory=VllmSpec)
    server: ServerModel = field(default_factory=ServerModel)
    load_in_4bit: bool = False
    device_lock: Path | None = None
    trust_remote_code: bool = False
    """Whether the worker runs Python files that come with the model."""


Job = PretrainJob | TuneJob[Any] | AnswerJob | SelfInstructJob


def devices_of(job: Job) -> int:
    """Devices of this machine that a job's own process needs; of processes that are launched, the
    launcher holds them."""
    if isinstance(job, (AnswerJob, SelfInstructJob)) and job.engine == "vllm":
        return job.vllm.devices
    return 1
