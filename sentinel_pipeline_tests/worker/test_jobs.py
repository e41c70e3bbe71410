"""A job file says all; what is wrong in it is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel_pipeline.errors import EXIT_GATE, BadInput
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.records.gate_spec import BenchSpec
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.training_spec import SftSpec, Windows
from sentinel_pipeline.store import Home
from sentinel_pipeline.worker.failures import Failure, read_failure, write_failure
from sentinel_pipeline.worker.jobs import (
    AnswerJob,
    Job,
    PretrainJob,
    SftJob,
    TuneJob,
    answer_job,
    pretrain_job,
    read_job,
    tune_job,
    write_job,
)

RECIPE = Recipe(name="tiny", seed=7)


@pytest.mark.parametrize("lock", [None, Path("device.lock")])
@pytest.mark.parametrize("kind", ["pretrain", "sft", "answer"])
def test_a_job_survives_its_file(tmp_path: Path, kind: str, lock: Path | None) -> None:
    logs = tmp_path / "logs"
    jobs: dict[str, Job] = {
        "pretrain": PretrainJob(
            out=tmp_path, logs=logs, device_lock=lock, spec=EmbeddedModel(hidden=64)
        ),
        "sft": SftJob(
            kind="sft",
            out=tmp_path,
            logs=logs,
            model=tmp_path / "m",
            rows=tmp_path / "r.jsonl",
            device_lock=lock,
            spec=SftSpec(method="lora", max_steps=3, windows=Windows(eval_steps=9)),
        ),
        "answer": AnswerJob(
            logs=logs,
            model=tmp_path,
            suites={"heldout": "h.parquet"},
            device_lock=lock,
            decoding=Decoding(temperature=0.7, prompt_format="cue"),
        ),
    }
    assert read_job(write_job(jobs[kind])) == jobs[kind]


def test_the_recipe_fills_the_jobs(tmp_path: Path) -> None:
    pretrain = read_job(pretrain_job(RECIPE, tmp_path / "base"))
    assert isinstance(pretrain, PretrainJob) and (pretrain.seed, pretrain.spec) == (
        7,
        RECIPE.model.embedded,
    )
    sft = read_job(
        tune_job(
            RECIPE, "sft", tmp_path / "base/model", tmp_path / "t.jsonl", None, tmp_path / "sft"
        )
    )
    assert isinstance(sft, TuneJob) and (sft.kind, sft.seed) == ("sft", 7)
    assert (sft.spec, sft.suite) == (RECIPE.sft, None)
    answers = read_job(
        answer_job(
            RECIPE, tmp_path / "m", tmp_path / "suites", tmp_path / "logs", Home(tmp_path), "hash"
        )
    )
    assert isinstance(answers, AnswerJob)
    assert (answers.cache, answers.model_hash) == (Home(tmp_path).answers, "hash")
    assert answers.suites == {
        name: str(tmp_path / "suites" / f"{name}.parquet") for name in RECIPE.bench.suites
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "sfft"}, "unknown kind 'sfft'.*Did you mean 'sft'"),
        ({"kind": None}, "unknown kind None"),
        ({"modell": "x"}, "'modell'.*unknown key.*Did you mean 'model'"),
        (
            {"spec": {"num_train_epoch": 1}},
            r"'spec\.num_train_epoch'.*Did you mean 'num_train_epochs'",
        ),
        (
            {"spec": {"num_train_epochs": "many"}},
            r"spec\.num_train_epochs.*expected float, got str",
        ),
        ({"model": None}, "field 'model': expected path, got null"),
    ],
)
def test_a_faulty_job_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tune_job(RECIPE, "sft", tmp_path / "m", tmp_path / "t.jsonl", None, tmp_path / "sft")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=said):
        read_job(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_file_that_is_no_job_is_bad_input(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(BadInput, match=r"job\.json"):
        read_job(tmp_path / "job.json")


def test_a_failure_is_told_and_forgotten_by_the_next_attempt(tmp_path: Path) -> None:
    path = pretrain_job(RECIPE, tmp_path)
    assert read_failure(path) is None
    write_failure(path, Failure(EXIT_GATE, "no verdict"))
    assert read_failure(path) == Failure(EXIT_GATE, "no verdict")
    pretrain_job(RECIPE, tmp_path)
    assert read_failure(path) is None


@pytest.mark.parametrize("text", ["", "{}", '{"exit_code": 3}', "[]"])
def test_an_unreadable_failure_is_none(tmp_path: Path, text: str) -> None:
    path = pretrain_job(RECIPE, tmp_path)
    (path.parent / "failure.json").write_text(text)
    assert read_failure(path) is None


def test_windows_answer_as_the_benchmarks_do(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE, bench=BenchSpec(temperature=0.7, top_p=0.9, samples=3, max_new_tokens=9)
    )
    job = read_job(
        tune_job(recipe, "sft", tmp_path / "m", tmp_path / "t.jsonl", None, tmp_path / "sft")
    )
    assert isinstance(job, TuneJob)
    found = job.decoding
    assert (found.temperature, found.top_p, found.max_new_tokens, found.seed) == (
        0.7,
        0.9,
        9,
        RECIPE.seed,
    )
