"""Batched decoding over a Transformers model: length buckets, left padding, one cache per batch,
finished rows dropped.

Where the chat template opens a thought, its tag stands before the completion. It is a plain loop
over ``model.forward``: rows that ended leave the batch, so a batch costs what its open rows cost.
A batch that the device's memory does not hold is answered in halves: a row's draws are its own, so
its answer is the same up to rounding.
Not covered: beams, penalties, several completions of one prompt in a call (ask under several ids).
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import Infrastructure
from ..records.decoding import Decoding
from ..worker.device import first_line, is_out_of_memory
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
    size = decoding.batch_size
    while batch := list(islice(fitting, size)):
        answers = _answer_batch(model, tokenizer, batch, decoding, context)
        # What did not fit once is not tried again: the rows that follow are longer.
        size = min(size, answers.largest)
        yield answers.rows


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
    return _decode_fitting(model, items, decoding, decoding.max_new_tokens, stops, pad).rows


class _Fitting(NamedTuple):
    """Rows that were decoded, and how many at once fitted the device."""

    rows: list[Any]
    largest: int


def _decode_fitting(
    model: PreTrainedModel,
    batch: list[_Item],
    decoding: Decoding,
    room: int,
    stops: frozenset[int],
    pad: int,
) -> _Fitting:
    """Decode a batch, in halves where memory does not suffice.

    Raises:
        Infrastructure: one row alone does not fit.
    """
    import torch

    was_training = model.training
    # Out of training mode: under gradient checkpointing a model in it drops the cache that it is
    # given, and every token would see one token alone.
    model.eval()
    try:
        return _Fitting(_decode(model, batch, decoding, room, stops, pad), len(batch))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        message = first_line(error)
    finally:
        model.train(was_training)
    if len(batch) == 1:
        raise Infrastructure(
            f"out of memory answering one prompt of {len(batch[0].tokens)} tokens with up to {room} more ({message}): "
            "lower max_new_tokens, or take a larger device. Nothing that is finished is lost; run again to go on."
        )
    # Only here is the failed attempt's cache gone.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    first = _decode_fitting(model, batch[:middle], decoding, room, stops, pad)
    second = _decode_fitting(model, batch[middle:], decoding, room, stops, pad)
    return _Fitting(first.rows + second.rows, min(first.largest, second.largest))


def _answer_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: list[_Item],
    decoding: Decoding,
    context: int,
) -> _Fitting:
    started = time.perf_counter()
    stops = stop_tokens(model, tokenizer)
    opened = opened_thought(tokenizer, decoding.prompt_format)
    room = min(decoding.max_new_tokens, context - max(len(item.tokens) for item in batch))
    decoded = _decode_fitting(model, batch, decoding, room, stops, int(tokenizer.pad_token_id or 0))
    share = round((time.perf_counter() - started) / len(batch), 6)
    answers = []
    for item, row in zip(batch, decoded.rows, strict=True):
        stopped = bool(row) and row[-1] in stops
        tokens = row[:-1] if stopped else row
        # Special tokens stay visible: a marker in the middle of an answer is the model's fault, not
        # ours to hide.
        text = tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        answers.append(Answer(item.id, opened + str(text), stopped, len(tokens), share))
    return _Fitting(answers, decoded.largest)


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The end tokens of the model's generation config and configuration, and the tokenizer's own:
    of a document, and of a turn."""
    ids: list[int | None] = [tokenizer.eos_token_id]
    for settings in (model.generation_config, model.config.get_text_config()):
        configured = getattr(settings, "eos_token_id", None)
        ids += configured if isinstance(configured, (list, tuple)) else [configured]
    return frozenset(int(i) for i in ids if i is not None)


def name_stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let the generation config that is saved with the weights name every token at which
    generation stops here, so that a plain ``generate`` stops there too."""
    if model.generation_config is not None and tokenizer.eos_token_id is not None:
        end = int(tokenizer.eos_token_id)
        others = sorted(stop_tokens(model, tokenizer) - {end})
        model.generation_config.eos_token_id = [end, *others] if others else end


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
            chosen = chosen.to(device)
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
    # Apple's GPUs have no float64, which sampling computes in.
    return logits.cpu() if logits.device.type == "mps" else logits


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
