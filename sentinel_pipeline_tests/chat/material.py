"""A home with small random checkpoints, their probes and licences: what chat and release stand
on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sentinel_pipeline.audit.licence import GATE
from sentinel_pipeline.audit.scorers import SCORERS, present_version
from sentinel_pipeline.bench.report import report_to_json
from sentinel_pipeline.chat.turn import Turn
from sentinel_pipeline.critic.version import scorer_version
from sentinel_pipeline.gates.statistics import wilson
from sentinel_pipeline.records import BenchmarkReport, GateVerdict, Message
from sentinel_pipeline.store import Artifact, Home, Ledger, Store

TEMPLATE = (
    Path(__file__).parents[2]
    / "sentinel_pipeline"
    / "training"
    / "embedded"
    / "chat_template.jinja"
).read_text()


def write_model(folder: Path, seed: int = 4, context: int = 4096, *, words: bool = False) -> Path:
    """A random Llama of two narrow layers with its tokenizer and chat template: it writes nonsense,
    and does not end by itself. ``words`` is for a browser on a busy machine: slower nonsense of
    letters and spaces that does not end at any temperature. A streamer shows whole words only, and
    a browser searches all fonts for each letter of an odd script."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["user assistant def return list of the squares"], trainer)
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 16 if words else 2,
    }
    config = LlamaConfig(
        vocab_size=300, num_attention_heads=2, max_position_embeddings=context, initializer_range=0.4,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=2, **shape,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[:3] = (
            0.0  # the end token stays as likely as the average one: greedy never takes it
        )
        if words:
            for token, place in tokenizer.get_vocab().items():
                if not (token.removeprefix("Ġ").isascii() and token.isprintable()):
                    model.lm_head.weight[place] = 0.0
    never = {"suppress_tokens": [0, 1, 2]} if words else {}
    model.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=0, **never)
    model.save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    return folder


def add_checkpoint(
    home: Home, recipe: str, stage: str, model: Path, run_id: str = "run-1", **files: Any
) -> Artifact:
    """A finished ``STAGE_checkpoint`` that holds a model, and JSON files beside it."""
    store = Store(home, recipe, run_id, run_id)
    with store.writing(f"{stage}_checkpoint", recipe_hash="-", seed=1) as out:
        shutil.copytree(model, out.folder / "model")
        for name, value in files.items():
            out.json(f"{name}.json", value)
    return store.get(f"{stage}_checkpoint")


def add_probe(
    home: Home,
    recipe: str,
    stage: str,
    passed: int,
    n: int = 40,
    run_id: str = "run-1",
    **change: Any,
) -> None:
    """A report of the format probe about the stage's current checkpoint."""
    store = Store(home, recipe, run_id, run_id)
    hash_ = store.get(f"{stage}_checkpoint").hash
    with store.writing(f"{stage}_report", recipe_hash="-", seed=1) as out:
        out.json(
            "format_probe/report.json",
            report_json("format_probe", stage, hash_, passed, n) | change,
        )


def report_json(suite: str, stage: str, model_hash: str, passed: int, n: int) -> dict[str, Any]:
    report = BenchmarkReport(
        stage=stage, suite=suite, model="m", model_hash=model_hash, n=n, passed=passed, pass_at_1=passed / n,
        interval=wilson(passed, n), syntax_n=n, syntax_passed=n, syntax_rate=1.0, syntax_interval=wilson(n, n), infra=0,
        scorer_version=scorer_version(), decoding={"temperature": 0.0, "prompt_format": "chat"},
        by_family={"all": {"n": n, "passed": passed, "pass_at_1": passed / n, "interval": list(wilson(passed, n)[:2]), "infra": 0}},
        seconds=0.0, tokens=9,
    )  # fmt: skip
    return dict(json.loads(json.dumps(report_to_json(report))))


def license_scorers(home: Home) -> None:
    """Every scorer holds a licence at its present version."""
    for name in SCORERS:
        version = present_version(name)
        verdict = GateVerdict(
            name=GATE, subject=name, subject_hash=f"{name}@{version}", verdict="pass", measured=1.0, threshold=1.0, n=9,
            interval=None, reason="licensed", scorer_version=version, policy_hash="exam",
        )  # fmt: skip
        Ledger(home.ledger).record(verdict, recipe="-", run_id="-")


def turn(text: str = "list of the squares", **change: Any) -> Turn:
    """How to answer a conversation of one message."""
    return Turn(messages=(Message("user", text),), **{"max_tokens": 20, **change})
