"""The order of samples, and that our loss is TRL's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.training.data.tokens import prepare_rows
from sentinel_pipeline.training.trainers.fit import TrainingSetup, load_trainable, open_watch
from sentinel_pipeline.training.trainers.sft import build_trainer
from sentinel_pipeline.training.trainers.trainer import length_groups, sample_order
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job


@given(rows=st.integers(1, 50), samples=st.integers(0, 200), seed=st.integers(0, 5))
def test_every_pass_sees_every_row_once(rows: int, samples: int, seed: int) -> None:
    order = sample_order(rows, samples, seed)
    assert len(order) == samples
    for start in range(0, samples - rows + 1, rows):
        assert sorted(order[start : start + rows]) == list(range(rows))


def test_the_order_is_the_seeds() -> None:
    assert sample_order(100, 300, 1) == sample_order(100, 300, 1)
    assert sample_order(100, 300, 1) != sample_order(100, 300, 2)
    assert sample_order(100, 200, 1) == sample_order(100, 300, 1)[:200], (
        "more steps only add to the end"
    )


@given(st.lists(st.integers(1, 90), min_size=1, max_size=70), st.integers(1, 20))
def test_length_groups_hold_every_row_once_and_do_not_overlap(
    lengths: list[int], size: int
) -> None:
    groups = length_groups(lengths, size)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert all(groups)
    for shorter, longer in pairwise(groups):
        assert max(lengths[row] for row in shorter) <= min(lengths[row] for row in longer)


def test_loss_and_gradient_are_those_of_trl(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """Same batch, the plain head against TRL's own: equal up to rounding."""
    import torch
    from trl import SFTTrainer

    from sentinel_pipeline.generation.loading import load_tokenizer

    job, tokenizer = (
        small_sft_job(tmp_path, base, material[0], None, batch_size=40),
        load_tokenizer(base),
    )
    rows = prepare_rows(job.rows, tokenizer, 256).rows
    fitting = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(rows), reached={})
    watch = open_watch(fitting, silent(job.logs), Interrupts(), exact_match, None)
    trainer: Any = build_trainer(fitting, load_trainable(base, "full"), rows, watch)
    batch = trainer.data_collator([row._asdict() for row in rows[:40]])
    count = (batch["labels"][:, 1:] != -100).sum()
    found = []
    for compute in (trainer.compute_loss, super(type(trainer), trainer).compute_loss):
        trainer.model.zero_grad()
        loss = compute(trainer.model, dict(batch), num_items_in_batch=count)
        loss.backward()
        found.append(
            (loss.detach(), torch.cat([p.grad.flatten() for p in trainer.model.parameters()]))
        )
    assert isinstance(trainer, SFTTrainer)
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
