"""Memory of a device: what is let go before an export, what an error in exporting or answering is
answered with, and in which number formats a model is held."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation import engine as engine_module
from sentinel_pipeline.generation.engine import generate, sample_tokens, stop_tokens
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.generation.prompts import Prompt
from sentinel_pipeline.records import Message
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.run_job import run_job
from sentinel_pipeline.store import read_jsonl
from sentinel_pipeline.training.loop.checkpoints import last_checkpoint
from sentinel_pipeline.training.loop.out_of_memory import next_remedy
from sentinel_pipeline.training.trainers import fit, trainable
from sentinel_pipeline.training.trainers.trainable import (
    compute_experts_mixed,
    load_trainable,
    refuse_four_bit,
)
from sentinel_pipeline_tests.tools import need_package
from sentinel_pipeline_tests.training.material import exact_match, small_sft_job

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."


def full() -> Any:
    import torch

    return torch.OutOfMemoryError(FULL)


def test_nothing_of_a_finished_trainer_is_held_while_exporting(
    tmp_path: Path, base: Path, material: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tensor of the trainer's model is empty, and the optimizer has no moments, when the
    adapter is merged."""
    held: list[tuple[int, Any]] = []
    trainers: list[Any] = []
    prepare = fit.prepare_trainer

    def noting(trainer: Any, *arguments: Any, **keywords: Any) -> Any:
        trainers.append(trainer)
        return prepare(trainer, *arguments, **keywords)

    def write(adapter: Path, folder: Path, tokenizer: Any) -> None:
        model = trainers[0].model
        held.append((sum(p.numel() for p in model.parameters()), trainers[0].optimizer))
        merge(adapter, folder, tokenizer)

    merge = fit.write_merged
    monkeypatch.setattr("sentinel_pipeline.training.trainers.sft.prepare_trainer", noting)
    monkeypatch.setattr(fit, "write_merged", write)
    job = small_sft_job(tmp_path, base, material[0], None, method="lora", lora_r=4, max_steps=2)
    result = run_job(job, list[str]().append, scorer=exact_match)
    assert held == [(0, None)]
    assert result["parameters"] > result["trained_parameters"] > 0, "counted before it was let go"


def test_an_export_out_of_memory_is_no_reason_to_train_again(
    tmp_path: Path, base: Path, material: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No remedy fires, the checkpoint stays, and a second run does the export alone."""
    merge = fit.write_merged

    def refuse(adapter: Path, folder: Path, tokenizer: Any) -> None:
        raise full()

    monkeypatch.setattr(fit, "write_merged", refuse)
    job = small_sft_job(tmp_path, base, material[0], None, method="lora", lora_r=32, max_steps=4)
    with pytest.raises(Infrastructure, match="out of memory while exporting the finished sft"):
        run_job(job, list[str]().append, scorer=exact_match)
    assert not (job.out / "remedies.jsonl").exists()
    kept = last_checkpoint(job.logs / "checkpoints")
    assert kept is not None and kept.step == 4
    monkeypatch.setattr(fit, "write_merged", merge)
    words: list[str] = []
    result = run_job(job, words.append, scorer=exact_match)
    assert any("resumed from step 4" in line for line in words)
    assert [row["step"] for row in read_jsonl(job.out / "losses.jsonl")] == [1, 2, 3, 4]
    assert result["steps"] == 4 and (job.out / "model" / "config.json").is_file()


def test_a_remedy_deletes_no_checkpoint(
    tmp_path: Path, base: Path, material: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that is lost for good after step 4 ends the run; a smaller rank would begin anew."""
    from sentinel_pipeline.training.trainers import trainer

    original = trainer.sft_trainer_class

    def small() -> Any:
        class Trainer(original()):  # type: ignore[misc]  # a base made at run time
            def compute_loss(self, *arguments: Any, **keywords: Any) -> Any:
                if self.state.global_step >= 4:
                    raise full()
                return super().compute_loss(*arguments, **keywords)

        return Trainer

    monkeypatch.setattr(trainer, "sft_trainer_class", small)
    job = small_sft_job(
        tmp_path, base, material[0], None, method="lora", lora_r=32, batch_size=1, max_steps=6
    )
    with pytest.raises(Infrastructure, match=r"every remedy applied.*checkpoint of step 4 is kept"):
        run_job(job, list[str]().append, scorer=exact_match)
    assert [row["remedy"] for row in read_jsonl(job.out / "remedies.jsonl")] == ["checkpointing"]
    kept = last_checkpoint(job.logs / "checkpoints")
    assert kept is not None and kept.step == 4


def test_grpo_has_the_remedies_of_the_others_in_its_own_keys() -> None:
    spec = GrpoSpec(prompts_per_step=2, num_generations=4, lora_r=32, lora_alpha=64)
    steps = []
    while (remedy := next_remedy(spec, new_adapter=True)) is not None:
        steps.append(remedy.changes)
        spec = replace(spec, **remedy.changes)
        assert spec.batch_size * spec.gradient_accumulation_steps == 8, "a step keeps its samples"
    assert steps == [
        {"micro_batch": 4},
        {"micro_batch": 2},
        {"micro_batch": 1},
        {"gradient_checkpointing": True},
        {"lora_r": 16, "lora_alpha": 32},
    ]


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Let no more than so many rows be decoded at a time; returns the sizes that were tried."""
    decode = engine_module._decode  # noqa: SLF001 -- memory is lost within it

    def limit(rows: int) -> list[int]:
        tried: list[int] = []

        def small(model: Any, batch: Sequence[Any], *arguments: Any) -> list[list[int]]:
            tried.append(len(batch))
            if len(batch) > rows:
                raise full()
            return decode(model, list(batch), *arguments)

        monkeypatch.setattr(engine_module, "_decode", small)
        return tried

    return limit


PROMPTS = [
    Prompt(f"p{index}", (Message("user", f"Add {index} and {index * index}."),))
    for index in range(8)
]
SAMPLED = Decoding(max_new_tokens=6, batch_size=8, temperature=1.0)


def answers(model: Any, tokenizer: Any) -> dict[str, str]:
    batches = generate(model, tokenizer, PROMPTS, SAMPLED)
    return {answer.id: answer.completion for batch in batches for answer in batch}


def test_a_batch_that_does_not_fit_is_answered_in_parts_with_the_same_draws(
    base: Path, little_memory: Callable[[int], list[int]]
) -> None:
    model, tokenizer = load_model(base), load_tokenizer(base)
    whole = answers(model, tokenizer)
    tried = little_memory(3)
    assert answers(model, tokenizer) == whole
    assert tried == [8, 4, 2, 2, 4, 2, 2]


def test_one_prompt_that_does_not_fit_is_infrastructure(
    base: Path, little_memory: Callable[[int], list[int]]
) -> None:
    little_memory(0)
    with pytest.raises(Infrastructure, match=r"answering one prompt of \d+ tokens.*max_new_tokens"):
        answers(load_model(base), load_tokenizer(base))


def test_rollouts_under_gradient_checkpointing_are_those_without(base: Path) -> None:
    """A model in training mode drops its cache there, and every token would see one token alone."""
    model, tokenizer = load_trainable(base, "full"), load_tokenizer(base)
    prompts = [(f"r{index}", [5, 6, 7 + index, 8, 9]) for index in range(6)]
    stops = stop_tokens(model, tokenizer)
    greedy = Decoding(max_new_tokens=8, batch_size=6)
    model.eval()
    expected = sample_tokens(model, prompts, greedy, stops, 0)
    model.gradient_checkpointing_enable()
    model.train()
    assert sample_tokens(model, prompts, greedy, stops, 0) == expected
    assert model.training, "and training goes on"


def test_the_base_of_an_adapter_is_held_in_sixteen_bit_where_training_computes_so(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(trainable, "bfloat16_pays", lambda: True)
    frozen = {p.dtype for p in load_trainable(base, "lora").parameters()}
    whole = {p.dtype for p in load_trainable(base, "full").parameters()}
    assert (frozen, whole) == ({torch.bfloat16}, {torch.float32})


def test_an_adapter_over_four_bit_begins_where_its_weights_stood_and_keeps_float32(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """TRL rounds such an adapter to bfloat16, whose numbers near 0.007 are 3e-5 apart."""
    need_package("bitsandbytes")
    import torch
    from safetensors.torch import load_file

    first = small_sft_job(
        tmp_path / "a",
        base,
        material[0],
        None,
        method="lora",
        load_in_4bit=True,
        lora_r=4,
        max_steps=2,
    )
    run_job(first, list[str]().append, scorer=exact_match)
    again = small_sft_job(
        tmp_path / "b", first.out / "adapter", material[0], None,
        method="lora", load_in_4bit=True, lora_r=4, max_steps=1, learning_rate=1e-12, warmup_steps=0,
    )  # fmt: skip
    run_job(again, list[str]().append, scorer=exact_match)
    before = load_file(first.out / "final" / "adapter_model.safetensors")
    after = load_file(again.out / "final" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    assert max(float((after[name] - before[name]).abs().max()) for name in before) < 1e-9
    assert any(not tensor.bfloat16().float().equal(tensor) for tensor in after.values())


def mixture(dtype: Any = None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, Qwen2MoeConfig

    config = Qwen2MoeConfig(
        hidden_size=32, intermediate_size=64, moe_intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, num_experts=4, num_experts_per_tok=2, vocab_size=64, shared_expert_intermediate_size=32,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, dtype=dtype or torch.float32)


def test_experts_that_four_bit_leaves_alone_are_refused_with_what_they_take(tmp_path: Path) -> None:
    need_package("bitsandbytes")
    model = mixture()
    reason = refuse_four_bit(model)
    assert reason is not None and "experts that bitsandbytes leaves in 16 bit" in reason
    model.save_pretrained(tmp_path)
    with pytest.raises(BadInput, match=r"load_in_4bit.*experts.*Set load_in_4bit = false"):
        load_trainable(tmp_path, "lora", load_in_4bit=True)


def test_float32_experts_compute_in_bfloat16_under_autocast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def computed_in(model: Any) -> set[Any]:
        found: set[Any] = set()
        experts = model.model.layers[0].mlp.experts
        experts.act_fn.register_forward_pre_hook(lambda _, inputs: found.add(inputs[0].dtype))
        with torch.autocast("cpu", torch.bfloat16):
            model(input_ids=torch.tensor([[1, 2, 3, 4]]))
        return found

    monkeypatch.setattr(trainable, "bfloat16_pays", lambda: True)
    assert computed_in(mixture()) == {torch.float32}, "as Transformers has it"
    mixed = mixture()
    compute_experts_mixed(mixed)
    assert computed_in(mixed) == {torch.bfloat16}


@pytest.mark.gpu
def test_a_base_on_a_gpu_is_sixteen_bit_and_its_export_holds(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    import torch

    if not torch.cuda.is_available() or os.environ.get("SENTINEL_DEVICE") == "cpu":
        pytest.skip("a CUDA or ROCm device is missing")
    job = small_sft_job(tmp_path, base, *material, method="lora", lora_r=4, max_steps=8)
    run_job(job, list[str]().append, scorer=exact_match)
    import json

    parity = json.loads((job.out / "parity.json").read_text())
    assert parity["passed"], parity
