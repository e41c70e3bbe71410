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
from sentinel_pipeline.records.launch_spec import LaunchSpec
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.records.training_spec import DpoSpec, FreezeStage, SftSpec
from sentinel_pipeline.training.loop.checkpoints import complete_checkpoints
from sentinel_pipeline.training.trainers.dpo import train_dpo
from sentinel_pipeline.training.trainers.fit import load_trainable
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.device import bfloat16_pays
from sentinel_pipeline.worker.failures import read_failure
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import DpoJob, SftJob, TuneJob, read_job, write_job
from sentinel_pipeline.worker.launch import check_config, worker_command
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
