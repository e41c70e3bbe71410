"""The facts that the guard decides on, read from the machine and the ledger each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..store import Home
from ..worker.device import CHOICE, device_owner, free_bytes
from .guard import SWITCH, Probe, Situation

OVERHEAD = 1.5
"""Memory of a model while it answers, in sizes of its weights: the weights, one conversation's
cache, and slack."""


def situation(
    home: Home,
    model: Path,
    probe: Probe,
    *,
    probe_reason: str = "",
    allow_experimental: bool,
    loaded: bool,
) -> Situation:
    """How things stand now; ``loaded`` says that the model is in memory already and needs no more
    of it."""
    weights = sum(
        path.stat().st_size for path in model.iterdir() if path.suffix in (".safetensors", ".bin")
    )
    return Situation(
        switch=os.environ.get(SWITCH),
        training=device_owner(home.device_lock),
        headroom_bytes=headroom(),
        needed_bytes=0 if loaded else int(weights * OVERHEAD),
        probe=probe,
        probe_reason=probe_reason,
        allow_experimental=allow_experimental,
    )


def headroom() -> int:
    """Free bytes on the GPU that a model would be put on, which is the first that this process may
    use, as its driver says; of the host's memory where there is no GPU.

    A driver that does not answer leaves nothing known to be free: 0. Where torch is loaded already
    and can use a GPU, it is asked itself: AMD's and the rest have other tools.
    """
    import psutil

    if os.environ.get(CHOICE) == "cpu":
        return int(psutil.virtual_memory().available)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return free_bytes()
    tool = shutil.which("nvidia-smi")
    if tool:
        first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"
        command = [
            tool,
            f"--id={first}",
            "--query-gpu=memory.free",
            "--format=csv,noheader,nounits",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            return 0
        free = [int(line) for line in done.stdout.split() if line.isdigit()]
        if done.returncode == 0 and free:
            return max(free) << 20
    return int(psutil.virtual_memory().available)
