"""Kill -9 at random moments of SFT and DPO: does every run resume, and end as the one that nobody
killed?

    python benchmarks/kills.py [--kills 20] [--experts 3] [--seed 1]

A small model is trained once to the end, for the reference; then as many runs are each killed once,
a random part of a step after a random step (0: while it starts; the last: while it exports), and
started again. Compared are the loss of every step (a sample in another place would change it), the
final loss and the bytes of the final weights. Prints one JSON line a trainer and exits with 1 where
a run differs. Processes are forked from one that has the libraries loaded, so a run is seconds.
What it does not do: kill a launcher, or a disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.records import Task
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.records.training_spec import DpoSpec, SftSpec, Windows
from sentinel_pipeline.run_job import be_quiet
from sentinel_pipeline.run_job import main as work
from sentinel_pipeline.store import read_jsonl, write_jsonl, write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.worker.jobs import DpoJob, PretrainJob, SftJob, write_job

STEPS, SAVE_EVERY = 60, 10
WINDOWS = Windows(eval_steps=20, eval_items=12, early_stop_step=0, syntax_drops=0)
TIME_LIMIT_S = 600.0
LIBRARIES = ["torch", "transformers", "trl", "datasets", "sentinel_pipeline.run_job"]


class Moment(NamedTuple):
    """When a run is killed: so many seconds after so many steps."""

    steps: int
    seconds: float


def run(job: SftJob | DpoJob | PretrainJob, kill: Moment | None = None) -> tuple[int | None, float]:
    """Run a job in a process of its own; returns its exit code (negative: the signal) and its
    seconds."""
    processes = multiprocessing.get_context("forkserver")
    child = processes.Process(target=_work, args=(str(write_job(job)), str(job.logs / "said.txt")))
    began = time.monotonic()
    child.start()
    while kill and child.exitcode is None and steps_of(job) < kill.steps:
        child.join(0.005)
    child.join(kill.seconds if kill else TIME_LIMIT_S)
    if child.exitcode is None:
        child.kill()
        child.join()
    return child.exitcode, time.monotonic() - began


def steps_of(job: SftJob | DpoJob | PretrainJob) -> int:
    rows = job.out / "losses.jsonl"
    return rows.read_bytes().count(b"\n") if rows.is_file() else 0


def _work(job: str, log: str) -> None:
    with open(log, "ab") as sink:
        os.dup2(sink.fileno(), 2)
    sys.exit(work([job]))


def material(folder: Path) -> tuple[list[Task], Path]:
    bank = build(7, {"functions": 300, "chat": 200}, {"functions": 6, "chat": 6})
    write_parquet(folder / "suite.parquet", (task.to_row() for task in bank.heldout), "tasks")
    return list(bank.train), folder / "suite.parquet"


def turns(task: Task, answer: str, name: str) -> dict[str, Any]:
    return {
        name: [{"role": "assistant", "content": answer}],
        "prompt": [turn.to_dict() for turn in task.messages],
    }


def jobs(folder: Path, experts: int) -> dict[str, SftJob | DpoJob]:
    """A job of each trainer over a small model that is made here; the wrong answer of a pair is
    another task's."""
    tasks, suite = material(folder)
    shape = EmbeddedModel(
        hidden=64, layers=2, intermediate=192, vocabulary=800, experts=experts, pretrain_steps=10
    )
    base = folder / "base"
    code, _ = run(PretrainJob(out=base, logs=base / "logs", spec=shape))
    assert code == 0, (base / "logs" / "said.txt").read_text()
    write_jsonl(folder / "sft.jsonl", (turns(task, task.reference, "completion") for task in tasks))
    pairs = zip(tasks, [*tasks[1:], tasks[0]], strict=True)
    write_jsonl(
        folder / "dpo.jsonl",
        (
            turns(a, a.reference, "chosen") | turns(a, b.reference, "rejected")
            for a, b in pairs
            if a.reference != b.reference
        ),
    )
    common: dict[str, Any] = {
        "max_steps": STEPS, "batch_size": 16, "num_train_epochs": 10.0, "save_steps": SAVE_EVERY, "warmup_steps": 5,
        "optimizer": "adamw", "windows": WINDOWS,
    }  # fmt: skip
    shared: dict[str, Any] = {
        "out": folder, "logs": folder, "model": base / "model", "suite": suite, "decoding": Decoding(max_new_tokens=24),
    }  # fmt: skip
    return {
        "sft": SftJob(kind="sft", rows=folder / "sft.jsonl", spec=SftSpec(**common), **shared),
        "dpo": DpoJob(
            kind="dpo",
            rows=folder / "dpo.jsonl",
            spec=DpoSpec(**{**common, "learning_rate": 3e-4}),
            **shared,
        ),
    }


def placed(job: SftJob | DpoJob, folder: Path) -> SftJob | DpoJob:
    (folder / "logs").mkdir(parents=True)
    return replace(job, out=folder, logs=folder / "logs")


def left(job: SftJob | DpoJob) -> dict[str, Any]:
    """What a finished run left: losses by step, final loss, and the weights' hash."""
    weights = (job.out / "final" / "model.safetensors").read_bytes()
    return {
        "losses": [(row["step"], row["loss"]) for row in read_jsonl(job.out / "losses.jsonl")],
        "final_loss": json.loads((job.out / "training.json").read_text())["final_loss"],
        "weights": hashlib.sha256(weights).hexdigest(),
    }


def trial(
    kind: str, job: SftJob | DpoJob, folder: Path, kills: int, chance: Random
) -> dict[str, Any]:
    whole = placed(job, folder / "whole")
    code, seconds = run(whole)
    assert code == 0, (whole.logs / "said.txt").read_text()
    wanted = left(whole)
    found: dict[str, Any] = {"killed": 0, "resumed": 0, "equal_losses": 0, "equal_weights": 0}
    reached, differing = [], []
    for number in range(kills):
        one = placed(job, folder / str(number))
        # A window takes as long as many steps, so a kill may well fall into one.
        code, _ = run(one, Moment(chance.randint(0, STEPS), chance.uniform(0.0, seconds / STEPS)))
        found["killed"] += code != 0
        reached.append(steps_of(one))
        code, _ = run(one)
        found["resumed"] += code == 0
        ended = left(one) if code == 0 else {"losses": None, "weights": None, "final_loss": None}
        found["equal_losses"] += ended["losses"] == wanted["losses"]
        found["equal_weights"] += ended["weights"] == wanted["weights"]
        if ended != wanted:
            differing.append(
                {"run": number, "killed_at_step": reached[-1], "final_loss": ended["final_loss"]}
            )
    return {
        "benchmark": "kills", "trainer": kind, "kills": kills, **found, "steps_at_the_kill": sorted(reached),
        "final_loss": wanted["final_loss"], "seconds_uninterrupted": round(seconds, 2), "differing": differing,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=20, help="runs that are killed, of each trainer"
    )
    parser.add_argument("--experts", type=int, default=0, help="train a mixture of so many experts")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    arguments = parser.parse_args()
    # Threads' waiting is set in the environment, before torch is loaded: a busy wait on a loaded
    # machine takes for ever.
    be_quiet()
    multiprocessing.get_context("forkserver").set_forkserver_preload(LIBRARIES)
    good = True
    with tempfile.TemporaryDirectory() as name:
        for kind, job in jobs(Path(name), arguments.experts).items():
            told = trial(
                kind,
                job,
                Path(name) / f"{kind}-runs",
                arguments.kills,
                Random(f"{kind}|{arguments.seed}"),
            )
            good &= not told["differing"]
            print(json.dumps({**told, "experts": arguments.experts}), flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
