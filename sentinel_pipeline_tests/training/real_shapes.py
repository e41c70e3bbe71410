"""Tiny random models of real configuration classes, each with a tokenizer that has the real one's
special tokens and a short template of the same shape.

A shape is what matters to training and decoding: which token ends a document, which ends a turn,
whether a text begins with BOS, whether a system turn is taken, whether the model thinks. The
templates are written for these tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

CHATML = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
WITH_SYSTEM = (
    "{%- if messages[0].role != 'system' -%}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{%- endif -%}"
    + CHATML
)
"""A default system turn, as Qwen2.5 and SmolLM2 have one."""
THINKING = (
    "{%- for message in messages -%}{%- set text = message.content -%}"
    "{%- if message.role == 'assistant' -%}"
    "{%- set thought = message.reasoning_content or '' -%}"
    "{%- if '</think>' in text -%}{%- set thought = text.split('</think>')[0].split('<think>')[-1].strip('\\n') -%}"
    "{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}{%- endif -%}"
    "{{ '<|im_start|>assistant\\n' }}"
    "{%- if loop.last or thought -%}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}{%- endif -%}"
    "{{ text + '<|im_end|>\\n' }}"
    "{%- else -%}{{ '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif -%}{%- endif -%}"
)
"""A thought's place stands before the last answer, also where nothing was thought, as in Qwen3."""
HEADERS = (
    "{{ bos_token }}{%- for message in messages -%}{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}"
    "{{ message.content | trim + '<|eot_id|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}"
)
NO_SYSTEM = (
    "{{ bos_token }}{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}"
    "{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}"
    "{{ message.content | trim + '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)
INST = (
    "{{ bos_token }}{%- for message in messages -%}{%- if message.role == 'assistant' -%}"
    "{{ ' ' + message.content + eos_token }}{%- else -%}{{ '[INST] ' + message.content + ' [/INST]' }}{%- endif -%}{%- endfor -%}"
)
FULLWIDTH = (
    "{{ bos_token }}{%- for message in messages -%}{%- if message.role == 'user' -%}{{ '<｜User｜>' + message.content }}"
    "{%- elif message.role == 'assistant' -%}{{ '<｜Assistant｜>' + message.content + eos_token }}"
    "{%- else -%}{{ message.content }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<｜Assistant｜>' }}{%- endif -%}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}


class Shape(NamedTuple):
    """A family of models as tokenizer and configuration present themselves."""

    name: str
    config: str
    """The configuration's class in Transformers."""
    specials: tuple[str, ...]
    template: str | None
    bos: str | None
    eos: str
    pad: str | None
    end: str
    """The token that ends a turn."""
    begins: bool = False
    """Whether the tokenizer puts BOS before a plain text."""
    settings: dict[str, Any] = {}  # noqa: RUF012 -- never changed

    def __str__(self) -> str:
        return self.name


_DOC = "<|endoftext|>"
_LLAMA = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
_GEMMA = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SHAPES = (
    Shape("qwen2-base", "Qwen2Config", _IM, WITH_SYSTEM, None, "<|endoftext|>", "<|endoftext|>", "<|im_end|>"),
    Shape("qwen3-base", "Qwen3Config", (*_IM, "<think>", "</think>"), THINKING, None, _DOC, _DOC, "<|im_end|>"),
    Shape("llama3", "LlamaConfig", _LLAMA,
          HEADERS, "<|begin_of_text|>", "<|end_of_text|>", None, "<|eot_id|>", begins=True),
    Shape("gemma3", "Gemma3TextConfig", _GEMMA, NO_SYSTEM, "<bos>", "<eos>",
          "<pad>", "<end_of_turn>", begins=True, settings={"sliding_window": 64, "query_pre_attn_scalar": 8}),
    Shape("mixtral", "MixtralConfig", ("<s>", "</s>", "<unk>"), INST, "<s>", "</s>", None, "</s>", begins=True,
          settings={"num_local_experts": 4, "num_experts_per_tok": 2}),
    Shape("qwen3-moe", "Qwen3MoeConfig", (*_IM, "<think>", "</think>"), THINKING, None, "<|im_end|>", "<|endoftext|>", "<|im_end|>",
          settings={"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}),
    Shape("smollm2", "LlamaConfig", _IM, WITH_SYSTEM, "<|im_start|>", "<|im_end|>", "<|im_end|>", "<|im_end|>",
          settings={"tie_word_embeddings": True}),
)  # fmt: skip
DEEPSEEK = Shape(
    "deepseek", "LlamaConfig", ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"), FULLWIDTH,
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", None, "<｜end▁of▁sentence｜>", begins=True,
)  # fmt: skip
BY_NAME = {shape.name: shape for shape in (*SHAPES, DEEPSEEK)}


@lru_cache(maxsize=1)
def _merges() -> str:
    """A byte-level BPE trained on a few sentences, as JSON."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = [
        "What is my boat? Your boat is amber.",
        "Write the function f(xs).",
        "def f(xs): return sum(xs)",
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(text * 20, trainer)
    return str(tokenizer.to_str())


def make_tokenizer(shape: Shape) -> Any:
    """A fast tokenizer with the shape's special tokens, template and BOS."""
    from tokenizers import AddedToken, Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer.from_str(_merges())
    raw.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in shape.specials]
    )
    if shape.begins:
        assert shape.bos is not None
        raw.post_processor = processors.TemplateProcessing(
            single=f"{shape.bos} $A", special_tokens=[(shape.bos, raw.token_to_id(shape.bos))]
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token=shape.bos, eos_token=shape.eos, pad_token=shape.pad
    )
    if shape.template is not None:
        wrapped.chat_template = shape.template
    return wrapped


def make_model(shape: Shape, folder: Path, seed: int = 3, **changes: Any) -> Path:
    """A random model of the shape with its tokenizer, saved as Transformers saves one."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    tokenizer = make_tokenizer(shape)
    config: Callable[..., Any] = getattr(transformers, shape.config)
    settings = {
        **SIZES,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **shape.settings,
        **changes,
    }
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config(**settings))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
