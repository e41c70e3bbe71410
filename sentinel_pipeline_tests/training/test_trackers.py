"""Trackers that a recipe names get every step under TRL's names, on this machine; without a name
nothing is written."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.training.loop.trackers import PACKAGES, require_trackers, trl_names
from sentinel_pipeline.training.planning.inputs import missing_inputs
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import SftJob, read_job, tune_job
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job

FAKE = """
import json, os
__version__ = "0"
def note(kind, *values, **fields):
    with open(os.environ["NOTES"], "a") as stream:
        stream.write(json.dumps([kind, list(values), fields], default=str) + "\\n")
def init(**fields):
    note("init", **fields)
def log(logs, step=None, **_):
    note("log", logs)
def finish():
    note("finish")
def define_metric(*args, **fields):
    pass
class Settings(dict):
    def update(self, values, allow_val_change=False):
        pass
config = Settings()
class Space:
    def get(self):
        return None
class context_vars:
    current_space_id = Space()
class Run:
    summary = {}
    def _label(self, **fields):
        pass
run = None
"""
"""What Transformers' callbacks ask of ``trackio`` and ``wandb``."""


@pytest.fixture(scope="module")
def job(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> SftJob:
    out = tmp_path_factory.mktemp("tracked")
    job = small_sft_job(out, base, *material, max_steps=6)
    job = replace(job, report_to=("tensorboard",), tracked_as="tiny")
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    return job


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_tensorboard_files_hold_every_step_under_trls_names(job: SftJob) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(job.logs / "tensorboard"))
    events.Reload()
    names = {"train/loss", "train/learning_rate", "train/grad_norm", "eval/pass_at_1"}
    assert names <= set(events.Tags()["scalars"])
    rows = rows_of(job.out / "losses.jsonl")
    for name in ("loss", "learning_rate", "grad_norm"):
        told = [(event.step, event.value) for event in events.Scalars(f"train/{name}")]
        assert told == [(row["step"], pytest.approx(row[name], rel=1e-4)) for row in rows]
    (window,) = events.Scalars("eval/pass_at_1")
    assert window.step == 6


def test_the_run_itself_keeps_rate_gradient_and_memory(job: SftJob) -> None:
    rates = [row["learning_rate"] for row in rows_of(job.out / "losses.jsonl")]
    assert rates[0] == 0.0 and max(rates) == pytest.approx(job.spec.learning_rate), (
        "the warm-up begins at zero"
    )
    assert rates[-1] < max(rates)
    assert rows_of(job.logs / "progress.jsonl")[-1]["memory_mib"] > 50


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_trackio_and_wandb_are_told_and_stay_on_this_machine(
    name: str,
    tmp_path: Path,
    base: Path,
    material: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = FAKE if name == "trackio" else FAKE.replace("run = None", "run = Run()")
    package = tmp_path / name
    (package / "sdk" / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    for inside in ("sdk", "sdk/lib"):
        (package / inside / "__init__.py").write_text("")
    (package / "sdk" / "lib" / "config_util.py").write_text(
        "class ConfigError(Exception):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes.jsonl"))
    for variable in ("WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(variable, raising=False)
    job = small_sft_job(tmp_path / "out", base, *material, max_steps=3)
    tracker = cast(Literal["trackio", "wandb"], name)
    job = replace(job, report_to=(tracker,), tracked_as="tiny", suite=None)
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    notes = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text().splitlines()]
    logs = [values[0] for kind, values, _ in notes if kind == "log" and "train/loss" in values[0]]
    losses = [row["loss"] for row in rows_of(job.out / "losses.jsonl")]
    assert [log["train/loss"] for log in logs] == pytest.approx(losses, rel=1e-4)
    if name == "trackio":
        ((_, _, fields),) = [note for note in notes if note[0] == "init"]
        assert (fields["project"], fields["space_id"]) == ("tiny", None), (
            "no Space: a local database"
        )
    else:
        assert os.environ["WANDB_MODE"] == "offline"
        assert os.environ["WANDB_DIR"] == str(job.logs)


def test_names_are_trls() -> None:
    grpo = {
        "rewards/functions": 0.5,
        "eval/chat": 1.0,
        "eval/chat/n": 3.0,
        "reward": 0.1,
        "step": 1,
    }
    assert trl_names("grpo", grpo) == {
        "rewards/functions/mean": 0.5,
        "eval_chat": 1.0,
        "reward": 0.1,
    }
    assert trl_names("dpo", {"rewards/chosen": 0.5}) == {"rewards/chosen": 0.5}


def test_a_recipe_names_them_and_its_job_has_them(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('report_to = ["tensorboard", "trackio"]\n')
    recipe = load_recipe(tmp_path / "r.toml")
    path = tune_job(recipe, "sft", "m", tmp_path / "rows", None, tmp_path / "out")
    job = read_job(path)
    assert isinstance(job, SftJob.__origin__)  # type: ignore[attr-defined]  # a generic alias
    assert (tuple(job.report_to), job.tracked_as) == (("tensorboard", "trackio"), "r")
    (tmp_path / "r.toml").write_text('report_to = ["tensorbord"]\n')
    with pytest.raises(BadInput, match="tensorboard"):
        load_recipe(tmp_path / "r.toml")


def test_one_that_is_not_installed_is_refused_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, home: Any
) -> None:
    monkeypatch.setitem(PACKAGES, "wandb", "a_package_that_is_nowhere")
    with pytest.raises(BadInput, match="'report_to': wandb is not installed"):
        require_trackers(("tensorboard", "wandb"))
    problems = [
        str(error) for error in missing_inputs(Recipe(name="r", report_to=("wandb",)), home)
    ]
    assert any("wandb is not installed" in problem for problem in problems)
