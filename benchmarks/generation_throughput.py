"""Generation throughput: our batched answers against one ``generate`` call a prompt, same model, same prompts, in one run.

Prints one JSON line: seconds and generated tokens a second of both, their ratio, and how many completions agree (all should).

    python benchmarks/generation_throughput.py --prompts 300 --model data/runs/tiny/sft_checkpoint/RUN/model
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from sentinel_pipeline.bench.task_bank import build
from sentinel_pipeline.generation import Decoding, Prompt, answer, read_answers
from sentinel_pipeline.generation.engine import stop_tokens
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.generation.prompts import prompts_of, render
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.training.device import prepare_cpu
from sentinel_pipeline.training.embedded import pretrain
from sentinel_pipeline.training.interrupts import Interrupts
from sentinel_pipeline.training.jobs import PretrainJob
from sentinel_pipeline.training.progress import Progress
from sentinel_pipeline.training.worker import be_quiet


def one_by_one(model_dir: Path, prompts: list[Prompt], decoding: Decoding) -> tuple[dict[str, str], int]:
    model: Any = load_model(model_dir)
    tokenizer = load_tokenizer(model_dir)
    stops, found, tokens = stop_tokens(model, tokenizer), {}, 0
    for prompt in prompts:
        text = render(tokenizer, prompt.messages, decoding.prompt_format)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        whole = model.generate(**ids, max_new_tokens=decoding.max_new_tokens, do_sample=False)[0].tolist()
        out = whole[ids["input_ids"].shape[1] :]
        kept = out[:-1] if out[-1] in stops else out
        found[prompt.id], tokens = str(tokenizer.decode(kept)), tokens + len(kept)
    return found, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument(
        "--model", type=Path, help="a model's folder; a freshly made one, which never stops, when absent"
    )
    parser.add_argument("--max-new-tokens", type=int, default=60)
    arguments = parser.parse_args()
    be_quiet()
    prepare_cpu()
    share = arguments.prompts // 3
    bank = build(3, {}, {"functions": share, "chat": share, "shell": arguments.prompts - 2 * share})
    prompts = prompts_of(bank.heldout)
    decoding = Decoding(max_new_tokens=arguments.max_new_tokens, batch_size=128)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_dir = arguments.model
        if model_dir is None:
            job = PretrainJob(out=folder, logs=folder / "logs", spec=EmbeddedModel(pretrain_steps=2))
            pretrain(job, Progress(job.logs / "progress.jsonl", "base", lambda text: None), Interrupts())
            model_dir = folder / "model"
        started = time.perf_counter()
        answer(model_dir, prompts, decoding, folder / "answers.jsonl")
        batched_s = time.perf_counter() - started
        rows = {row.id: row for row in read_answers(folder / "answers.jsonl")}
        started = time.perf_counter()
        found, tokens = one_by_one(model_dir, prompts, decoding)
        single_s = time.perf_counter() - started
    ours = sum(row.tokens for row in rows.values()) / batched_s
    print(
        json.dumps(
            {
                "benchmark": "generation_throughput",
                "prompts": len(prompts),
                "ours": {"seconds": batched_s, "tokens_per_s": ours},
                "one_by_one": {"seconds": single_s, "tokens_per_s": tokens / single_s},
                "ratio": ours / (tokens / single_s),
                "agree": sum(rows[key].completion == text for key, text in found.items()),
            }
        )
    )


if __name__ == "__main__":
    main()
