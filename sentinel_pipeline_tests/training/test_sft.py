"""Fine-tuning a model of a few thousand weights, for real."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupted, Interrupts
from sentinel_pipeline.worker.jobs import SftJob
from sentinel_pipeline_tests.training.material import (
    exact_match,
    silent,
    small_sft_job,
    stop_at_step,
)


def run(job: SftJob, interrupts: Interrupts | None = None) -> dict[str, object]:
    return train_sft(job, silent(job.logs), interrupts or Interrupts(), exact_match)


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> SftJob:
    job = small_sft_job(tmp_path_factory.mktemp("sft"), base, *material)
    run(job)
    return job


def test_training_lowers_the_loss(finished: SftJob) -> None:
    rows = [json.loads(line) for line in (finished.out / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, finished.spec.total_steps(96) + 1))
    first, last = (sum(row["loss"] for row in part) / 4 for part in (rows[:4], rows[-4:]))
    assert last < first - 0.5


def test_windows_fall_on_every_nth_step_and_the_last(finished: SftJob) -> None:
    rows = [json.loads(line) for line in (finished.out / "windows.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [6, 12, 18, 24]
    assert {row["n"] for row in rows} == {8}


def test_full_checkpoints_are_kept_apart_and_two_at_most(finished: SftJob) -> None:
    assert [found.step for found in complete_checkpoints(finished.logs / "checkpoints")] == [20, 24]
    assert not list((finished.out / "model").glob("*optimizer*"))


def test_model_folder_loads_by_plain_transformers(finished: SftJob) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(finished.out / "model")
    tokenizer = AutoTokenizer.from_pretrained(finished.out / "model")
    assert (
        model.generation_config.eos_token_id
        == tokenizer.eos_token_id
        == tokenizer.convert_tokens_to_ids("<|im_end|>")
    )
    assert (finished.out / "model" / "chat_template.jinja").is_file()


def test_same_job_elsewhere_gives_the_same_weights(
    finished: SftJob, tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    again = small_sft_job(tmp_path, base, *material)
    run(again)
    assert weights(again.out / "final") == weights(finished.out / "final")
    assert (again.out / "training.json").read_bytes() == (
        finished.out / "training.json"
    ).read_bytes()


def test_a_stop_signal_saves_and_the_resumed_run_ends_alike(
    finished: SftJob, tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = small_sft_job(tmp_path, base, *material)
    interrupts = Interrupts()
    progress = silent(job.logs)
    stop_at_step(progress, interrupts, 7)
    with pytest.raises(Interrupted, match="SIGTERM at step 7"):
        train_sft(job, progress, interrupts, exact_match)
    assert complete_checkpoints(job.logs / "checkpoints")[-1].step == 7
    run(job)
    assert weights(job.out / "final") == weights(finished.out / "final")
    for name in ("losses.jsonl", "windows.jsonl"):
        assert (job.out / name).read_bytes() == (finished.out / name).read_bytes()


def test_a_loss_that_is_not_finite_is_named_and_nothing_is_kept_of_it(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = small_sft_job(tmp_path, base, *material, learning_rate=1e30, optimizer="adamw")
    with pytest.raises(BadInput, match=r"sft\.learning_rate.*loss is (nan|inf)"):
        run(job)
    assert not (job.out / "model").exists()


def test_a_lora_run_trains_the_adapter_alone_and_answers(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    from sentinel_pipeline.generation.loading import load_model

    job = small_sft_job(tmp_path, base, *material, method="lora", lora_r=4, max_steps=8)
    result = run(job)
    assert (job.out / "adapter" / "adapter_config.json").is_file()
    assert (job.out / "model" / "model.safetensors").is_file(), "the adapter merged"
    assert not (job.out / "model" / "adapter_config.json").exists()
    assert 0 < int(str(result["trained_parameters"])) < int(str(result["parameters"])) / 2
    assert load_model(job.out / "model").num_parameters() > 0


def test_a_folder_without_a_model_is_bad_input(tmp_path: Path, material: tuple[Path, Path]) -> None:
    with pytest.raises(BadInput, match="no such model folder"):
        run(small_sft_job(tmp_path, tmp_path / "nowhere", *material))
