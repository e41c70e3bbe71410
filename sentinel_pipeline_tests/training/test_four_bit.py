"""QLoRA: a base in 4 bit under a trained adapter, for real where ``bitsandbytes`` is installed;
else a clear word."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.store import read_jsonl
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.training.trainers.trainable import load_trainable
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.tools import need_package
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job


def test_without_bitsandbytes_it_says_what_to_install(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        Infrastructure, match=r"bitsandbytes is not installed.*load_in_4bit = false"
    ):
        load_trainable(base, "lora", load_in_4bit=True)


def test_four_bit_without_an_adapter_is_bad_input(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text("[sft]\nload_in_4bit = true\n")
    with pytest.raises(BadInput, match=r"sft\.load_in_4bit.*cannot train.*method"):
        load_recipe(recipe)


def test_a_base_in_four_bit_passes_gradients_on_after_it_has_answered(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU with AVX512-BF16, bitsandbytes repacks a layer that answers, and its kernel for
    repacked layers has no backward pass. Any CPU is taken for such a CPU here."""
    need_package("bitsandbytes")
    import torch

    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    model = load_trainable(base, "lora", load_in_4bit=True)
    ids = torch.tensor([[5, 6, 7, 8]])

    def gradients() -> torch.Tensor:
        embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
        model.train()(inputs_embeds=embedded, labels=ids).loss.backward()
        gradient: torch.Tensor = embedded.grad
        return gradient

    before = gradients()
    with torch.no_grad():
        model.eval()(input_ids=ids)
    assert before.abs().max() > 0
    assert torch.equal(gradients(), before)


def test_an_adapter_over_a_base_in_four_bit_trains_and_its_merged_model_answers(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    need_package("bitsandbytes")
    from sentinel_pipeline.generation.loading import load_model

    loaded = load_trainable(base, "lora", load_in_4bit=True)
    kinds = {type(module).__name__ for module in loaded.modules()}
    assert "Linear4bit" in kinds
    job = small_sft_job(
        tmp_path, base, *material, method="lora", load_in_4bit=True, lora_r=4, max_steps=12
    )
    result = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    assert result["steps"] == 12 and (job.out / "adapter" / "adapter_config.json").is_file()
    losses = [row["loss"] for row in read_jsonl(job.out / "losses.jsonl")]
    assert losses[-1] < losses[0]
    assert load_model(job.out / "model").num_parameters() > 0
