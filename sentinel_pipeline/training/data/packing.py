"""Packing that isolates documents: the rows of a micro-batch laid end to end, without padding, none
of them seeing another.

Positions begin anew with each document and no attention mask is given: from that Transformers makes
a block-diagonal mask (eager and scaled dot-product attention), flash attention its sequence
borders. That a model does keep its documents apart is tried on two of them before anything trains,
not assumed. A step keeps its rows, so packing changes its speed and not its gradient. What this
module does not do: cut a document, or pack rows of different steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...rates import percent
from ...worker.device import torch_device

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOLERANCE = 1e-3
"""Largest share of the logits' spread by which a document's logits may differ when another one
stands before it."""


def best_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Indices of documents in packs of at most ``width`` tokens: longest first, each into the
    fullest pack that holds it.

    A document that is longer than ``width`` has a pack of its own.
    """
    packs: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        fitting = [at for at, left in enumerate(room) if left >= lengths[index]]
        at = min(fitting, key=lambda row: room[row], default=len(packs))
        if at == len(packs):
            packs.append([])
            room.append(width)
        packs[at].append(index)
        room[at] -= lengths[index]
    return packs


def packing_collator(
    pad: int, width: int | None
) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """TRL's collator over packs of at most ``width`` tokens; None: one row of all documents, for
    flash attention."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(
        pad, padding_free=width is None, return_position_ids=True
    )

    def packed(rows: list[dict[str, Any]]) -> dict[str, Any]:
        # The first token of a document is nobody's continuation.
        documents = [
            {"input_ids": row["input_ids"], "labels": [-100, *row["labels"][1:]]} for row in rows
        ]
        if width is None:
            return dict(collate(documents))
        packs = best_fit([len(document["input_ids"]) for document in documents], width)
        return dict(collate([_joined([documents[index] for index in pack]) for pack in packs]))

    return packed


def _joined(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lengths = [len(document["input_ids"]) for document in documents]
    joined = {
        key: [token for document in documents for token in document[key]]
        for key in ("input_ids", "labels")
    }
    return {**joined, "seq_lengths": lengths}


def check_isolated(model: PreTrainedModel, first: Sequence[int], second: Sequence[int]) -> None:
    """Hold the logits of ``second`` behind ``first`` in one row against its logits alone.

    Raises:
        BadInput: the model lets a document see another one.
    """
    import torch

    was_training = model.training
    model.eval()
    if flash_attention():
        model.to(torch_device())  # type: ignore[arg-type]  # its decorator hides the parameter
    try:
        with torch.no_grad():
            alone = _logits(model, [second])
            behind = _logits(model, [first, second])[len(first) :]
    finally:
        model.train(was_training)
    spread = float(alone.max() - alone.min()) or 1.0
    distance = float((alone - behind).abs().max()) / spread
    if distance > TOLERANCE:
        raise BadInput(
            f"this model lets packed documents see one another: logits differ by {percent(distance)} of their spread.",
            field="sft.packing",
            fix="Set sft.packing = false: rows are padded then.",
        )


def _logits(model: Any, documents: Sequence[Sequence[int]]) -> Any:
    """Logits of documents in one row, shape (tokens, vocabulary), float32."""
    import torch

    tokens = torch.tensor(
        [[token for document in documents for token in document]], device=model.device
    )
    places = torch.tensor(
        [[at for document in documents for at in range(len(document))]], device=model.device
    )
    kind = model.device.type
    mixed = model.device.type == "cuda"
    with torch.autocast(kind, torch.bfloat16, enabled=mixed):
        return model(input_ids=tokens, position_ids=places, use_cache=False).logits[0].float()


def flash_attention() -> bool:
    """Whether attention can be computed over sequence borders, without a mask: a GPU with the
    flash-attn package."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    return bool(torch.cuda.is_available() and is_flash_attn_2_available())
