"""The embedded model: a byte-level BPE tokenizer and a small Llama or mixture of experts, trained
on text that every machine has.

The result is a standard Transformers folder. Same spec, seed and machine: same weights, also when
the run was interrupted and resumed. It is a base model: it has seen the *look* of the families'
material and no task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...records.model_spec import EmbeddedModel
from ...store import write_json
from ...worker.interrupts import Interrupts
from ...worker.jobs import PretrainJob
from ...worker.progress import Progress
from ...worker.remote_code import trust_remote_code
from ..loop.checkpoints import last_checkpoint, replace_folder, save_checkpoint
from ..loop.optimizers import build_optimizer
from .corpus import blocks, library_sources, raw_material, rehearsed
from .induction import begin_as_copier

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL = (END_OF_TEXT, TURN_START, TURN_END)
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
TOKENIZER_DOCUMENTS = 4_000
TOKENIZER_SOURCES = 40
"""Texts of each kind from which the tokenizer learns."""
INITIAL_SPREAD = 0.06
"""Standard deviation of the first weights; the usual 0.02 is for far wider models."""
SAVE_EVERY = 100
"""Steps between full checkpoints of pretraining."""
DECAY = 0.6
"""Last share of the steps over which the learning rate falls to zero."""


def pretrain(job: PretrainJob, progress: Progress, interrupts: Interrupts) -> dict[str, Any]:
    """Train tokenizer and model into ``job.out / "model"``; returns what ``training.json`` holds.

    Raises:
        BadInput: a shape that cannot be built, or a loss that is not finite.
        Infrastructure: no sources to read, or the disk is full.
    """
    check_shape(job.spec)
    tokenizer = train_tokenizer(job.spec, job.seed)
    data = pretraining_blocks(job.spec, job.seed, tokenizer)
    model = build_model(job.spec, job.seed, tokenizer.get_vocab_size())
    losses = _train(job, model, data, progress, interrupts)
    wrapped = wrap_tokenizer(tokenizer, job.spec)
    replace_folder(job.out / "model", lambda folder: save_model(folder, model, wrapped))
    tail = losses[-50:]
    result = {
        "kind": job.kind,
        "steps": job.spec.pretrain_steps,
        "tokens": job.spec.pretrain_steps * job.spec.pretrain_batch * job.spec.pretrain_length,
        "final_loss": round(sum(tail) / len(tail), 6) if tail else None,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": tokenizer.get_vocab_size(),
        "spec": asdict(job.spec),
        "seed": job.seed,
    }
    write_json(job.out / "training.json", result)
    return result


def check_shape(spec: EmbeddedModel) -> None:
    """Raises BadInput where heads do not divide the hidden size into an even number of dimensions,
    or a token wants more experts than there are."""
    if spec.hidden % spec.heads or (spec.hidden // spec.heads) % 2:
        raise BadInput(
            f"hidden {spec.hidden} by {spec.heads} heads: expected an even number of dimensions a head.",
            field="model.embedded.heads",
            fix="Make hidden a multiple of twice the heads.",
        )
    if spec.experts and not 1 <= spec.experts_per_token <= spec.experts:
        raise BadInput(
            f"{spec.experts_per_token} of {spec.experts} experts a token: expected at least 1 and at most all.",
            field="model.embedded.experts_per_token",
            fix="Lower it, or make more experts.",
        )


def train_tokenizer(spec: EmbeddedModel, seed: int) -> Tokenizer:
    """Byte-level BPE (no unknown token), split so that what has to be copied has the same tokens on
    both sides.

    Digits stand one by one; the single space that opens a line (a diff's context mark) stands apart
    from the word after it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"(?<=\n) (?=\S)"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_tokenizer_texts(seed), trainer)
    return tokenizer


def _tokenizer_texts(seed: int) -> Iterator[str]:
    yield from islice(raw_material(seed), TOKENIZER_DOCUMENTS)
    yield from islice(library_sources(seed), TOKENIZER_SOURCES)
    # The template writes these words in every turn, and no document holds them: each should be one
    # token.
    yield from ("system\nuser\nassistant\ntool\n" for _ in range(1_000))


def wrap_tokenizer(tokenizer: Tokenizer, spec: EmbeddedModel) -> PreTrainedTokenizerBase:
    """As Transformers loads it: ChatML template, turns end with the end token, padding has its own
    token."""
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        model_max_length=spec.context,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = TEMPLATE.read_text(encoding="utf-8")
    return wrapped


def model_config(spec: EmbeddedModel, vocabulary: int) -> Any:
    """The configuration of the small Llama, or, with experts, of the small Qwen2-MoE: the same
    attention."""
    from transformers import LlamaConfig, Qwen2MoeConfig

    shared: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": spec.hidden,
        "intermediate_size": spec.intermediate,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.heads,
        "max_position_embeddings": spec.context,
        "tie_word_embeddings": True,
        "initializer_range": INITIAL_SPREAD,
        "pad_token_id": SPECIAL.index(END_OF_TEXT),
        "bos_token_id": None,
        "eos_token_id": SPECIAL.index(TURN_END),
    }
    if not spec.experts:
        return LlamaConfig(**shared, attention_bias=True)
    return Qwen2MoeConfig(
        **shared,
        qkv_bias=True,
        num_experts=spec.experts,
        num_experts_per_tok=spec.experts_per_token,
        norm_topk_prob=True,
        # A token passes as many weights as in the dense model's layer, and the shared expert's.
        moe_intermediate_size=spec.intermediate // spec.experts_per_token,
        shared_expert_intermediate_size=spec.intermediate // spec.experts_per_token,
    )


def build_model(spec: EmbeddedModel, seed: int, vocabulary: int) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    torch.manual_seed(seed)
    config = model_config(spec, vocabulary)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(
        config, trust_remote_code=trust_remote_code("embedded")
    )
    begin_as_copier(model, seed)
    model.generation_config = GenerationConfig(
        eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id, do_sample=False
    )
    return model


def save_model(folder: Path, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """A standard folder: safetensors, tokenizer, ``chat_template.jinja``, generation config."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def pretraining_blocks(spec: EmbeddedModel, seed: int, tokenizer: Tokenizer) -> list[list[int]]:
    """``pretrain_steps * pretrain_batch`` blocks of ``pretrain_length`` tokens, shuffled, in the
    spec's shares."""
    block_count = spec.pretrain_steps * spec.pretrain_batch
    raw = round(block_count * spec.raw_material_share)
    end = SPECIAL.index(END_OF_TEXT)
    token_blocks = blocks(
        rehearsed(raw_material(seed + 1), seed), tokenizer, end, spec.pretrain_length, raw
    )
    token_blocks += blocks(
        library_sources(seed), tokenizer, end, spec.pretrain_length, block_count - raw
    )
    if len(token_blocks) < block_count:
        raise BadInput(
            f"the standard library fills {len(token_blocks) - raw} of {block_count - raw} blocks.",
            field="model.embedded.raw_material_share",
            fix="Raise the share of raw material or lower pretrain_steps.",
        )
    Random(f"blocks|{seed}").shuffle(token_blocks)
    return token_blocks


def rate_at(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear warm-up, plateau, linear decay
    over ``DECAY``."""
    return min(1.0, (step + 1) / max(warmup, 1)) * min(1.0, (steps - step) / max(DECAY * steps, 1))


def _train(
    job: PretrainJob,
    model: PreTrainedModel,
    data: list[list[int]],
    progress: Progress,
    interrupts: Interrupts,
) -> list[float]:
    """The loop; goes on from the last full checkpoint of ``job.logs``."""
    import torch

    spec = job.spec
    root = job.logs / "checkpoints"
    optimizer = build_optimizer(model, spec.optimizer, spec.pretrain_learning_rate, 0.01)
    start, losses = _resume(root, model, optimizer, progress)
    model.train()
    for step in range(start, spec.pretrain_steps):
        rate = spec.pretrain_learning_rate * rate_at(step, spec.pretrain_steps, spec.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = torch.tensor(data[step * spec.pretrain_batch : (step + 1) * spec.pretrain_batch])
        losses.append(_step(model, optimizer, batch))
        if not math.isfinite(losses[-1]):
            raise BadInput(
                f"the loss is {losses[-1]} at step {step + 1}.",
                field="model.embedded.pretrain_learning_rate",
                fix="Lower it.",
            )
        progress.update(step + 1, spec.pretrain_steps, loss=losses[-1], tokens=batch.numel())
        last = step + 1 == spec.pretrain_steps
        if interrupts.asked or ((step + 1) % SAVE_EVERY == 0 and not last):
            save_checkpoint(root, step + 1, _writer(model, optimizer, losses))
        interrupts.stop_if_asked(step + 1)
    return losses


def _step(model: PreTrainedModel, optimizer: Any, batch: Tensor) -> float:
    import torch
    from torch.nn import functional

    logits = model(input_ids=batch, use_cache=False).logits[:, :-1]
    loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def _writer(model: PreTrainedModel, optimizer: Any, losses: list[float]) -> Callable[[Path], None]:
    import torch

    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
    return lambda folder: torch.save(state, folder / "state.pt")


def _resume(
    root: Path, model: PreTrainedModel, optimizer: Any, progress: Progress
) -> tuple[int, list[float]]:
    import torch

    checkpoint = last_checkpoint(root)
    if checkpoint is None:
        return 0, []
    state = torch.load(checkpoint.folder / "state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    progress.note(f"resumed from step {checkpoint.step}")
    return checkpoint.step, list(state["losses"])
