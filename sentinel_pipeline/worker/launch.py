"""A worker in several processes under ``accelerate launch``, or as a task of a Ray cluster:
started, listened to, stopped.

The launcher holds the device and the Pipes; the launched worker is the same module, told by the
environment that it was launched. Its words go to ``logs/worker.log`` and are passed on line by
line; a wish to stop reaches it as the file ``logs/stop``, which works over machines and leaves it
the time to save. What this module does not do: train, or start a cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..cluster import run_task
from ..errors import BadInput, Infrastructure
from ..processes import die_with_parent
from ..records.launch_spec import LaunchSpec
from ..records.training_spec import StageSpec
from .device import cores, hold_devices
from .failures import failure_path, worker_error
from .interrupts import Interrupts
from .job_kinds import Job, TuneJob
from .progress import Say
from .ranks import LAUNCHED

WORKER = "sentinel_pipeline.run_job"
CONFIGS = Path(__file__).parent / "launch_configs"
"""Shipped configurations of accelerate, by name."""
LOG = "worker.log"
STOP = "stop"
_POLL_S = 0.2
_OWN = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")
"""Variables that are the launcher's alone."""


def launched_elsewhere(job: Job) -> bool:
    """Whether this process is to launch ``job`` and not to run it."""
    return (
        isinstance(job, TuneJob) and job.launch.engine != "local" and not os.environ.get(LAUNCHED)
    )


def check_config(spec: LaunchSpec, tuned: Mapping[str, StageSpec], root: Path) -> None:
    """Hold the configuration file, where there is one, against the trainers that it starts (recipe
    key -> settings).

    Raises:
        BadInput: it is missing, or shards what cannot be sharded.
    """
    import yaml

    if spec.config is None:
        return
    path = config_file(spec.config, root)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        fix = "Write one: accelerate config --config_file FILE."
        problem = f"no readable accelerate configuration: {error}"
        raise BadInput(problem, file=path, field="launch.config", fix=fix) from error
    if not isinstance(config, dict):
        raise BadInput("expected YAML of accelerate config.", file=path, field="launch.config")
    kind = str(config.get("distributed_type", "NO"))
    if kind == "FSDP" and str((config.get("fsdp_config") or {}).get("fsdp_version", 1)) != "2":
        fix = "Set fsdp_version: 2 in fsdp_config."
        problem = "FSDP 1 hides the model from windows and exports."
        raise BadInput(problem, file=path, field="launch.config", fix=fix)
    quantized = [name for name, tuning in tuned.items() if tuning.load_in_4bit]
    if kind in ("FSDP", "DEEPSPEED") and quantized:
        fix = f"Leave launch.config out: each process then holds its own base in 4 bit; or {quantized[0]}.load_in_4bit."
        problem = f"{kind} would divide a base that bitsandbytes has packed."
        raise BadInput(problem, file=path, field="launch.config", fix=fix)
    staged = [name for name, tuning in tuned.items() if tuning.stages]
    if kind in ("FSDP", "DEEPSPEED") and staged:
        fix = f"Leave launch.config out, or {staged[0]}.stages."
        problem = f"{kind} shards what {staged[0]}.stages freezes."
        raise BadInput(problem, file=path, field="launch.config", fix=fix)


def of_whole_models(spec: LaunchSpec, root: Path) -> LaunchSpec:
    """``spec`` without a configuration that divides the model: each process then holds all of
    it."""
    return spec if sharding(spec, root) == "" else replace(spec, config=None)


def sharding(spec: LaunchSpec, root: Path) -> str:
    """What processes divide among themselves by ``launch.config``: ``weights``, ``moments`` or
    nothing."""
    import yaml

    if spec.config is None:
        return ""
    try:
        config = yaml.safe_load(config_file(spec.config, root).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    if not isinstance(config, dict):
        return ""
    if config.get("distributed_type") == "FSDP":
        return "weights"
    if config.get("distributed_type") == "DEEPSPEED":
        stage = (config.get("deepspeed_config") or {}).get("zero_stage", 2)
        return "weights" if stage == 3 else "moments"
    return ""


def config_file(name: str, root: Path) -> Path:
    """The file that ``launch.config`` names: the project's own, else the shipped one of that
    name."""
    shipped = CONFIGS / f"{name}.yaml"
    return shipped if shipped.is_file() and not (root / name).exists() else root / name


def machines_of(path: Path) -> int:
    """How many machines an accelerate configuration spans."""
    import yaml

    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    return int(config.get("num_machines", 1) or 1) if isinstance(config, dict) else 1


def worker_command(job: Path, spec: LaunchSpec, root: Path, gpus: bool) -> list[str]:
    """The command that trains: the worker itself, or ``accelerate launch`` of it."""
    python = [sys.executable, "-m"]
    if spec.processes == 1 and spec.config is None:
        return [*python, WORKER, str(job)]
    named = ["--multi_gpu"] if spec.processes > 1 else []
    alone = ["--num_machines", "1", "--main_process_port", "0"]
    if spec.config:
        path = config_file(spec.config, root)
        named = ["--config_file", str(path)]
        # Of several machines the configuration says which this is and where the first one listens.
        alone = [] if path.is_file() and machines_of(path) > 1 else alone
    settings = [*named, "--num_processes", str(spec.processes), *alone]
    if spec.config is None:
        settings += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    if not gpus:
        settings += ["--num_cpu_threads_per_process", str(max(1, cores() // spec.processes))]
    return [*python, "accelerate.commands.launch", *settings, "-m", WORKER, str(job)]


def launch(path: Path, job: TuneJob[Any], say: Say, interrupts: Interrupts) -> dict[str, Any]:
    """Run the job file at ``path`` as ``job.launch`` asks; returns what the worker reached.

    Raises:
        BadInput, Infrastructure: as the worker says.
    """
    if not job.stage.divides_model:
        job = replace(job, launch=of_whole_models(job.launch, Path.cwd()))
    check_config(job.launch, {job.kind: job.spec}, Path.cwd())
    stop = job.logs / STOP
    log = job.logs / LOG
    stop.unlink(missing_ok=True)
    failure_path(path).unlink(missing_ok=True)
    job.logs.mkdir(parents=True, exist_ok=True)
    log.touch()

    with _followed(log, say) as follow:

        def poll() -> None:
            follow()
            if interrupts.asked:
                stop.touch()

        code = (run_on_ray if job.launch.engine == "ray" else run_here)(path, job, poll, say)
    stop.unlink(missing_ok=True)
    if code:
        raise worker_error(path)
    reached: dict[str, Any] = json.loads((job.logs / "result.json").read_text(encoding="utf-8"))
    return reached


@contextmanager
def _followed(log: Path, say: Say) -> Iterator[Callable[[], None]]:
    """A function that says what was added to ``log`` since its last call, whole lines only."""
    place = log.stat().st_size

    def follow() -> None:
        nonlocal place
        with log.open("rb") as stream:
            stream.seek(place)
            lines = [line for line in stream if line.endswith(b"\n")]
        place += sum(map(len, lines))
        for line in lines:
            say(line.decode("utf-8", "replace").rstrip())

    yield follow
    follow()


def run_here(path: Path, job: TuneJob[Any], poll: Callable[[], None], say: Say) -> int:
    """``accelerate launch`` on this machine; returns its exit code."""
    with hold_devices(job.device_lock, devices_here(job.launch, Path.cwd()), say):
        return run_worker(path, job, Path.cwd(), poll)


def devices_here(spec: LaunchSpec, root: Path) -> int:
    """Devices of this machine that a launch takes: its share of the processes where a configuration
    spans several machines."""
    path = config_file(spec.config, root) if spec.config else None
    machines = machines_of(path) if path is not None and path.is_file() else 1
    return max(1, spec.processes // machines)


def run_on_ray(path: Path, job: TuneJob[Any], poll: Callable[[], None], say: Say) -> int:
    """One task of the cluster, run again on another node where its own dies: the worker resumes;
    returns its exit code."""
    say(f"{job.kind}: a task of the Ray cluster, in {job.launch.processes} processes")
    return run_task(
        run_worker, path.resolve(), job, Path.cwd(), gpus=job.launch.processes, poll=poll
    )


def run_worker(
    path: Path, job: TuneJob[Any], root: Path, poll: Callable[[], None] = lambda: None
) -> int:
    """Start the worker of a job file in processes of their own and wait for them; ``poll`` is
    called all the while.

    Raises:
        Infrastructure: fewer devices than processes.
    """
    import torch

    count = torch.cuda.device_count()
    needed = devices_here(job.launch, root)
    if count and count < needed:
        raise Infrastructure(
            f"{needed} processes are asked for, and {count} devices are here: lower launch.processes."
        )
    command = worker_command(path, job.launch, root, gpus=count > 0)
    environment = {key: value for key, value in os.environ.items() if key not in _OWN} | {
        LAUNCHED: "1"
    }
    with (job.logs / LOG).open("ab") as sink:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, start_new_session=True,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        try:
            while child.poll() is None:
                time.sleep(_POLL_S)
                poll()
        except BaseException:
            child.terminate()
            child.wait()
            raise
    return child.returncode
