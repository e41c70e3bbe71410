"""vLLM as an engine (extra ``gpu``): prompts rendered and encoded here exactly as for Transformers,
so that only decoding differs.

What this module does not do: sample as ``engine`` does. Greedy answers agree up to float rounding;
sampled ones are seeded per item too, but drawn by vLLM.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import Infrastructure
from ..records.decoding import Decoding
from .answer import Answer
from .loading import load_tokenizer
from .prompts import Prompt, encode, opened_thought


class VllmEngine:
    """One loaded model. vLLM batches by itself: ``batch_size`` bounds how many answers wait to be
    kept.

    Raises:
        Infrastructure: vLLM is not installed, or does not start on this machine.
    """

    def __init__(self, folder: Path, *, memory_share: float = 0.9) -> None:
        try:
            from vllm import LLM
        except ImportError as error:
            raise Infrastructure(
                "vLLM is not installed: pip install 'sentinel-pipeline[gpu]'."
            ) from error
        self._tokenizer = load_tokenizer(folder)
        try:
            self._model: Any = LLM(
                model=str(folder), gpu_memory_utilization=memory_share, enable_prefix_caching=True
            )
        except (RuntimeError, ValueError) as error:
            raise Infrastructure(f"vLLM did not start with {folder}: {error}") from error

    def __call__(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        """Answers batch by batch; a prompt that leaves no room is an empty answer that did not
        stop."""
        context = int(self._model.llm_engine.model_config.max_model_len)
        items = list(zip(prompts, encode(self._tokenizer, prompts, decoding), strict=True))
        if too_long := [
            Answer(p.id, "", False, 0, 0.0) for p, tokens in items if len(tokens) >= context
        ]:
            yield too_long
        fitting = [(p, tokens) for p, tokens in items if len(tokens) < context]
        for start in range(0, len(fitting), decoding.batch_size):
            yield self._answer(fitting[start : start + decoding.batch_size], decoding, context)

    def _answer(
        self, batch: list[tuple[Prompt, list[int]]], decoding: Decoding, context: int
    ) -> list[Answer]:
        started = time.perf_counter()
        prompts = [{"prompt_token_ids": tokens} for _, tokens in batch]
        settings = [
            _settings(prompt.id, len(tokens), decoding, context) for prompt, tokens in batch
        ]
        outputs = self._model.generate(prompts, settings, use_tqdm=False)
        share = round((time.perf_counter() - started) / len(batch), 6)
        opened = opened_thought(self._tokenizer, decoding.prompt_format)
        return [
            _answer(prompt.id, output.outputs[0], share, opened)
            for (prompt, _), output in zip(batch, outputs, strict=True)
        ]


def _settings(name: str, length: int, decoding: Decoding, context: int) -> Any:
    from vllm import SamplingParams

    digest = hashlib.sha256(f"{decoding.seed}|{name}".encode()).digest()
    return SamplingParams(
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        max_tokens=min(decoding.max_new_tokens, context - length),
        seed=int.from_bytes(digest[:4], "big") if decoding.temperature > 0 else None,
        skip_special_tokens=False,
    )


def _answer(name: str, output: Any, share: float, opened: str) -> Answer:
    """Counted without the end token, as ``engine`` counts; its text never holds it, and begins with
    the thought's tag where the chat template ``opened`` one."""
    stopped = output.finish_reason == "stop"
    tokens = len(output.token_ids) - int(stopped)
    return Answer(name, opened + output.text, stopped, tokens, share)
