"""The worker as a process: exit codes, signals, kills, one device owner, progress for whoever tails
it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel_pipeline.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INFRASTRUCTURE,
    Infrastructure,
)
from sentinel_pipeline.run_job import failure_of, main, run_job
from sentinel_pipeline.worker.device import device_lock
from sentinel_pipeline.worker.failures import read_failure
from sentinel_pipeline.worker.jobs import AnswerJob, SftJob, write_job
from sentinel_pipeline_tests.e2e.disk import NO_MOUNT
from sentinel_pipeline_tests.training.material import exact_match, small_sft_job

KILLS = 5
"""Attempts that may be killed; each costs a start-up."""
COMMAND = [sys.executable, "-m", "sentinel_pipeline.run_job"]


def losses(job: SftJob) -> list[dict[str, float]]:
    path = job.out / "losses.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def test_answers_every_suite_and_leaves_result_and_progress(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = AnswerJob(logs=tmp_path, model=base, suites={"heldout": str(material[1])})
    job = replace(job, decoding=replace(job.decoding, max_new_tokens=4))
    said: list[str] = []
    result = run_job(job, said.append)
    assert result["items"] == len((tmp_path / "heldout.jsonl").read_text().splitlines()) == 8
    rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert (rows[-1]["step"], rows[-1]["total"], rows[-1]["eta_s"]) == (8, 8, 0.0)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert said[-1].startswith("answer: 8/8")


def test_a_faulty_job_exits_2_and_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = AnswerJob(logs=tmp_path, model=tmp_path / "nowhere", suites={})
    done = subprocess.run(
        [*COMMAND, str(write_job(job))], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == EXIT_BAD_INPUT
    failure = read_failure(tmp_path / "job.json")
    assert failure is not None and "no such model folder" in failure.message
    assert "gave up" in done.stderr and "Traceback" not in done.stderr


def test_a_worker_says_how_its_threads_wait_before_it_loads_torch() -> None:
    """Threads that spin at a barrier made a busy machine five times slower."""
    code = (
        "import os, sys\n"
        "import sentinel_pipeline.run_job as worker\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('GOMP_SPINCOUNT'))\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from sentinel_pipeline.worker.jobs import read_job\n"
        "worker.main([sys.argv[1]])\n"
    )
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        job = small_sft_job(out, out / "no-model", out / "rows.jsonl", out / "suite.parquet")
        path = write_job(replace(job, device_lock=out / "device.lock"))
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["PASSIVE", "10000"], done.stderr


def test_no_job_is_a_usage_error() -> None:
    assert main([]) == EXIT_BAD_INPUT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), EXIT_INFRASTRUCTURE),
        (RuntimeError("CUDA out of memory. Tried to allocate"), EXIT_INFRASTRUCTURE),
        (RuntimeError("CUDA error: device-side assert"), EXIT_INFRASTRUCTURE),
        (OSError(28, "No space left on device"), EXIT_INFRASTRUCTURE),
        (
            RuntimeError(
                "Error while serializing: I/O error: No space left on device (os error 28)"
            ),
            EXIT_INFRASTRUCTURE,
        ),
        (ZeroDivisionError("a defect"), EXIT_FAILED),
    ],
)
def test_a_failure_says_whose_it_is(error: Exception, code: int) -> None:
    assert failure_of(error).exit_code == code


_ON_A_FULL_DISK = """
import shutil, subprocess, sys
from pathlib import Path
from sentinel_pipeline.worker.failures import read_failure, worker_error
from sentinel_pipeline_tests.e2e.disk import NO_MOUNT, fill, own_disk
disk, job, command = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
try:
    own_disk(disk, 1)
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit(NO_MOUNT)
path = shutil.copy(job, disk)
fill(disk / "ballast", leave=0)
print(subprocess.run([*command, path], stdout=sys.stderr).returncode, read_failure(Path(path)), worker_error(Path(path)))
"""


def test_a_worker_that_finds_no_room_for_its_reason_is_told_by_its_launcher(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """To the last byte: nothing can be written, ``failure.json`` neither."""
    disk = tmp_path / "disk"
    disk.mkdir()
    job = write_job(
        AnswerJob(logs=tmp_path / "logs", model=base, suites={"heldout": str(material[1])})
    )
    job.write_text(job.read_text().replace(str(tmp_path / "logs"), str(disk)))
    command = [sys.executable, "-c", _ON_A_FULL_DISK, str(disk), str(job), *COMMAND]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == NO_MOUNT:
        pytest.skip(f"this user may mount no disk of its own: {done.stderr.strip()}")
    assert done.stdout.startswith(f"{EXIT_INFRASTRUCTURE} None "), done.stdout + done.stderr
    assert "No space left on device: 0 KiB free" in done.stdout
    assert "No space left on device" in done.stderr, (
        "the worker's own word, for whoever reads its log"
    )


def test_two_jobs_never_share_the_device(tmp_path: Path) -> None:
    lock, said = tmp_path / "state" / "device.lock", list[str]()
    with device_lock(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(Infrastructure, match=f"held by process {os.getpid()}"),
            device_lock(lock, said.append, 0.3),
        ):
            raise AssertionError("two owners")
    assert said == [f"waiting for the device, held by process {os.getpid()}"]
    with device_lock(lock, patience_s=0):
        pass


def test_a_dead_owner_does_not_keep_the_device(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sentinel_pipeline.worker.device import device_lock\n"
        "with device_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    lock = tmp_path / "device.lock"
    process = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    process.kill()
    process.wait()
    with device_lock(lock, patience_s=2):
        pass


def test_the_worker_dies_with_its_parent(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = small_sft_job(tmp_path, base, material[0], None, num_train_epochs=200.0)
    command = [*COMMAND, str(write_job(job))]
    starter = f"import subprocess, time\np = subprocess.Popen({command})\nprint(p.pid, flush=True)\ntime.sleep(99)"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    _wait_for(lambda: len(losses(job)) >= 2)
    parent.kill()
    parent.wait()
    _wait_for(
        lambda: (
            not Path(f"/proc/{child}").exists()
            or "zombie" in Path(f"/proc/{child}/status").read_text()
        )
    )


def _wait_for(condition: Callable[[], object], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.slow
def test_kill_nine_at_random_moments_changes_nothing(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    """No windows here: their scorer is another room's. Sample order, losses and weights must not
    show the kills."""
    quiet = small_sft_job(tmp_path / "quiet", base, material[0], None, num_train_epochs=2.0)
    run_job(quiet, lambda text: None, scorer=exact_match)
    killed = replace(quiet, out=tmp_path / "killed", logs=tmp_path / "killed" / "logs")
    path, chance = write_job(killed), random.Random(11)
    kills = 0
    for _ in range(KILLS):
        process = subprocess.Popen([*COMMAND, str(path)], stderr=subprocess.DEVNULL)
        seen = len(losses(killed))
        # Half of the kills fall on start-up and loading, half on training and saving.
        _wait_until_moved(process, killed, seen if chance.random() < 0.7 else -1)
        time.sleep(chance.random() * 0.1)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        if process.wait() == EXIT_DONE:
            break
    subprocess.run([*COMMAND, str(path)], check=True, capture_output=True, timeout=120)
    assert kills >= 2
    for name in (
        "losses.jsonl",
        "final/model.safetensors",
        "model/model.safetensors",
        "training.json",
    ):
        ours, theirs = (killed.out / name).read_bytes(), (quiet.out / name).read_bytes()
        assert ours == theirs, name


def _wait_until_moved(process: subprocess.Popen[bytes], job: SftJob, seen: int) -> None:
    while process.poll() is None and seen >= 0 and not _moved(job, seen):
        time.sleep(0.01)


def _moved(job: SftJob, seen: int) -> bool:
    try:
        return len(losses(job)) > seen
    except json.JSONDecodeError:
        return True


def test_sigterm_saves_and_exits_4_with_a_word(
    tmp_path: Path, base: Path, material: tuple[Path, Path]
) -> None:
    job = small_sft_job(
        tmp_path, base, material[0], None, num_train_epochs=200.0, save_steps=10_000
    )
    path = write_job(job)
    process = subprocess.Popen([*COMMAND, str(path)], stderr=subprocess.DEVNULL)
    _wait_for(lambda: len(losses(job)) >= 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == EXIT_INFRASTRUCTURE
    failure = read_failure(path)
    assert failure is not None and failure.message.startswith("stopped by SIGTERM at step")
    assert len(list((job.logs / "checkpoints").glob("step-*/optimizer.pt"))) == 1
    shutil.rmtree(tmp_path)
