"""Export parity finds what a checkpoint's forms do not share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.training.loop.parity import check_parity
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job


@pytest.fixture(scope="module")
def adapted(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> Path:
    job = small_sft_job(
        tmp_path_factory.mktemp("lora"),
        base,
        material[0],
        None,
        method="lora",
        lora_r=4,
        max_steps=6,
    )
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    return job.out


def test_an_adapter_and_its_merged_model_agree(adapted: Path) -> None:
    found = check_parity(adapted)
    assert found.passed
    adapter, again = found.variants
    assert (adapter.name, again.name) == ("adapter", "saved again")
    assert 0 < adapter.logit_distance < 1e-4, "merged in another order, so not equal to the bit"
    assert again.logit_distance == 0
    assert found.logits > 10_000


def test_a_merged_model_that_is_not_the_adapters_is_found(
    adapted: Path, tmp_path: Path, base: Path
) -> None:
    wrong = Path(shutil.copytree(adapted, tmp_path / "wrong"))
    shutil.copy(base / "model.safetensors", wrong / "model" / "model.safetensors")
    found = check_parity(wrong)
    assert not found.passed
    assert found.variants[0].logit_distance > 0.01


def test_a_plain_model_folder_is_compared_with_its_copy(base: Path) -> None:
    found = check_parity(base)
    assert (found.passed, [one.name for one in found.variants]) == (True, ["saved again"])


def test_missing_files_and_pickles_are_named(tmp_path: Path, base: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    (folder / "generation_config.json").unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    found = check_parity(folder)
    assert (found.passed, found.missing, found.pickles) == (
        False,
        ("generation_config.json",),
        ("training_args.bin",),
    )


def test_no_folder_and_no_model_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        check_parity(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"holds no config\.json"):
        check_parity(tmp_path)
