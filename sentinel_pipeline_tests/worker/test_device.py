"""Devices: which there are, who holds which, and a GPU that cannot be used is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.cli.doctor import device_finding
from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline.records.engine_spec import VllmSpec
from sentinel_pipeline.store import Home
from sentinel_pipeline.worker import device, ranks
from sentinel_pipeline.worker.device import (
    device_owner,
    hold_devices,
    lock_of,
    on_gpu,
    physical_gpus,
    require_usable,
    torch_device,
    unusable_gpu,
)
from sentinel_pipeline.worker.job_kinds import AnswerJob, devices_of

VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.delenv(device.CHOICE, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_two_that_compute_side_by_side_see_one_device_each(tmp_path: Path) -> None:
    lock = tmp_path / "device.lock"
    with hold_devices(lock) as first:
        assert (first, os.environ[VISIBLE]) == ((0,), "0")
        del os.environ[VISIBLE]
        with hold_devices(lock) as second:
            assert (second, os.environ[VISIBLE]) == ((1,), "1")
            assert lock_of(lock, 1).name == "device-1.lock"
            with (
                pytest.raises(Infrastructure, match="1 of 2 devices are needed.*too few are free"),
                hold_devices(lock, patience_s=0.3),
            ):
                pass
        assert device_owner(lock) == str(os.getpid())
    assert device_owner(lock) is None and VISIBLE not in os.environ


@pytest.mark.usefixtures("two_gpus")
def test_two_devices_are_taken_together_or_not_at_all(tmp_path: Path) -> None:
    lock = tmp_path / "device.lock"
    with hold_devices(lock, 2) as both:
        assert (both, os.environ[VISIBLE]) == ((0, 1), "0,1")
    with (
        hold_devices(lock),
        pytest.raises(Infrastructure, match="2 of 2"),
        hold_devices(lock, 2, patience_s=0.3),
    ):
        pass
    with hold_devices(lock) as free:
        assert free == (0,), "what waited for two holds none"
    with (
        pytest.raises(Infrastructure, match="3 devices are needed, and 2 are here"),
        hold_devices(lock, 3),
    ):
        pass


@pytest.mark.usefixtures("two_gpus")
def test_the_users_own_list_of_devices_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, "5,7")
    lock = tmp_path / "device.lock"
    with hold_devices(lock):
        assert os.environ[VISIBLE] == "5"
        monkeypatch.setenv(VISIBLE, "5,7")
        with hold_devices(lock):
            assert os.environ[VISIBLE] == "7"


def test_without_a_gpu_processes_share_one_lock(tmp_path: Path) -> None:
    lock = tmp_path / "device.lock"
    with hold_devices(lock, 4) as held:
        assert held == (0,) and device_owner(lock) == str(os.getpid())


def test_a_job_takes_as_many_devices_as_vllm_is_told(tmp_path: Path) -> None:
    plain = AnswerJob(logs=tmp_path, model=tmp_path, suites={})
    spec = VllmSpec(tensor_parallel_size=2, data_parallel_size=2)
    several = AnswerJob(logs=tmp_path, model=tmp_path, suites={}, engine="vllm", vllm=spec)
    assert (devices_of(plain), devices_of(several)) == (1, 4)


def test_ranks_compute_on_their_own_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv(device.CHOICE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device() == "cuda"
    for name, value in ((ranks.LAUNCHED, "1"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "3")):
        monkeypatch.setenv(name, value)
    assert torch_device() == "cuda:3"
    monkeypatch.setenv(device.CHOICE, "cpu")
    assert torch_device() == "cpu" and not on_gpu()


def test_apples_gpu_is_chosen_and_does_not_compute_in_sixteen_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.delenv(device.CHOICE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert torch_device() == "mps" and not on_gpu() and not device.bfloat16_pays()


def test_a_gpu_that_torch_cannot_use_is_told_and_the_cpu_has_to_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    for name in (device.CHOICE, *device._VISIBLE):  # noqa: SLF001 -- whatever this machine sets
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "physical_gpus", lambda: 1)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None, raising=False)
    words: list[str] = []
    require_usable(words.append)
    assert "this computes on the CPU" in words[0] and "built for CPUs alone" in words[0]
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    def old_driver() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    monkeypatch.setattr(torch.cuda, "init", old_driver)
    assert "driver on your system is too old" in str(unusable_gpu())
    with pytest.raises(Infrastructure, match=r"cannot use it.*SENTINEL_DEVICE=cpu"):
        require_usable()
    monkeypatch.setenv(VISIBLE, "")
    assert unusable_gpu() is None, "the user hid it"
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setenv(device.CHOICE, "cpu")
    require_usable()


def test_a_device_that_fails_its_first_operation_is_unusable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.delenv(device.CHOICE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", refuse)
    assert "no kernel image" in str(unusable_gpu())


def test_gpus_are_counted_by_their_drivers_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in device._VISIBLE:  # noqa: SLF001 -- whatever this machine sets
        monkeypatch.delenv(name, raising=False)
    assert physical_gpus(tmp_path) == 0
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    assert physical_gpus(tmp_path) == 2
    monkeypatch.setenv(VISIBLE, "1")
    assert physical_gpus(tmp_path) == 1
    monkeypatch.setenv(VISIBLE, "-1")
    assert physical_gpus(tmp_path) == 0
    amd = tmp_path / "amd"
    (amd / "dev").mkdir(parents=True)
    (amd / "dev" / "kfd").touch()
    for node, lanes in ((0, 0), (1, 1216)):
        folder = amd / f"sys/class/kfd/kfd/topology/nodes/{node}"
        folder.mkdir(parents=True)
        (folder / "properties").write_text(f"cpu_cores_count 1\nsimd_count {lanes}\n")
    monkeypatch.delenv(VISIBLE)
    assert physical_gpus(amd) == 1, "the CPU's node is none"


def test_doctor_names_devices_by_their_kind_and_fails_on_an_unusable_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    mi300x = {"kind": "rocm", "name": "AMD Instinct MI300X", "memory_bytes": 192 << 30}
    usable = device_finding(home, {"devices": [mi300x], "unusable": None})
    assert (usable.status, usable.found) == ("ok", "1 GPU: AMD Instinct MI300X (ROCM, 192 GiB)")
    broken = device_finding(home, {"devices": [], "unusable": "the driver is too old"})
    assert broken.status == "fail" and "the driver is too old" in broken.found
    assert "SENTINEL_DEVICE=cpu" in broken.fix
    busy = device_finding(home, {"error": "torch is not reachable: timed out", "late": True})
    assert busy.status == "warn" and "timed out" in busy.found
    none = device_finding(home, {"devices": [{"kind": "cpu"}], "unusable": None})
    assert none.status == "ok" and none.found.startswith("no GPU, ")


def test_what_torch_can_use_is_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    device.tell()
    told = json.loads(capsys.readouterr().out)
    assert told["unusable"] is None and told["devices"][0]["kind"] in {"cpu", "cuda", "rocm", "mps"}


@pytest.mark.parametrize(
    ("asked", "processes", "threads"),
    [(None, 1, 4), (None, 3, 1), ("2", 1, 2), ("2", 3, 1), ("64", 1, 4), ("0", 1, 1), ("", 1, 4), ("-1", 1, 4), ("²", 1, 4)],
)  # fmt: skip
def test_one_process_has_a_thread_a_core_or_as_many_as_its_user_says(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, processes: int, threads: int
) -> None:
    import torch

    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    monkeypatch.setattr(device, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    device.prepare_cpu(processes)
    assert set_to == [threads]
