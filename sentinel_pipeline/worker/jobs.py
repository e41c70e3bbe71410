"""Jobs: what a worker process is asked to do, as one JSON file beside its logs.

A job is plain data with explicit paths; its ``logs`` folder is the resume unit: the same job run
again goes on from what it finds there. ``*_job`` write the file and return its path. Nothing is
trained or loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.decode import Fault, build, build_kind
from ..records.recipe import Recipe
from ..records.stages import STAGE_NAMES, TRAINING_STAGES
from ..store import Home, write_json
from .failures import failure_path
from .job_kinds import AnswerJob as AnswerJob
from .job_kinds import DpoJob as DpoJob
from .job_kinds import GrpoJob as GrpoJob
from .job_kinds import Job as Job
from .job_kinds import PretrainJob as PretrainJob
from .job_kinds import SelfInstructJob as SelfInstructJob
from .job_kinds import SftJob as SftJob
from .job_kinds import TuneJob as TuneJob

KINDS: dict[str, Any] = {
    **{cls.kind: cls for cls in (PretrainJob, AnswerJob, SelfInstructJob)},
    **{stage.name: TuneJob[stage.spec] for stage in TRAINING_STAGES},  # type: ignore[name-defined]  # a class by a value
}
"""Kind of a job -> its class; of a training job with the settings of its stage."""


def pretrain_job(recipe: Recipe, out: Path, device_lock: Path | None = None) -> Path:
    """Write the job that trains the recipe's embedded base model into ``out``; returns the job
    file's path."""
    return write_job(
        PretrainJob(
            out=out,
            logs=out / "logs",
            device_lock=device_lock,
            seed=recipe.seed,
            spec=recipe.model.embedded,
        )
    )


def tune_job(
    recipe: Recipe,
    stage: str,
    model: Path | str,
    rows: Path,
    suite: Path | None,
    out: Path,
    device_lock: Path | None = None,
    teacher: Path | None = None,
    root: Path | None = None,
    fresh: Path | None = None,
) -> Path:
    """Write the job that trains ``model`` on ``rows`` as a stage does, with windows on ``suite``
    and, of the weights that are kept, answers to ``fresh``; returns the job file's path."""
    return write_job(
        TuneJob(
            kind=stage,
            out=out,
            logs=out / "logs",
            model=Path(model),
            rows=rows,
            suite=suite,
            fresh=fresh,
            device_lock=device_lock,
            seed=recipe.seed,
            spec=recipe.spec_of(stage),
            decoding=recipe.decoding(),
            launch=recipe.launch,
            teacher=teacher,
            root=root,
            trust_remote_code=recipe.model.trust_remote_code,
            report_to=recipe.report_to,
            tracked_as=recipe.name,
            vllm=recipe.vllm,
        )
    )


def sample_job(
    recipe: Recipe, model: Path | str, tasks: Path, logs: Path, device_lock: Path | None = None
) -> Path:
    """Write the job that samples ``recipe.pairs.samples`` answers to each task of ``tasks`` into
    ``logs/pairs.jsonl``, by the engine that answers the recipe's suites."""
    pairs = recipe.pairs
    decoding = replace(recipe.decoding(), temperature=pairs.temperature, top_p=pairs.top_p)
    return write_job(
        AnswerJob(
            logs=logs,
            model=Path(model),
            suites={"pairs": str(tasks)},
            samples=pairs.samples,
            engine=recipe.bench.engine,
            vllm=recipe.vllm,
            server=recipe.server,
            load_in_4bit=recipe.bench.load_in_4bit,
            device_lock=device_lock,
            decoding=decoding,
            trust_remote_code=recipe.model.trust_remote_code,
        )
    )


def answer_job(
    recipe: Recipe,
    model: Path | str,
    suites: Path | Mapping[str, Path],
    logs: Path,
    home: Home,
    model_hash: str,
) -> Path:
    """Write the job that answers the recipe's suites into ``logs``; returns the job file's path.

    Args:
        suites: a folder with ``SUITE.parquet`` for each of ``recipe.bench.suites``, or suite name
            -> file.
        home: whose device is used, and whose cache of answers is asked first.
        model_hash: under which answers are kept there.
    """
    bench = recipe.bench
    files = (
        {name: suites / f"{name}.parquet" for name in bench.suites}
        if isinstance(suites, Path)
        else dict(suites)
    )
    return write_job(
        AnswerJob(
            samples=bench.samples,
            engine=bench.engine,
            vllm=recipe.vllm,
            server=recipe.server,
            load_in_4bit=bench.load_in_4bit,
            logs=logs,
            model=Path(model),
            suites={name: str(path) for name, path in files.items()},
            device_lock=home.device_lock,
            decoding=recipe.decoding(),
            cache=home.answers,
            model_hash=model_hash,
            trust_remote_code=recipe.model.trust_remote_code,
        )
    )


def job_to_json(job: Job) -> dict[str, Any]:
    """Plain data with the job's ``kind``; paths as text."""
    data = {"kind": job.kind} | asdict(job)
    return {key: str(value) if isinstance(value, Path) else value for key, value in data.items()}


def write_job(job: Job) -> Path:
    """Write ``logs/job.json``, atomically, and forget an earlier attempt's failure."""
    path = job.logs / "job.json"
    write_json(path, job_to_json(job))
    failure_path(path).unlink(missing_ok=True)
    return path


def read_job(path: Path) -> Job:
    """Read a job file.

    Raises:
        BadInput: missing, invalid JSON, an unknown kind, or an unknown, missing or mistyped field.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"no readable job: {error}.", file=path) from error
    kind = data.get("kind") if isinstance(data, dict) else None
    try:
        # The kind of a training job is a field: one class serves every stage.
        job: Job = build(KINDS[kind], data) if kind in STAGE_NAMES else build_kind(KINDS, data)
    except Fault as fault:
        raise fault.in_file(path) from None
    return job
