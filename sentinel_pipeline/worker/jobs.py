"""Jobs: what a worker process is asked to do, as one JSON file beside its logs.

A job is plain data with explicit paths; its ``logs`` folder is the resume unit: the same job run again goes on from what it
finds there. ``*_job`` write the file and return its path. Nothing is trained or loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ..errors import BadInput, did_you_mean
from ..records.data_spec import CriticSpec, SelfGenerated
from ..records.decoding import Decoding
from ..records.launch_spec import LaunchSpec
from ..records.model_spec import EmbeddedModel
from ..records.recipe import Recipe
from ..records.stages import STAGE_NAMES, stage_named
from ..records.toml import read_section
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

_KINDS: dict[str, type[Any]] = {
    **{cls.kind: cls for cls in (PretrainJob, AnswerJob, SelfInstructJob)},
    **dict.fromkeys(STAGE_NAMES, TuneJob),
}
_PATHS = ("out", "logs", "model", "rows", "suite", "device_lock", "cache", "teacher")


def pretrain_job(recipe: Recipe, out: Path, device_lock: Path | None = None) -> Path:
    """Write the job that trains the recipe's embedded base model into ``out``; returns the job file's path."""
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
) -> Path:
    """Write the job that trains ``model`` on ``rows`` as a stage does, with windows on ``suite``; returns the job file's path."""
    return write_job(
        TuneJob(
            kind=stage,
            out=out,
            logs=out / "logs",
            model=Path(model),
            rows=rows,
            suite=suite,
            device_lock=device_lock,
            seed=recipe.seed,
            spec=recipe.spec_of(stage),
            decoding=recipe.decoding(),
            launch=recipe.launch if stage_named(stage).distributed else LaunchSpec(),
            teacher=teacher,
        )
    )


def sample_job(
    recipe: Recipe, model: Path | str, tasks: Path, logs: Path, device_lock: Path | None = None
) -> Path:
    """Write the job that samples ``recipe.pairs.samples`` answers to each task of ``tasks`` into ``logs/pairs.jsonl``."""
    pairs = recipe.pairs
    decoding = replace(recipe.decoding(), temperature=pairs.temperature, top_p=pairs.top_p)
    return write_job(
        AnswerJob(
            logs=logs,
            model=Path(model),
            suites={"pairs": str(tasks)},
            samples=pairs.samples,
            device_lock=device_lock,
            decoding=decoding,
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
        suites: a folder with ``SUITE.parquet`` for each of ``recipe.bench.suites``, or suite name -> file.
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
            logs=logs,
            model=Path(model),
            suites={name: str(path) for name, path in files.items()},
            device_lock=home.device_lock,
            decoding=recipe.decoding(),
            cache=home.answers,
            model_hash=model_hash,
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
        BadInput: missing, no JSON object, an unknown kind, or an unknown, missing or mistyped field.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"no readable job: {error}.", file=path) from error
    if not isinstance(data, dict) or data.get("kind") not in _KINDS:
        found = data.get("kind") if isinstance(data, dict) else data
        raise BadInput(
            f"unknown kind {found!r}.",
            file=path,
            field="kind",
            fix=did_you_mean(str(found), _KINDS),
        )
    kind = data["kind"]
    cls = _KINDS[kind]
    if cls is not TuneJob:
        del data["kind"]
    paths = {name: Path(data.pop(name)) for name in _PATHS if isinstance(data.get(name), str)}
    rest = {key: value for key, value in data.items() if value is not None}
    return _build(cls, kind, rest, paths, path)


def _build(
    cls: type[Any], kind: str, rest: dict[str, Any], paths: dict[str, Path], file: Path
) -> Job:
    known = {f.name for f in fields(cls)}
    for key in (*rest, *paths):
        if key not in known:
            raise BadInput("unknown field.", file=file, field=key, fix=did_you_mean(key, known))
    nested: dict[str, Any] = {
        "spec": _spec_type(cls, kind),
        "decoding": Decoding,
        "critic": CriticSpec,
        "launch": LaunchSpec,
    }
    for key in nested.keys() & rest.keys():
        rest[key] = read_section(nested[key], _pruned(rest[key]), file=file, prefix=f"{key}.")
    try:
        return cls(**rest, **paths)
    except TypeError as error:
        raise BadInput(f"{error}.", file=file) from error


def _spec_type(cls: type[Any], kind: str) -> type[Any]:
    if cls is TuneJob:
        return stage_named(kind).spec
    return EmbeddedModel if cls is PretrainJob else SelfGenerated


def _pruned(table: dict[str, Any]) -> dict[str, Any]:
    """Without nulls, which TOML's reader does not know: an absent optional is its default."""
    return {key: _pruned_value(value) for key, value in table.items() if value is not None}


def _pruned_value(value: Any) -> Any:
    if isinstance(value, dict):
        return _pruned(value)
    return [_pruned_value(one) for one in value] if isinstance(value, list) else value
