"""The facts that the guard stands on, as the machine has them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sentinel_pipeline.chat.guard import SWITCH, Situation
from sentinel_pipeline.chat.situation import headroom, situation
from sentinel_pipeline.store import Home


def look(home: Home, model: Path, *, loaded: bool = False) -> Situation:
    return situation(home, model, "pass", allow_experimental=False, loaded=loaded)


def test_the_switch_is_read_each_time(
    home: Home, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    assert look(home, small_model).switch is None
    monkeypatch.setenv(SWITCH, "0")
    assert look(home, small_model).switch == "0"


def test_memory_is_one_and_a_half_times_the_weights_and_nothing_once_loaded(
    home: Home, small_model: Path
) -> None:
    weights = (small_model / "model.safetensors").stat().st_size
    now = look(home, small_model)
    assert now.needed_bytes == int(1.5 * weights) > 0 and now.headroom_bytes > weights
    assert look(home, small_model, loaded=True).needed_bytes == 0


def test_a_trainer_holds_the_device_until_it_is_killed(home: Home, small_model: Path) -> None:
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from sentinel_pipeline.worker.device import device_lock
        with device_lock(Path(sys.argv[1])):
            print("held", flush=True)
            time.sleep(600)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(home.device_lock)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdout.readline() == "held\n"
    assert look(home, small_model).training == str(child.pid)
    child.kill()
    child.wait(timeout=60)
    assert look(home, small_model).training is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 1000; echo 24000", 24000 << 20),
        ("exit 9", None),
        ("echo nonsense", None),
        ("sleep 60", 0),
    ],
)
def test_the_driver_is_asked_and_its_silence_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: int | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = headroom()
    assert found == expected if expected is not None else found > 1 << 20
