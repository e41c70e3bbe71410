"""Several processes train what one process trains: the commands, two real processes over gloo, and
a task of a Ray cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INFRASTRUCTURE, BadInput
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation.loading import load_model, load_tokenizer
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.launch_spec import LaunchSpec
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.reward_spec import OwnReward
from sentinel_pipeline.records.training_spec import DpoSpec, FreezeStage, SftSpec
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.loop.windows import critic_scorer, evaluate_window, window_tasks
from sentinel_pipeline.training.trainers.dpo import train_dpo
from sentinel_pipeline.training.trainers.fit import load_trainable
from sentinel_pipeline.training.trainers.grpo import train_grpo
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker import ranks
from sentinel_pipeline.worker.device import bfloat16_pays
from sentinel_pipeline.worker.failures import read_failure
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import DpoJob, GrpoJob, SftJob, TuneJob, read_job, write_job
from sentinel_pipeline.worker.launch import (
    check_config,
    config_file,
    devices_here,
    worker_command,
)
from sentinel_pipeline_tests.tools import missing_tool
from sentinel_pipeline_tests.training.material import exact_match, silent, small_sft_job

TWO = LaunchSpec(engine="accelerate", processes=2)
COMMAND = [sys.executable, "-m", "sentinel_pipeline.run_job"]


def options(command: Sequence[str]) -> list[str]:
    return list(command[2:])


def test_one_process_is_the_worker_itself(tmp_path: Path) -> None:
    for spec in (LaunchSpec(), LaunchSpec(engine="ray")):
        assert worker_command(tmp_path / "job.json", spec, tmp_path, gpus=True) == [
            *COMMAND,
            str(tmp_path / "job.json"),
        ]


def test_many_gpus_are_plain_data_parallel_unless_a_configuration_says_otherwise(
    tmp_path: Path,
) -> None:
    plain = worker_command(
        Path("/j.json"), LaunchSpec(engine="accelerate", processes=8), tmp_path, gpus=True
    )
    assert options(plain) == [
        "accelerate.commands.launch", "--multi_gpu", "--num_processes", "8", "--num_machines", "1", "--main_process_port", "0",
        "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "sentinel_pipeline.run_job", "/j.json",
    ]  # fmt: skip
    spec = LaunchSpec(engine="accelerate", processes=8, config="fsdp.yaml")
    sharded = worker_command(Path("/j.json"), spec, tmp_path, gpus=True)
    assert options(sharded)[:5] == [
        "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml"), "--num_processes", "8",
    ]  # fmt: skip
    assert "--multi_gpu" not in sharded


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("processes = 2", r"launch\.engine'.*is local"),
        ('engine = "accelerate"\nprocesses = 3', r"3 processes do not divide sft\.batch_size = 32"),
        ("processes = 0", r"launch\.processes'.*is 0"),
        ('engine = "slurm"', r"launch\.engine.*'slurm' is not a choice"),
    ],
)
def test_what_cannot_be_launched_is_bad_input(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "r.toml").write_text(f"[launch]\n{text}")
    with pytest.raises(BadInput, match=reason):
        load_recipe(tmp_path / "r.toml")


def test_configurations_that_shard_what_cannot_be_sharded_are_refused(tmp_path: Path) -> None:
    spec = LaunchSpec(engine="accelerate", processes=2, config="c.yaml")
    with pytest.raises(BadInput, match=r"launch\.config.*no readable accelerate configuration"):
        check_config(spec, {}, tmp_path)
    (tmp_path / "c.yaml").write_text("distributed_type: FSDP\nfsdp_config:\n  fsdp_version: 1\n")
    with pytest.raises(BadInput, match="FSDP 1 hides the model"):
        check_config(spec, {}, tmp_path)
    (tmp_path / "c.yaml").write_text("distributed_type: DEEPSPEED\n")
    check_config(spec, {"sft": SftSpec()}, tmp_path)
    with pytest.raises(BadInput, match=r"DEEPSPEED shards what sft\.stages freezes"):
        check_config(spec, {"sft": SftSpec(stages=(FreezeStage(),))}, tmp_path)


@pytest.mark.parametrize("name", ["fsdp2", "deepspeed-zero2", "deepspeed-zero3"])
def test_shipped_configurations_are_named_and_accelerate_reads_them(
    tmp_path: Path, name: str
) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    spec = LaunchSpec(engine="accelerate", processes=2, config=name)
    check_config(spec, {"sft": SftSpec()}, tmp_path)
    path = config_file(name, tmp_path)
    assert path.is_file() and str(path) in worker_command(Path("/j"), spec, tmp_path, gpus=True)
    config = load_config_from_file(str(path))
    assert config.distributed_type.value == ("FSDP" if name == "fsdp2" else "DEEPSPEED")
    with pytest.raises(BadInput, match=r"would divide a base that bitsandbytes has packed"):
        check_config(spec, {"sft": SftSpec(method="lora", load_in_4bit=True)}, tmp_path)


def test_a_file_of_the_project_comes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "fsdp2").write_text("distributed_type: NO\n")
    assert config_file("fsdp2", tmp_path) == tmp_path / "fsdp2"


def test_several_machines_are_as_the_users_configuration_says(tmp_path: Path) -> None:
    """Which machine this is and where the first one listens stand in it: nothing overrides them."""
    (tmp_path / "two.yaml").write_text(
        "distributed_type: MULTI_GPU\nnum_machines: 2\nmachine_rank: 1\nmain_process_ip: 10.0.0.1\n"
    )
    spec = LaunchSpec(engine="accelerate", processes=8, config="two.yaml")
    command = worker_command(Path("/j"), spec, tmp_path, gpus=True)
    assert "--num_machines" not in command and "--main_process_port" not in command
    assert command[command.index("--num_processes") + 1] == "8"
    assert devices_here(spec, tmp_path) == 4, "its share of them is on this machine"
    assert devices_here(LaunchSpec(engine="accelerate", processes=8), tmp_path) == 8


def test_a_windows_items_are_answered_once_divided_among_the_processes(
    base: Path, material: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = load_model(base), load_tokenizer(base)
    tasks = window_tasks(material[1], 8)
    greedy = Decoding(max_new_tokens=8, batch_size=8)
    whole = evaluate_window(model, tokenizer, tasks, greedy, exact_match, 3)
    shares: list[dict[str, Any]] = []

    def gathered(value: dict[str, Any]) -> list[dict[str, Any]]:
        shares.append(value)
        return shares

    monkeypatch.setattr(ranks, "world", lambda: 2)
    monkeypatch.setattr(ranks, "gathered", gathered)

    def unscored(tasks: Sequence[Any], completions: Sequence[str]) -> list[Any]:
        return []

    monkeypatch.setattr(ranks, "rank", lambda: 1)
    with pytest.raises(KeyError):
        # Alone its share is not all; the other process has the rest.
        evaluate_window(model, tokenizer, tasks, greedy, unscored, 3, shared=True)
    monkeypatch.setattr(ranks, "rank", lambda: 0)
    window = evaluate_window(model, tokenizer, tasks, greedy, exact_match, 3, shared=True)
    assert window == whole
    assert [len(share) for share in shares] == [4, 4]
    assert not shares[0].keys() & shares[1].keys()


def test_a_cpu_trains_in_float32_whatever_units_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes would cast to bfloat16 what one process computes in float32."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: True, raising=False)
    assert not bfloat16_pays()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert bfloat16_pays()


def start(job: TuneJob[Any], **environment: str) -> subprocess.Popen[str]:
    command = [*COMMAND, str(write_job(job))]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def distance(first: Path, second: Path) -> float:
    pairs = zip(
        load_trainable(first, "full").parameters(),
        load_trainable(second, "full").parameters(),
        strict=True,
    )
    return max(float((a - b).abs().max()) for a, b in pairs)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, base: Path, material: tuple[Path, Path]
) -> SftJob:
    job = small_sft_job(
        tmp_path_factory.mktemp("alone"), base, *material, max_steps=20, optimizer="adamw"
    )
    train_sft(job, silent(job.logs), Interrupts(), exact_match)
    return job


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_rank_0_alone_writes(
    tmp_path: Path, base: Path, material: tuple[Path, Path], alone: SftJob
) -> None:
    """Stopped on the way by a signal to the launcher, then resumed: still the losses and weights of
    one process."""
    job = replace(alone, out=tmp_path, logs=tmp_path / "logs", launch=TWO)
    assert read_job(write_job(job)) == job
    first = start(job)
    progress, deadline = job.logs / "progress.jsonl", time.monotonic() + 240
    while not progress.is_file() or not progress.read_text().strip():
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    said = first.communicate(timeout=240)[1]
    if first.returncode != EXIT_DONE:  # it may have been done already
        assert first.returncode == EXIT_INFRASTRUCTURE, said
        assert "what is done is kept: run again to resume" in said
        step = complete_checkpoints(job.logs / "checkpoints")[-1].step
        again = start(job)
        said = again.communicate(timeout=240)[1]
        assert again.returncode == EXIT_DONE, said
        assert f"resumed from step {step}" in said, "what the worker says is passed on"
    assert [row["step"] for row in rows(job.out / "losses.jsonl")] == list(range(1, 21)), (
        "each step written once"
    )
    pairs = zip(rows(job.out / "losses.jsonl"), rows(alone.out / "losses.jsonl"), strict=True)
    assert max(abs(a["loss"] - b["loss"]) for a, b in pairs) < 1e-3
    assert distance(job.out / "final", alone.out / "final") < 1e-3
    assert [row["step"] for row in rows(job.out / "windows.jsonl")] == [6, 12, 18, 20]
    assert {row["n"] for row in rows(job.out / "windows.jsonl")} == {8}, "each item once"
    attempts = rows(job.logs / "attempts.jsonl")
    assert [row["event"] for row in attempts] == ["start", "end"] * (len(attempts) // 2), (
        "one process notes the device's time"
    )
    kept = complete_checkpoints(job.logs / "checkpoints")[-1].folder
    assert {path.name for path in kept.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    own = {path.name for path in alone.out.iterdir()}
    assert {path.name for path in job.out.iterdir()} == own, "nothing but what one process leaves"
    assert not (job.logs / "stop").exists()


@pytest.mark.slow
def test_two_processes_prefer_what_one_prefers(tmp_path: Path, alone: SftJob) -> None:
    """The reference's log-probabilities are computed once, in pieces, and both processes read
    them."""
    tasks = [json.loads(line) for line in alone.rows.read_text().splitlines()][:17]
    pairs = [
        {"prompt": a["prompt"], "chosen": a["completion"], "rejected": b["completion"]}
        for a, b in pairwise(tasks)
        if a["completion"] != b["completion"]
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    spec = DpoSpec(max_steps=3, batch_size=4, learning_rate=1e-3, warmup_steps=1, save_steps=2)
    one = DpoJob(
        kind="dpo",
        out=tmp_path / "one",
        logs=tmp_path / "one/logs",
        model=alone.model,
        rows=tmp_path / "pairs.jsonl",
        spec=spec,
    )
    train_dpo(one, silent(one.logs), Interrupts(), exact_match)
    two = replace(one, out=tmp_path / "two", logs=tmp_path / "two/logs", launch=TWO)
    done = start(two)
    said = done.communicate(timeout=240)[1]
    assert done.returncode == EXIT_DONE, said
    for a, b in zip(rows(two.out / "losses.jsonl"), rows(one.out / "losses.jsonl"), strict=True):
        for name in ("loss", "rewards/margins", "logps/chosen"):
            assert a[name] == pytest.approx(b[name], abs=2e-3)
    assert distance(two.out / "final", one.out / "final") < 1e-3


@pytest.mark.slow
def test_two_processes_reinforce_what_one_reinforces(tmp_path: Path, base: Path) -> None:
    """The curriculum's and the windows' answers and each step's rollouts are divided, with the
    draws that one process would give them; rewards are relative to whole groups."""
    bank = build(5, {"functions": 6, "chat": 6}, {"functions": 3, "chat": 3})
    for name, tasks in (("train", bank.train), ("window", bank.heldout)):
        write_parquet(tmp_path / f"{name}.parquet", (task.to_row() for task in tasks), "tasks")
    (tmp_path / "letters.py").write_text(
        "def vowels(completions, **_):\n"
        "    texts = [completion[0]['content'] for completion in completions]\n"
        "    return [sum(letter in 'aeiou' for letter in text) / 8 for text in texts]\n"
    )
    own = OwnReward(name="vowels", function="letters:vowels", examples="none.jsonl")
    spec = GrpoSpec(
        method="full", max_steps=4, prompts_per_step=2, num_generations=3, micro_batch=2, learning_rate=1e-3, save_steps=2,
        max_completion_length=8, eval_steps=2, eval_items=5, max_prompt_length=200, curriculum_samples=2, reward=(own,),
    )  # fmt: skip
    one = GrpoJob(
        kind="grpo", out=tmp_path / "one", logs=tmp_path / "one/logs", model=base, rows=tmp_path / "train.parquet",
        suite=tmp_path / "window.parquet", seed=3, spec=spec, root=tmp_path, decoding=Decoding(max_new_tokens=8, batch_size=8),
    )  # fmt: skip
    one.out.mkdir()
    train_grpo(one, silent(one.logs), Interrupts(), critic_scorer)
    # Processes that hold pieces of the model cannot answer; GRPO's hold all of it.
    sharded = replace(TWO, config="fsdp2")
    two = replace(one, out=tmp_path / "two", logs=tmp_path / "two/logs", launch=sharded)
    done = start(two)
    said = done.communicate(timeout=400)[1]
    assert done.returncode == EXIT_DONE, said
    assert rows(two.out / "pass_rates.jsonl") == rows(one.out / "pass_rates.jsonl")
    curves = [rows(job.out / "curves.jsonl") for job in (one, two)]
    assert [row["step"] for row in curves[1]] == [0, 1, 2, 2, 3, 4, 4], "each row written once"
    assert any(row.get("reward_std", 0) > 0 for row in curves[0]), "there is something to learn"
    for a, b in zip(*curves, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name] == pytest.approx(b[name], abs=2e-3), name
    assert rows(two.out / "evals.jsonl") == rows(one.out / "evals.jsonl")
    assert rows(two.out / "windows.jsonl") == rows(one.out / "windows.jsonl")
    assert distance(two.out / "final", base) > 0, "it was trained"
    assert distance(two.out / "final", one.out / "final") < 1e-3
    own_files = {path.name for path in one.out.iterdir()}
    assert {path.name for path in two.out.iterdir()} == own_files


@pytest.mark.slow
def test_what_a_launched_process_refuses_is_the_launchers_failure(
    tmp_path: Path, alone: SftJob
) -> None:
    (tmp_path / "none.jsonl").write_text("")
    job = replace(
        alone, out=tmp_path, logs=tmp_path / "logs", rows=tmp_path / "none.jsonl", launch=TWO
    )
    done = start(job)
    said = done.communicate(timeout=240)[1]
    assert done.returncode == EXIT_BAD_INPUT, said
    failure = read_failure(job.logs / "job.json")
    assert failure is not None and "holds no rows" in failure.message and "holds no rows" in said


@pytest.mark.slow
def test_a_ray_task_runs_the_same_worker(tmp_path: Path, alone: SftJob) -> None:
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        missing_tool("Ray")
    job = replace(alone, out=tmp_path, logs=tmp_path / "logs", launch=LaunchSpec(engine="ray"))
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        done = start(job, RAY_ADDRESS=nodes.address)
        said = done.communicate(timeout=300)[1]
    finally:
        nodes.shutdown()
    assert done.returncode == EXIT_DONE, said
    assert "a task of the Ray cluster" in said and "sft: 20/20" in said
    assert distance(job.out / "final", alone.out / "final") == 0.0


def test_without_a_cluster_a_ray_job_says_what_to_do(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    pytest.importorskip("ray")
    job = replace(small_sft_job(tmp_path, base, *material), launch=LaunchSpec(engine="ray"))
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(
        [*COMMAND, str(write_job(job))],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == EXIT_BAD_INPUT and "no Ray cluster is named" in done.stderr
