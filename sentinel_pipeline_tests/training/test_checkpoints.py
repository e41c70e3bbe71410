"""Checkpoints are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline.training.loop.checkpoints import (
    complete_checkpoints,
    last_checkpoint,
    save_checkpoint,
)


def write(text: str = "state") -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "state.pt").write_text(text)

    return fill


def save(root: Path, step: int) -> None:
    save_checkpoint(root, step, write(f"state {step}"))


def test_the_newest_two_are_kept_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save(tmp_path, step)
    assert [found.step for found in complete_checkpoints(tmp_path)] == [10, 100]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-100"]


@pytest.mark.parametrize(
    "damage", ["truncate", "lose_file", "lose_list", "torn_list", "empty_list"]
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    state, listing = (
        tmp_path / "step-2" / "deep" / "state.pt",
        tmp_path / "step-2" / "complete.json",
    )
    match damage:
        case "truncate":
            state.write_text("sta")
        case "lose_file":
            state.unlink()
        case "lose_list":
            listing.unlink()
        case "torn_list":
            listing.write_text(listing.read_text()[:9])
        case "empty_list":
            listing.write_text('{"files": {}}')
    found = last_checkpoint(tmp_path)
    assert found is not None and found.step == 1


def test_a_folder_left_by_a_kill_is_no_checkpoint_and_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".writing-step-3").mkdir()
    (tmp_path / ".writing-step-3" / "half").write_text("x")
    assert last_checkpoint(tmp_path) is None
    save(tmp_path, 3)
    assert not (tmp_path / "step-3" / "half").exists()


def test_a_full_disk_is_infrastructure_and_leaves_the_last_good_one(tmp_path: Path) -> None:
    save(tmp_path, 1)

    def full(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(
        Infrastructure, match=r"step-2 could not be saved.*No space left.*run again to resume"
    ):
        save_checkpoint(tmp_path, 2, full)
    found = last_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


_WRITER = """
import sys
from pathlib import Path
from sentinel_pipeline.training.loop.checkpoints import save_checkpoint
def fill(folder, step):
    for part in range(20):
        (folder / f"part-{part}").write_bytes(bytes([step % 256]) * 20_000)
step = int(sys.argv[2])
while True:
    step += 1
    save_checkpoint(Path(sys.argv[1]), step, lambda folder: fill(folder, step))
    print(step, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint_of_the_last_step_told(
    tmp_path: Path,
) -> None:
    told = 0
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(told)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(0.003 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        told = max([told, *map(int, rest)])
        found = last_checkpoint(tmp_path)
        assert found is not None and found.step in (told, told + 1)
        for part in range(20):
            assert (found.folder / f"part-{part}").read_bytes() == bytes(
                [found.step % 256]
            ) * 20_000
        told = found.step
