"""Batched decoding over a Transformers model: length buckets, left padding, one growing cache per
batch, equal prompts read once, finished rows dropped.

Where the chat template opens a thought, its tag stands before the completion. It is a plain loop
over ``model.forward``: rows that ended leave the batch, an eighth of it at a time, so a batch costs
what its open rows cost.
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
from .growing_cache import growing_cache
from .prompts import Prompt, encode, opened_thought

if TYPE_CHECKING:
    from torch import LongTensor, Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_COMPACT = 7 / 8
"""Rows leave a batch when at most this share of it is still open."""
_HEAD = 64
"""Tokens of a distribution that are put in order first."""


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

    device = model.device
    with torch.inference_mode():
        # Several answers to one prompt read it once. Padded on the left, so that the last column is
        # the newest token of every row.
        prompts = list({tuple(item.tokens): None for item in batch})
        place = {tokens: row for row, tokens in enumerate(prompts)}
        rows = torch.tensor([place[tuple(item.tokens)] for item in batch], device=device)
        width = max(map(len, prompts))
        padding = [width - len(tokens) for tokens in prompts]
        tokens = torch.tensor(
            [[pad] * left + list(ids) for left, ids in zip(padding, prompts, strict=True)], device=device
        )  # fmt: skip
        mask = torch.tensor([[0] * left + [1] * (width - left) for left in padding], device=device)
        draws = _draws(batch, decoding, room)
        cache = growing_cache(model.config)
        out: list[list[int]] = [[] for _ in batch]
        position = (mask.cumsum(-1) - 1).clamp(min=0)
        stop_ids = torch.tensor(sorted(stops), device=device)
        logits = _forward(model, tokens, mask, position, cache)
        if len(prompts) < len(batch):
            cache.reorder_cache(cast("LongTensor", rows))
        # The rows of the batch, by index into ``out``, and which of them go on.
        kept, going = list(range(len(batch))), torch.ones(len(batch), dtype=torch.bool)
        logits, mask, position = logits[rows.to(logits.device)], mask[rows], position[rows]
        for step in range(room):
            chosen = (
                logits.argmax(-1) if draws is None else _sample(logits, draws[kept, step], decoding)
            ).to(device)
            for row, token, open_ in zip(kept, chosen.tolist(), going.tolist(), strict=True):
                if open_:
                    out[row].append(token)
            going &= ~torch.isin(chosen, stop_ids).cpu()
            open_rows = int(going.sum())
            if not open_rows or step == room - 1:
                break
            # Taking rows out copies the cache: worth it when an eighth of them has ended.
            if open_rows <= len(kept) * _COMPACT:
                live = going.nonzero().flatten()
                kept = [kept[index] for index in live.tolist()]
                going = going[live]
                live = live.to(device)
                cache.reorder_cache(cast("LongTensor", live))
                chosen, mask, position = chosen[live], mask[live], position[live]
            tokens = chosen[:, None]
            position = position[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(kept), 1)], dim=-1)
            logits = _forward(model, tokens, mask, position, cache)
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
    head of that order.

    Only the likeliest are put in order: a draw seldom falls behind them. Rows where it does, or
    whose nucleus reaches further, are ordered whole.
    """
    probabilities = (logits.double() / decoding.temperature).softmax(-1)
    draws = draws.to(probabilities.device)[:, None]
    head, order = probabilities.topk(min(_HEAD, probabilities.shape[-1]))
    mass = head.cumsum(-1)
    total = (
        _nucleus(head, mass, decoding.top_p)
        if decoding.top_p < 1
        else probabilities.sum(-1, keepdim=True)
    )
    index = (mass <= draws * total).sum(-1, keepdim=True)
    chosen = order.gather(-1, index.clamp(max=head.shape[-1] - 1)).flatten()
    beyond = (
        (index.flatten() >= head.shape[-1]) if decoding.top_p == 1 else mass[:, -1] < decoding.top_p
    )
    if bool(beyond.any()):
        rest, order = probabilities[beyond].sort(dim=-1, descending=True, stable=True)
        mass = rest.cumsum(-1)
        index = (mass <= draws[beyond] * _nucleus(rest, mass, decoding.top_p)).sum(-1, keepdim=True)
        chosen[beyond] = order.gather(-1, index.clamp(max=rest.shape[-1] - 1)).flatten()
    return chosen


def _nucleus(ordered: Tensor, mass: Tensor, top_p: float) -> Tensor:
    """Probability of the shortest head of a descending order that holds at least ``top_p``, of
    shape (rows, 1). The draw is scaled to it, so that the head need not be normalised."""
    return ordered.masked_fill(mass - ordered >= top_p, 0.0).sum(-1, keepdim=True)
