"""Real configuration classes through every trainer at toy size: SFT with and without packing, DPO
and GRPO by adapters, and the export of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation.engine import stop_tokens
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.training_spec import DpoSpec, Windows
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.trainers.dpo import train_dpo
from sentinel_pipeline.training.trainers.grpo import train_grpo
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import DpoJob, GrpoJob
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job
from sentinel_pipeline_tests.training.real_shapes import BY_NAME, SHAPES, Shape, make_model

NO_WINDOWS = Windows(eval_steps=99, eval_items=2, early_stop_step=0, syntax_drops=0)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight rows, half of them under a system turn."""
    tasks = build(5, {"chat": 8}, {}).train
    lines = []
    for at, task in enumerate(tasks):
        system = [{"role": "system", "content": "Be brief."}] if at % 2 else []
        turn = {"role": "user", "content": task.messages[-1].content}
        answer = [{"role": "assistant", "content": task.reference}]
        lines.append({"prompt": [*system, turn], "completion": answer})
    path = tmp_path_factory.mktemp("rows") / "train.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def check_export(out: Path, shape: Shape) -> None:
    """The kept model loads without PEFT, answers alike in every form, and stops as turns end."""
    assert json.loads((out / "parity.json").read_text())["passed"]
    model, tokenizer = load_model(out / "model"), load_tokenizer(out / "model")
    assert tokenizer.eos_token == shape.end
    assert tokenizer.convert_tokens_to_ids(shape.end) in stop_tokens(model, tokenizer)
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    assert tokenizer.eos_token_id in ids, "a plain generate() must stop there too"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_family_is_fine_tuned_by_an_adapter_and_exported(
    shape: Shape, tmp_path: Path, rows: Path
) -> None:
    model = make_model(shape, tmp_path / "model")
    job = small_sft_job(
        tmp_path / "sft",
        model,
        rows,
        None,
        method="lora",
        lora_r=2,
        max_steps=2,
        windows=NO_WINDOWS,
    )
    reached = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    assert reached["steps"] == 2 and 0 < reached["trained_parameters"] < reached["parameters"]
    report = json.loads((job.out / "token_report.json").read_text())
    assert (report["kept"], report["stop_token"], report["stop_trained"]) == (8, shape.end, 8)
    check_export(job.out, shape)


@pytest.mark.parametrize("name", ["qwen2-base", "qwen3-moe", "gemma3", "mixtral"])
def test_rows_are_packed_without_seeing_one_another(name: str, tmp_path: Path, rows: Path) -> None:
    model = make_model(BY_NAME[name], tmp_path / "model")
    settings: dict[str, Any] = {"max_steps": 1, "packing": True, "max_length": 128}
    job = small_sft_job(tmp_path / "sft", model, rows, None, windows=NO_WINDOWS, **settings)
    reached = train_sft(job, silent(job.logs), Interrupts(), exact_match)
    assert reached["steps"] == 1
    check_export(job.out, BY_NAME[name])


@pytest.mark.parametrize("name", ["qwen3-base", "llama3", "gemma3", "mixtral", "smollm2"])
def test_every_family_is_preference_optimised_by_an_adapter(
    name: str, tmp_path: Path, rows: Path
) -> None:
    shape = BY_NAME[name]
    model = make_model(shape, tmp_path / "model")
    read = [json.loads(line) for line in rows.read_text().splitlines()]
    answers = [row["completion"] for row in read]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "".join(
            json.dumps({"prompt": row["prompt"], "chosen": row["completion"], "rejected": answers[at - 1]}) + "\n"
            for at, row in enumerate(read)
            if row["completion"] != answers[at - 1]
        )
    )  # fmt: skip
    spec = DpoSpec(
        method="lora", lora_r=2, max_steps=1, batch_size=2, warmup_steps=0, windows=NO_WINDOWS
    )
    out = tmp_path / "dpo"
    job = DpoJob(kind="dpo", out=out, logs=out / "logs", model=model, rows=pairs, seed=3, spec=spec)
    reached = train_dpo(job, silent(job.logs), Interrupts(), exact_match)
    assert (reached["steps"], reached["method"]) == (1, "lora")
    check_export(out, shape)


@pytest.mark.parametrize("name", ["qwen2-base", "qwen3-base", "gemma3", "mixtral", "smollm2"])
def test_every_family_is_reinforced_by_an_adapter(name: str, tmp_path: Path) -> None:
    shape = BY_NAME[name]
    model = make_model(shape, tmp_path / "model")
    tasks = tmp_path / "tasks.parquet"
    write_parquet(tasks, (task.to_row() for task in build(5, {"chat": 4}, {}).train), "tasks")
    spec = GrpoSpec(
        method="lora", lora_r=2, max_steps=1, prompts_per_step=2, num_generations=2, max_completion_length=6,
        max_prompt_length=200, eval_steps=99, eval_items=2, learning_rate=1e-3,
    )  # fmt: skip
    out = tmp_path / "grpo"
    out.mkdir()
    job = GrpoJob(
        kind="grpo", out=out, logs=out / "logs", model=model, rows=tasks, seed=3, spec=spec,
        decoding=Decoding(max_new_tokens=6, batch_size=4),
    )  # fmt: skip
    reached = train_grpo(job, silent(job.logs), Interrupts(), exact_match)
    assert (reached["steps"], reached["prompts_seen"]) == (1, 2)
    check_export(out, shape)


def test_a_temperature_without_sampling_does_not_stop_the_save(tmp_path: Path, rows: Path) -> None:
    """Some checkpoints come so: Transformers reads such a configuration, and refuses to save it."""
    model = make_model(BY_NAME["smollm2"], tmp_path / "model")
    file = model / "generation_config.json"
    settings = json.loads(file.read_text()) | {"temperature": 0.6, "do_sample": False}
    file.write_text(json.dumps(settings))
    job = small_sft_job(tmp_path / "sft", model, rows, None, max_steps=1, windows=NO_WINDOWS)
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    saved = json.loads((job.out / "model" / "generation_config.json").read_text())
    assert (saved["temperature"], saved["do_sample"]) == (0.6, True)
