"""Export parity finds what a checkpoint's forms do not share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import answer_dtype, load_tokenizer
from sentinel_pipeline.training.loop.parity import check_parity
from sentinel_pipeline.training.trainers.fit import write_merged
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


def sixteen_bit(base: Path, folder: Path) -> Path:
    """The base model as most checkpoints are: in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model.to(torch.bfloat16).save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    return folder


def adapter_of(base: Path, folder: Path, seed: int, size: float) -> Path:
    """A checkpoint with an adapter of changes of about ``size``, and the adapter merged."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model: Any = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype="auto"),
        LoraConfig(r=4, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter.data) * size
    model.save_pretrained(folder / "adapter")
    tokenizer = load_tokenizer(base)
    tokenizer.save_pretrained(folder / "adapter")
    (folder / "model").mkdir()
    write_merged(folder / "adapter", folder / "model", tokenizer)
    return folder


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """An adapter over a base in bfloat16, merged in bfloat16."""
    folder = tmp_path_factory.mktemp("bf16")
    return adapter_of(sixteen_bit(base, folder / "base"), folder / "run", 1, 0.02)


def test_a_merge_in_sixteen_bit_is_held_to_one_rounding(rounded: Path) -> None:
    result = check_parity(rounded)
    adapter = result.variants[0]
    assert result.passed, adapter
    assert adapter.number_format == "bfloat16"
    assert adapter.logit_distance > 1e-3, "float32's tolerance would have refused it"
    assert adapter.weight_error is not None and adapter.weight_error <= 1.0
    assert adapter.kept == pytest.approx(1.0, abs=0.02)


def test_another_adapters_merge_is_found_in_sixteen_bit(rounded: Path, tmp_path: Path) -> None:
    other = adapter_of(rounded.parent / "base", tmp_path / "other", 2, 0.02)
    swapped = Path(shutil.copytree(rounded, tmp_path / "swapped"))
    shutil.copy(other / "model" / "model.safetensors", swapped / "model" / "model.safetensors")
    adapter = check_parity(swapped).variants[0]
    assert not adapter.same
    assert adapter.kept is not None and abs(adapter.kept) < 0.5
    assert adapter.weight_error is not None and adapter.weight_error > 1.0


def test_an_adapter_that_was_not_merged_is_found_in_sixteen_bit(
    rounded: Path, tmp_path: Path
) -> None:
    plain = Path(shutil.copytree(rounded, tmp_path / "plain"))
    shutil.copy(
        rounded.parent / "base" / "model.safetensors", plain / "model" / "model.safetensors"
    )
    adapter = check_parity(plain).variants[0]
    assert (adapter.same, adapter.kept) == (False, 0.0)


def test_a_layer_that_is_left_out_is_found_in_sixteen_bit(rounded: Path, tmp_path: Path) -> None:
    """By the configuration alone, which no weight shows, and by a file without its tensors."""
    from safetensors.torch import load_file, save_file

    short = Path(shutil.copytree(rounded, tmp_path / "short"))
    path = short / "model" / "config.json"
    config = json.loads(path.read_text())
    config["num_hidden_layers"] -= 1
    config.pop("layer_types", None)
    path.write_text(json.dumps(config))
    adapter = check_parity(short).variants[0]
    assert not adapter.same and adapter.logit_distance > adapter.tolerance
    lost = Path(shutil.copytree(rounded, tmp_path / "lost"))
    weights = lost / "model" / "model.safetensors"
    tensors = {k: v for k, v in load_file(weights).items() if "layers.1.mlp.down_proj" not in k}
    save_file(tensors, weights, {"format": "pt"})
    adapter = check_parity(lost).variants[0]
    assert adapter.different == ("model.layers.1.mlp.down_proj.weight",) and not adapter.same


def test_a_change_too_small_for_sixteen_bit_is_kept_in_float32(
    rounded: Path, tmp_path: Path
) -> None:
    """Merged in bfloat16 most of it would be rounded away: the model would be the base again."""
    small = adapter_of(rounded.parent / "base", tmp_path / "small", 3, 2e-5)
    adapter = check_parity(small).variants[0]
    assert adapter.same, adapter
    assert adapter.number_format == "float32"
    assert adapter.kept == pytest.approx(1.0, abs=1e-3)
    assert answer_dtype(small / "model") == "float32" and answer_dtype(rounded / "model") is None
