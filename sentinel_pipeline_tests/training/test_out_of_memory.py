"""Out of memory: the remedies in their order, recorded, and the run ends as if it had been asked so
from the beginning."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.run_job import run_job
from sentinel_pipeline.store import read_jsonl
from sentinel_pipeline.training.loop.out_of_memory import next_remedy
from sentinel_pipeline.worker.device import is_out_of_memory
from sentinel_pipeline.worker.jobs import SftJob
from sentinel_pipeline_tests.training.material import exact_match, small_sft_job


def weights(folder: Path) -> str:
    return hashlib.sha256(next(folder.glob("*.safetensors")).read_bytes()).hexdigest()


def run(job: SftJob, said: list[str] | None = None) -> dict[str, Any]:
    return run_job(job, (said if said is not None else []).append, scorer=exact_match)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the device refuse what ``fits(trainer, inputs)`` says is too much, as torch does."""

    def limit(fits: Any) -> None:
        import torch

        from sentinel_pipeline.training.trainers import trainer

        original = trainer.sft_trainer_class

        def small() -> Any:
            class Trainer(original()):  # type: ignore[misc]  # a base made at run time
                def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                    if not fits(self, inputs):
                        raise torch.OutOfMemoryError(
                            "CUDA out of memory. Tried to allocate 2.00 GiB."
                        )
                    return super().compute_loss(model, inputs, *args, **kwargs)

            return Trainer

        monkeypatch.setattr(trainer, "sft_trainer_class", small)

    return limit


@given(
    st.integers(1, 96),
    st.integers(1, 8),
    st.sampled_from(["full", "lora"]),
    st.sampled_from([8, 16, 64]),
)
def test_remedies_come_in_the_stage_1_plans_order_and_end(
    batch: int, accumulation: int, method: Any, rank: int
) -> None:
    spec = SftSpec(
        batch_size=batch,
        gradient_accumulation_steps=accumulation,
        method=method,
        lora_r=rank,
        lora_alpha=rank,
    )
    names = []
    while (remedy := next_remedy(spec, new_adapter=True)) is not None:
        names.append(remedy.name)
        spec = SftSpec(
            **{
                **{name: getattr(spec, name) for name in SftSpec.__dataclass_fields__},
                **remedy.changes,
            }
        )
        assert spec.batch_size * spec.gradient_accumulation_steps == batch * accumulation, (
            "a step keeps its samples"
        )
    assert sorted(names, key=("batch", "checkpointing", "rank").index) == names
    assert names.count("checkpointing") == 1 and names.count("rank") == (
        method == "lora" and rank > 16
    )
    assert spec.batch_size == 1


@given(st.integers(2, 96), st.integers(2, 4))
def test_no_remedy_goes_below_the_batch_that_a_loss_needs(batch: int, smallest: int) -> None:
    spec = SftSpec(batch_size=batch)
    names = []
    while (remedy := next_remedy(spec, True, smallest)) is not None:
        names.append(remedy.name)
        spec = replace(spec, **remedy.changes)
        assert spec.batch_size >= min(batch, smallest)
    assert names.count("checkpointing") == 1


def test_a_smaller_batch_with_more_accumulation_ends_with_the_weights_of_a_run_asked_so(
    tmp_path: Path, base: Path, material: tuple[Path, Path], little_memory: Any
) -> None:
    asked = small_sft_job(
        tmp_path / "asked", base, material[0], None, batch_size=2, gradient_accumulation_steps=2
    )
    run(asked)
    little_memory(lambda trainer, inputs: len(inputs["input_ids"]) <= 2)
    job, said = (
        small_sft_job(tmp_path / "remedied", base, material[0], None, batch_size=4),
        list[str](),
    )
    result = run(job, said)
    assert result["spec"]["batch_size"] == 2 and result["spec"]["gradient_accumulation_steps"] == 2
    assert weights(job.out / "final") == weights(asked.out / "final")
    rows = list(read_jsonl(job.out / "remedies.jsonl"))
    assert [(row["remedy"], row["before"]["batch_size"]) for row in rows] == [("batch", 4)]
    assert any("out of memory" in line and "batch" in line for line in said)


def test_memory_lost_midway_goes_on_from_the_last_checkpoint(
    tmp_path: Path, base: Path, material: tuple[Path, Path], little_memory: Any
) -> None:
    little_memory(
        lambda trainer, inputs: trainer.state.global_step < 9 or len(inputs["input_ids"]) <= 2
    )
    job, said = small_sft_job(tmp_path, base, material[0], None, batch_size=4), list[str]()
    assert run(job, said)["steps"] == 24
    assert any("resumed from step 8" in line for line in said)
    assert [row["step"] for row in read_jsonl(job.out / "losses.jsonl")] == list(range(1, 25))


def test_every_remedy_is_tried_and_then_it_is_infrastructure(
    tmp_path: Path, base: Path, material: tuple[Path, Path], little_memory: Any
) -> None:
    little_memory(lambda trainer, inputs: False)
    job = small_sft_job(
        tmp_path, base, material[0], None, batch_size=4, method="lora", lora_r=32, lora_alpha=64
    )
    with pytest.raises(
        Infrastructure, match=r"every remedy applied \(CUDA out of memory.*sft\.max_length"
    ):
        run(job)
    rows = list(read_jsonl(job.out / "remedies.jsonl"))
    assert [row["remedy"] for row in rows] == ["batch", "batch", "checkpointing", "rank"]
    assert rows[-1]["changes"] == {"lora_r": 16, "lora_alpha": 32}
    assert not (job.out / "model").exists()


def test_checkpointing_and_rank_train_for_real_and_hold_after_a_resume(
    tmp_path: Path, base: Path, material: tuple[Path, Path], little_memory: Any
) -> None:
    little_memory(
        lambda trainer, inputs: trainer.args.activation_checkpointing and _rank(trainer) <= 16
    )
    job = small_sft_job(
        tmp_path, base, material[0], None, batch_size=1, method="lora", lora_r=32, max_steps=4
    )
    result = run(job)
    assert (
        result["spec"]["lora_r"],
        result["spec"]["gradient_checkpointing"],
        result["steps"],
    ) == (16, True, 4)
    assert run(job)["spec"] == result["spec"], "asked again, it begins where the remedies led"


def _rank(trainer: Any) -> int:
    return int(trainer.model.peft_config["default"].r)


def test_other_errors_are_not_remedied(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = small_sft_job(tmp_path, base, material[0], None, learning_rate=1e30, optimizer="adamw")
    with pytest.raises(BadInput, match="loss is"):
        run(job)
    assert not (job.out / "remedies.jsonl").exists()


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (MemoryError(), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"
            ),
            True,
        ),
        (RuntimeError("HIP out of memory. Tried to allocate"), True),
        (OSError("No space left on device"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, known: bool) -> None:
    assert is_out_of_memory(error) is known
