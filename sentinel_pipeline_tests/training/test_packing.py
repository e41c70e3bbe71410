"""Packed documents are the documents alone: same loss, same gradient, whatever stands before
them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.training.data.packing import best_fit, check_isolated, packing_collator
from sentinel_pipeline.training.data.tokens import prepare_rows
from sentinel_pipeline.training.trainers.fit import TrainingSetup, load_trainable, open_watch
from sentinel_pipeline.training.trainers.sft import build_trainer, train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline_tests.training.material import (
    SMALL,
    exact_match,
    pretrain_small,
    silent,
    small_sft_job,
)


@given(st.lists(st.integers(1, 120), max_size=60), st.integers(1, 100))
def test_every_document_is_in_one_pack_that_holds_it(lengths: list[int], width: int) -> None:
    packs = best_fit(lengths, width)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    for pack in packs:
        assert len(pack) == 1 or sum(lengths[index] for index in pack) <= width
    halves = [pack for pack in packs if sum(lengths[index] for index in pack) * 2 <= width]
    assert len(halves) <= 1, "two packs that fit into one"


@pytest.mark.parametrize("experts", [0, 3])
@pytest.mark.parametrize("width", [256, None])
def test_packed_loss_and_gradient_are_those_of_the_documents_alone(
    tmp_path: Path, material: tuple[Path, Path], experts: int, width: int | None
) -> None:
    """Through the head on trained positions, and through TRL's own loss (what a GPU runs)."""
    import torch

    folder = pretrain_small(tmp_path / "base", replace(SMALL, experts=experts, pretrain_steps=2))
    job, tokenizer = (
        small_sft_job(tmp_path / "sft", folder, material[0], None, packing=True),
        load_tokenizer(folder),
    )
    rows = prepare_rows(job.rows, tokenizer, 256).rows[:12]
    fitting = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(rows), reached={})
    watch = open_watch(fitting, silent(job.logs), Interrupts(), exact_match, None)
    trainer: Any = build_trainer(fitting, load_trainable(folder, "full"), rows, watch)
    batch = packing_collator(0, width)([row._asdict() for row in rows])
    count = sum(label != -100 for row in rows for label in row.labels)
    assert len(batch["input_ids"]) < len(rows) and int((batch["labels"] != -100).sum()) == count

    def gradient(loss: Any) -> tuple[float, torch.Tensor]:
        trainer.model.zero_grad()
        loss.backward()
        grads = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        return float(loss.detach()), torch.cat(grads)

    total: Any = 0.0
    for row in rows:
        tokens, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        logits = trainer.model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
        total = total + torch.nn.functional.cross_entropy(logits[0], labels[0, 1:], reduction="sum")
    alone = gradient(total / count)
    counted = torch.tensor(count)
    packed = gradient(trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=counted))
    trainer.head_is_plain = lambda model: False
    theirs = gradient(trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=counted))
    for found in (packed, theirs):
        assert found[0] == pytest.approx(alone[0], rel=1e-5)
        assert torch.allclose(found[1], alone[1], atol=1e-5)


def test_a_packed_run_learns_as_the_padded_one(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    losses = []
    for packing in (False, True):
        job = small_sft_job(
            tmp_path / str(packing), base, material[0], None, max_steps=6, packing=packing
        )
        losses.append(train_sft(job, silent(job.logs), Interrupts(), exact_match)["final_loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_model_that_looks_over_the_border_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_trainable(base, "full")
    check_isolated(model, [5, 6, 7, 8], [9, 10, 11])
    forward = model.forward

    def masked(**inputs: Any) -> Any:
        import torch

        return forward(**inputs, attention_mask=torch.ones_like(inputs["input_ids"]))

    monkeypatch.setattr(model, "forward", masked)
    with pytest.raises(BadInput, match=r"sft\.packing.*see one another"):
        check_isolated(model, [5, 6, 7, 8], [9, 10, 11])
