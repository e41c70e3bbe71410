"""The first weights copy before anything was trained, and every one of them can still move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sentinel_pipeline.training.embedded.embedded_model import build_model
from sentinel_pipeline_tests.training.material import SMALL

WIDE = replace(SMALL, hidden=128, heads=4, layers=2, context=512)


def repeats_copied(model: Any, length: int = 20, seed: int = 3) -> float:
    """Share of a random sequence's second half that is predicted from its first: chance is 1 in
    600."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    half = torch.stack([torch.randperm(600, generator=draw)[:length] for _ in range(16)])
    tokens = torch.cat([half, half], dim=1)
    guesses = model(input_ids=tokens).logits.argmax(-1)[:, length:-1]
    return float((guesses == tokens[:, length + 1 :]).float().mean())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_untrained_model_copies_repeats(seed: int) -> None:
    assert repeats_copied(build_model(WIDE, seed, 600)) > 0.8


def test_a_model_of_one_layer_has_no_circuit_and_still_builds() -> None:
    assert repeats_copied(build_model(replace(WIDE, layers=1), 1, 600)) < 0.1


def test_every_weight_can_be_trained() -> None:
    import torch

    model = build_model(WIDE, 1, 600)
    assert all(p.requires_grad for p in model.parameters())
    for _ in range(2):
        tokens = torch.randint(600, (4, 32))
        model(input_ids=tokens, labels=tokens).loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                assert p.grad is not None
                p.sub_(0.01 * p.grad)
    grads = [p.grad for p in model.parameters()]
    assert all(grad is not None and bool((grad != 0).any()) for grad in grads)
