"""The devices of this machine and this process's hold on them: which there are, by torch itself;
threads, allocator, number format; one owner at a time.

Each device has a lock file that says who computes on it; the kernel drops the lock when its holder
dies, however it dies. A process that needs one device takes a free one and sees that one alone. A
GPU that is there and cannot be used is an error and never the CPU instead, unless
``SENTINEL_DEVICE=cpu`` asks for the CPU. What this module does not do: start processes.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple

from ..errors import Infrastructure
from ..store.files import private_file
from . import ranks

CHOICE = "SENTINEL_DEVICE"
"""``cpu`` computes on the CPU although there is a GPU."""
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
"""Options of ``mallopt(3)``."""


def cores() -> int:
    """Cores that this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    )


class Device(NamedTuple):
    """One device as torch tells of it."""

    kind: Literal["cuda", "rocm", "mps", "cpu"]
    name: str
    memory_bytes: int


def devices() -> list[Device]:
    """The GPUs that torch can use in this process; the CPU alone where there is none."""
    import psutil
    import torch

    if os.environ.get(CHOICE) != "cpu":
        if torch.cuda.is_available():
            kind: Literal["cuda", "rocm"] = "rocm" if torch.version.hip else "cuda"
            each = [
                torch.cuda.get_device_properties(index)
                for index in range(torch.cuda.device_count())
            ]
            return [Device(kind, str(gpu.name), int(gpu.total_memory)) for gpu in each]
        if torch.backends.mps.is_available():
            # It computes in the machine's own memory.
            return [Device("mps", "Apple GPU", int(torch.mps.recommended_max_memory()))]
    return [Device("cpu", f"{cores()} cores", int(psutil.virtual_memory().total))]


def torch_device() -> str:
    """Where this process's models go, as torch names it; of several processes each has its own
    GPU."""
    import torch

    if os.environ.get(CHOICE) == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        # A process that trains alone sees one device, or uses the first that it sees.
        return f"cuda:{ranks.local()}" if ranks.world() > 1 else "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def on_gpu() -> bool:
    """Whether models go to a GPU that computes in 16 bit (CUDA or ROCm)."""
    return torch_device().startswith("cuda")


def unusable_gpu() -> str | None:
    """Why torch cannot compute on a GPU that this machine has; None where it can, or where there is
    none, or where the user hid it."""
    import torch

    if os.environ.get(CHOICE) == "cpu":
        return None
    if torch.cuda.is_available():
        try:
            torch.ones(1, device=torch_device()).add_(1).item()
        except RuntimeError as error:
            return first_line(error)
        return None
    hidden = any(os.environ.get(name, "0").strip() in ("", "-1") for name in _VISIBLE)
    if hidden or torch.backends.mps.is_available() or physical_gpus() == 0:
        return None
    if is_cpu_build():
        return (
            f"torch {torch.__version__} is built for CPUs alone: install a build for CUDA or ROCm"
        )
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return first_line(error)
    return "torch finds no device that it can use"


def is_cpu_build() -> bool:
    """Whether this torch was built for CPUs alone, which somebody chose when it was installed."""
    import torch

    return torch.version.cuda is None and torch.version.hip is None


def require_usable(say: Callable[[str], None] = lambda text: None) -> None:
    """Never the CPU in silence: a torch that was built for CPUs alone says so and goes on.

    Raises:
        Infrastructure: there is a GPU, and a torch for GPUs cannot use it.
    """
    reason = unusable_gpu()
    if reason and is_cpu_build():
        say(f"there is a GPU here, and this computes on the CPU: {reason}")
    elif reason:
        raise Infrastructure(
            f"there is a GPU here, but torch cannot use it: {reason}. Correct that (sentinel doctor "
            f"looks again), or set {CHOICE}=cpu to compute on the CPU."
        )


def physical_gpus(root: Path = Path("/")) -> int:
    """How many GPUs the drivers of this machine show, without asking torch: device files of NVIDIA
    and AMD; a list of visible devices bounds them."""
    count = sum(
        bool(re.fullmatch(r"nvidia\d+", path.name)) for path in (root / "dev").glob("nvidia*")
    )
    if (root / "dev" / "kfd").exists():
        # AMD's compute nodes with a processor are GPUs; the CPU's node has none.
        for node in (root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties"):
            with suppress(OSError):
                count += "simd_count 0\n" not in node.read_text(encoding="utf-8")
    named = [os.environ[name] for name in _VISIBLE if name in os.environ]
    if named and count:
        listed = [item for item in named[0].split(",") if item.strip() not in ("", "-1")]
        count = min(count, len(listed))
    return count


def free_bytes() -> int:
    """Free memory of the device that this process's models go to."""
    import psutil
    import torch

    if on_gpu():
        return int(torch.cuda.mem_get_info(torch_device())[0])
    return int(psutil.virtual_memory().available)


def tell() -> None:
    """Print as JSON what torch can use here, and why not: for whoever does not load torch."""
    reason = unusable_gpu()
    usable = [Device("cpu", f"{cores()} cores", 0)] if reason else devices()
    told = {"devices": [device._asdict() for device in usable], "unusable": reason}
    print(json.dumps(told | {"cpu_build": is_cpu_build()}))


def first_line(error: BaseException) -> str:
    """What an error says first; its type where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def prepare_cpu(processes: int = 1) -> None:
    """One thread a core, divided among ``processes``, or as many as ``OMP_NUM_THREADS`` says to
    one process; and an allocator that keeps freed memory for the next step.

    By default glibc gives large blocks back to the kernel, and every step pays for fresh pages
    again.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "") if processes == 1 else ""
    threads = int(asked) if asked.isascii() and asked.isdigit() else cores() // processes
    torch.set_num_threads(max(1, min(threads, cores())))
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for option, value in (
                (_M_MMAP_THRESHOLD, 1 << 30),
                (_M_TRIM_THRESHOLD, 1 << 30),
                (_M_TOP_PAD, 1 << 26),
            ):
                mallopt(option, value)


def bfloat16_pays() -> bool:
    """Whether training computes in mixed precision with bfloat16: on a GPU that has it.

    Never on a CPU, whatever units it has: SFT in one process sums its loss past the wrapper that
    would cast, in float32, so several processes that cast would train something else than one; and
    a run that is resumed on another CPU goes on in the same number format.
    """
    import torch

    return bool(on_gpu() and torch.cuda.is_bf16_supported())


def is_out_of_memory(error: BaseException) -> bool:
    """The device's or the machine's allocator refused; torch says so in several ways."""
    text = str(error).lower()
    phrases = (
        "out of memory",
        "can't allocate memory",
        "cannot allocate memory",
        "cublas_status_alloc_failed",
    )
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in phrases)
    )


@contextmanager
def device_lock(
    path: Path | None, say: Callable[[str], None] = lambda text: None, patience_s: float = 3600.0
) -> Iterator[None]:
    """Hold the device; waits for its present owner, telling who that is.

    Raises:
        Infrastructure: the owner did not let go within ``patience_s`` seconds.
    """
    if path is None:
        yield
        return
    private_file(path)
    with path.open("a+", encoding="utf-8") as stream:
        _acquire(stream.fileno(), path, say, patience_s)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
        stream.truncate(0)


@contextmanager
def hold_devices(
    lock: Path | None,
    count: int = 1,
    say: Callable[[str], None] = lambda text: None,
    patience_s: float = 3600.0,
) -> Iterator[tuple[int, ...]]:
    """Hold ``count`` free devices of this machine and make them the only ones that this process
    sees; yields their numbers.

    To be called before CUDA is initialised. All are taken or none, so that two that wait for two
    never hold one each. With one device it is ``device_lock``, and without a GPU too: processes
    that train together share the CPU.

    Raises:
        Infrastructure: fewer devices than ``count``, or too few were let go within ``patience_s``
            seconds.
    """
    if lock is None:
        yield ()
        return
    import torch

    total = torch.cuda.device_count() if os.environ.get(CHOICE) != "cpu" else 0
    if total and count > total:
        raise Infrastructure(
            f"{count} devices are needed, and {total} are here: lower launch.processes or the parallelism of vLLM."
        )
    if total <= 1:
        with device_lock(lock, say, patience_s):
            yield (0,)
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience_s
    warned = False
    while True:
        with ExitStack() as stack:
            streams: dict[int, IO[str]] = {}
            for index in range(total):
                stream = stack.enter_context(lock_of(lock, index).open("a+", encoding="utf-8"))
                with suppress(BlockingIOError):
                    fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    streams[index] = stream
                if len(streams) == count:
                    break
            if len(streams) == count:
                for taken in streams.values():
                    taken.truncate(0)
                    taken.write(f"{os.getpid()}\n")
                    taken.flush()
                before = {name: os.environ.get(name) for name in _VISIBLE}
                see_only(list(streams), total)
                try:
                    yield tuple(streams)
                finally:
                    for name, value in before.items():
                        os.environ.pop(name, None)
                        if value is not None:
                            os.environ[name] = value
                    for taken in streams.values():
                        taken.truncate(0)
                return
        if time.monotonic() >= deadline:
            raise Infrastructure(
                f"{count} of {total} devices are needed, and too few are free (locks beside {lock}): wait, or stop "
                "what holds them, then run again."
            )
        if not warned:
            say(f"waiting for {count} of {total} devices")
            warned = True
        time.sleep(0.2)


def see_only(indices: Sequence[int], total: int) -> None:
    """Narrow the list of visible devices to these places in it."""
    import torch

    name = "HIP_VISIBLE_DEVICES" if torch.version.hip else "CUDA_VISIBLE_DEVICES"
    listed = [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]
    names = listed if len(listed) == total else [str(index) for index in range(total)]
    os.environ[name] = ",".join(names[index] for index in indices)


def lock_of(lock: Path, index: int) -> Path:
    """The lock file of one device; the first one's is ``lock`` itself."""
    return lock if index == 0 else lock.with_name(f"{lock.stem}-{index}{lock.suffix}")


def device_owner(lock: Path) -> str | None:
    """Who holds the first device, or else another one; None where all are free."""
    others = sorted(lock.parent.glob(f"{lock.stem}-*{lock.suffix}"))
    return next((owner for path in (lock, *others) if (owner := _owner(path))), None)


def _owner(lock: Path) -> str | None:
    """Who holds one device; a lock file whose holder died is free, whatever stands in it."""
    try:
        with lock.open("r", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return stream.read().strip() or "unknown"
    except OSError:
        pass
    return None


def _acquire(descriptor: int, path: Path, say: Callable[[str], None], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    warned = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            owner = path.read_text(encoding="utf-8").strip() or "unknown"
            if time.monotonic() >= deadline:
                raise Infrastructure(
                    f"the device is held by process {owner} (lock {path}): wait for it or stop it, then run again."
                ) from None
            if not warned:
                say(f"waiting for the device, held by process {owner}")
                warned = True
            time.sleep(0.2)
