"""Batched decoding over a Transformers model: length buckets, left padding, one cache per batch,
finished rows dropped.

Where the chat template opens a thought, its tag stands before the completion. It is a plain loop
over ``model.forward``: rows that ended leave the batch, so a batch costs what its open rows cost.
Not covered: beams, penalties, several completions of one prompt in a call (ask under several ids).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..records.decoding import Decoding
from .answer import Answer, Engine
from .prompts import Prompt, encode, opened_thought

if TYPE_CHECKING:
    from torch import LongTensor, Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class _Item(NamedTuple):
    id: str
    tokens: list[int]


def engine_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Engine:
    """The Transformers engine over a loaded model."""

    def ask(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        return generate(model, tokenizer, prompts, decoding)

    return ask


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    decoding: Decoding,
) -> Iterator[list[Answer]]:
    """Answers batch by batch, short prompts first.

    A prompt that leaves no room in the model's context is answered by an empty completion that did
    not stop.
    """
    context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
    items = [
        _Item(prompt.id, tokens)
        for prompt, tokens in zip(prompts, encode(tokenizer, prompts, decoding), strict=True)
    ]
    too_long = [Answer(item.id, "", False, 0, 0.0) for item in items if len(item.tokens) >= context]
    if too_long:
        yield too_long
    fitting = iter(
        sorted((i for i in items if len(i.tokens) < context), key=lambda i: (len(i.tokens), i.id))
    )
    while batch := list(islice(fitting, decoding.batch_size)):
        yield _answer_batch(model, tokenizer, batch, decoding, context)


def sample_tokens(
    model: PreTrainedModel,
    prompts: Sequence[tuple[str, list[int]]],
    decoding: Decoding,
    stops: frozenset[int],
    pad: int,
) -> list[list[int]]:
    """Token ids of an answer to each (id, prompt's token ids), its end token included, all in one
    batch."""
    items = [_Item(name, tokens) for name, tokens in prompts]
    return _decode(model, items, decoding, decoding.max_new_tokens, stops, pad)


def _answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: list[_Item],
    decoding: Decoding,
    context: int,
) -> list[Answer]:
    started = time.perf_counter()
    stops = stop_tokens(model, tokenizer)
    opened = opened_thought(tokenizer, decoding.prompt_format)
    room = min(decoding.max_new_tokens, context - max(len(item.tokens) for item in batch))
    rows = _decode(model, batch, decoding, room, stops, int(tokenizer.pad_token_id or 0))
    share = round((time.perf_counter() - started) / len(batch), 6)
    answers = []
    for item, row in zip(batch, rows, strict=True):
        stopped = bool(row) and row[-1] in stops
        tokens = row[:-1] if stopped else row
        # Special tokens stay visible: a marker in the middle of an answer is the model's fault, not
        # ours to hide.
        text = tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        answers.append(Answer(item.id, opened + str(text), stopped, len(tokens), share))
    return answers


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The end tokens of the model's generation config, and the tokenizer's own."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, (list, tuple)) else [configured]
    return frozenset(int(i) for i in (*ids, tokenizer.eos_token_id) if i is not None)


def _decode(
    model: PreTrainedModel,
    batch: list[_Item],
    decoding: Decoding,
    room: int,
    stops: frozenset[int],
    pad: int,
) -> list[list[int]]:
    """Generated tokens of each row, its end token included."""
    import torch
    from transformers import DynamicCache

    device = model.device
    with torch.inference_mode():
        # Padded on the left, so that the last column is the newest token of every row.
        width = max(len(item.tokens) for item in batch)
        padding = [width - len(item.tokens) for item in batch]
        tokens = torch.tensor(
            [[pad] * left + item.tokens for left, item in zip(padding, batch)], device=device
        )
        mask = torch.tensor([[0] * left + [1] * (width - left) for left in padding], device=device)
        draws = _draws(batch, decoding, room)
        cache = DynamicCache(config=model.config)
        open_rows = list(range(len(batch)))
        out: list[list[int]] = [[] for _ in batch]
        position = (mask.cumsum(-1) - 1).clamp(min=0)
        stop_ids = torch.tensor(sorted(stops), device=device)
        for step in range(room):
            logits = _forward(model, tokens, mask, position, cache)
            chosen = (
                logits.argmax(-1)
                if draws is None
                else _sample(logits, draws[open_rows, step], decoding)
            )
            for row, token in zip(open_rows, chosen.tolist(), strict=True):
                out[row].append(token)
            # Rows that ended leave the batch and its cache: each further step costs the open rows.
            going = ~torch.isin(chosen, stop_ids)
            if not bool(going.all()):
                live = going.nonzero().flatten()
                if not len(live):
                    break
                cache.reorder_cache(cast("LongTensor", live))
                chosen = chosen[live]
                mask = mask[live]
                position = position[live]
                open_rows = [open_rows[index] for index in live.tolist()]
            tokens = chosen[:, None]
            position = position[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(open_rows), 1)], dim=-1)
    return out


def _forward(
    model: PreTrainedModel, tokens: Tensor, mask: Tensor, position: Tensor, cache: Any
) -> Tensor:
    """Logits of the last position, float32, of shape (rows, vocabulary)."""
    # An all-ones mask says nothing: without one, attention takes its fast path.
    attention = None if bool(mask.all()) else mask
    result = model(
        input_ids=tokens,
        attention_mask=attention,
        position_ids=position,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = result.logits[:, -1].float()
    return logits


def _draws(batch: list[_Item], decoding: Decoding, room: int) -> Tensor | None:
    """One uniform number for each row and step, from the seed and the item's id alone; None when
    greedy."""
    import torch

    if decoding.temperature <= 0:
        return None
    rows = []
    for item in batch:
        digest = hashlib.sha256(f"{decoding.seed}|{item.id}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        rows.append(torch.rand(room, generator=generator, dtype=torch.float64))
    return torch.stack(rows)


def _sample(logits: Tensor, draws: Tensor, decoding: Decoding) -> Tensor:
    """Inverse-CDF sampling over tokens in descending probability; the nucleus of ``top_p`` is the
    head of that order."""
    probabilities, order = (
        (logits.double() / decoding.temperature)
        .softmax(-1)
        .sort(dim=-1, descending=True, stable=True)
    )
    mass = probabilities.cumsum(-1)
    cumulative = probabilities.masked_fill(mass - probabilities >= decoding.top_p, 0.0).cumsum(-1)
    # The draw is scaled to the nucleus's own mass, so that its head need not be normalised.
    target = draws.to(cumulative.device)[:, None] * cumulative[:, -1:]
    index = (cumulative <= target).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    return order.gather(-1, index).flatten()
