"""vLLM as an engine (extra ``gpu``): prompts rendered and encoded here exactly as for Transformers,
so that only decoding differs.

It is started when it is first asked, with room for the longest prompt at hand and its answer: a
model's whole context may need a cache that no device holds. Several copies are processes of their
own, each on its own devices. What this module does not do: sample as ``engine`` does. Greedy
answers agree up to float rounding; sampled ones are seeded per item too, but drawn by vLLM.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ..errors import Infrastructure, SentinelError
from ..processes import die_with_parent
from ..records.decoding import Decoding
from ..records.engine_spec import VllmSpec
from ..worker.remote_code import trust_remote_code
from .answer import Answer, Engine
from .loading import answer_dtype, check_weights, load_tokenizer
from .prompts import Prompt, encode, opened_thought

_STEP = 256
"""Room is taken in such steps, so that a prompt that is a little longer than all before starts
nothing anew."""


@contextmanager
def vllm_engine(folder: Path, spec: VllmSpec) -> Iterator[Engine]:
    """The engine as a recipe's ``[vllm]`` says; its processes and memory are given back at the end.

    Raises:
        Infrastructure: vLLM is not installed, or does not start on this machine.
    """
    engine = VllmCopies(folder, spec) if spec.data_parallel_size > 1 else VllmEngine(folder, spec)
    try:
        yield engine
    finally:
        engine.close()


class VllmEngine:
    """One copy of a model. vLLM batches by itself: ``batch_size`` bounds how many answers wait to
    be kept.

    Raises:
        Infrastructure: vLLM is not installed, or does not start on this machine.
    """

    def __init__(self, folder: Path, spec: VllmSpec | None = None) -> None:
        try:
            import vllm  # noqa: F401 -- says at once where it is missing
        except ImportError as error:
            raise Infrastructure(
                "vLLM is not installed: pip install 'sentinel-pipeline[gpu]'."
            ) from error
        self.folder = folder
        self.spec = spec or VllmSpec()
        check_weights(folder)
        self._tokenizer = load_tokenizer(folder)
        self._model: Any = None
        self._room = 0

    def __call__(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        """Answers batch by batch; a prompt that leaves no room is an empty answer that did not
        stop."""
        items = list(zip(prompts, encode(self._tokenizer, prompts, decoding), strict=True))
        context = self._context()
        if too_long := [
            Answer(p.id, "", False, 0, 0.0) for p, tokens in items if len(tokens) >= context
        ]:
            yield too_long
        fitting = [(p, tokens) for p, tokens in items if len(tokens) < context]
        if not fitting:
            return
        longest = max(len(tokens) for _, tokens in fitting) + decoding.max_new_tokens
        self._start(min(context, longest), context)
        for start in range(0, len(fitting), decoding.batch_size):
            yield self._answer(fitting[start : start + decoding.batch_size], decoding, self._room)

    def close(self) -> None:
        """Give the device's memory back."""
        self._model = None
        self._room = 0
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _context(self) -> int:
        """Tokens that a prompt and its answer may have: the recipe's bound, else the model's."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(
            self.folder, trust_remote_code=trust_remote_code(self.folder)
        ).get_text_config()
        whole = int(getattr(config, "max_position_embeddings", 0) or 1 << 30)
        return min(whole, self.spec.max_model_len or whole)

    def _start(self, needed: int, context: int) -> None:
        from vllm import LLM

        if self._model is not None and needed <= self._room:
            return
        self.close()
        room = self.spec.max_model_len or min(context, -(-needed // _STEP) * _STEP)
        quantized = self.spec.quantization
        options: dict[str, Any] = {"quantization": quantized} if quantized != "none" else {}
        if (dtype := answer_dtype(self.folder)) is not None:
            options["dtype"] = dtype
        try:
            self._model = LLM(
                model=str(self.folder),
                max_model_len=min(room, context),
                tensor_parallel_size=self.spec.tensor_parallel_size,
                gpu_memory_utilization=self.spec.gpu_memory_utilization,
                enable_prefix_caching=True,
                trust_remote_code=trust_remote_code(self.folder),
                **options,
            )
        except (RuntimeError, ValueError) as error:
            fix = "Lower vllm.max_model_len, divide the model (vllm.tensor_parallel_size) or quantise it (vllm.quantization)."
            raise Infrastructure(f"vLLM did not start with {self.folder}: {error} {fix}") from error
        self._room = min(room, context)

    def _answer(
        self, batch: list[tuple[Prompt, list[int]]], decoding: Decoding, room: int
    ) -> list[Answer]:
        started = time.perf_counter()
        prompts = [{"prompt_token_ids": tokens} for _, tokens in batch]
        settings = [_settings(prompt.id, len(tokens), decoding, room) for prompt, tokens in batch]
        outputs = self._model.generate(prompts, settings, use_tqdm=False)
        share = round((time.perf_counter() - started) / len(batch), 6)
        opened = opened_thought(self._tokenizer, decoding.prompt_format)
        return [
            _answer(prompt.id, output.outputs[0], share, opened)
            for (prompt, _), output in zip(batch, outputs, strict=True)
        ]


class VllmCopies:
    """Several copies of a model, each a process on devices of its own; prompts are dealt out among
    them."""

    def __init__(self, folder: Path, spec: VllmSpec) -> None:
        self._children: list[tuple[Any, Connection]] = []
        context = multiprocessing.get_context("spawn")
        single = replace(spec, data_parallel_size=1)
        visible = visible_devices(spec.devices)
        width = spec.tensor_parallel_size
        for index in range(spec.data_parallel_size):
            ours, theirs = context.Pipe()
            devices = ",".join(visible[index * width : (index + 1) * width])
            child = context.Process(
                target=_serve, args=(theirs, folder, single, devices), daemon=width == 1
            )
            child.start()
            theirs.close()
            self._children.append((child, ours))

    def __call__(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Answer]]:
        """Answers as any of the copies has a batch of them.

        Raises:
            Infrastructure: a copy did not start, or ended.
        """
        waiting = []
        for index, (_, connection) in enumerate(self._children):
            share = list(prompts[index :: len(self._children)])
            if share:
                connection.send((share, decoding))
                waiting.append(connection)
        while waiting:
            for ready in wait(waiting):
                connection = next(each for each in waiting if each is ready)
                try:
                    kind, value = connection.recv()
                except (EOFError, ConnectionError) as error:
                    raise Infrastructure(
                        "a copy of vLLM ended without an error message: run again to go on."
                    ) from error
                if kind == "failed":
                    raise Infrastructure(value)
                if kind == "done":
                    waiting.remove(connection)
                else:
                    yield value

    def close(self) -> None:
        """End the copies."""
        for child, connection in self._children:
            connection.close()
            child.join(timeout=10)
            if child.is_alive():
                child.terminate()
                child.join()
        self._children = []


def visible_devices(count: int) -> list[str]:
    """Names of the first ``count`` devices that this process may use, as its environment gives
    them."""
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    listed = [name for name in names if name]
    return listed[:count] if len(listed) >= count else [str(index) for index in range(count)]


def _serve(connection: Connection, folder: Path, spec: VllmSpec, devices: str) -> None:
    """One copy, until the parent closes its end."""
    die_with_parent()
    os.environ["CUDA_VISIBLE_DEVICES"] = devices
    engine: VllmEngine | None = None
    while True:
        try:
            prompts, decoding = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            engine = engine or VllmEngine(folder, spec)
            for batch in engine(prompts, decoding):
                connection.send(("answers", batch))
            connection.send(("done", None))
        except SentinelError as error:
            connection.send(("failed", str(error)))


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
