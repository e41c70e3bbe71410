"""What bounds all candidates of this machine together: the control groups that they run in.

The limits of one program are limits of each of its processes; only a control group bounds their
sum. Usually it is that of the service (``MemoryMax`` and ``TasksMax`` of its unit, ``mem_limit`` of
its container); ``SENTINEL_CANDIDATES_CGROUP`` names one of their own, so that what they use does
not count against the trainer. What this module does not do: make a group, or set its limits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..errors import BadInput, Infrastructure

VARIABLE = "SENTINEL_CANDIDATES_CGROUP"
"""A folder of cgroup v2 that this user may write: every harness is moved there before it starts a
candidate."""
_CONTROLLERS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNBOUNDED = 1 << 60
"""Version 1 writes "no limit" as a number that no machine has."""


class Bounds(NamedTuple):
    """The tightest limits of a group and of those around it; None where nothing bounds."""

    memory_bytes: int | None
    tasks: int | None
    group: str
    """Where that is, for people."""


def candidate_bounds(
    controllers: Path = _CONTROLLERS, own: Path = _OWN, named: str | None = None
) -> Bounds:
    """What bounds the candidates that this process would start.

    Raises:
        BadInput: ``SENTINEL_CANDIDATES_CGROUP`` names no control group.
    """
    folder = candidates_group(named)
    if folder is not None:
        return Bounds(*_tightest(folder, "memory.max", "pids.max"), str(folder))
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return Bounds(None, None, "no control groups")
    paths = {}
    for line in lines:
        _, names, path = line.split(":", 2)
        paths.update(dict.fromkeys(names.split(","), path.lstrip("/")))
    unified = controllers if (controllers / "cgroup.controllers").exists() else None
    if unified is not None and "" in paths:
        limits = _tightest(unified / paths[""], "memory.max", "pids.max")
        return Bounds(*limits, f"cgroup v2 /{paths['']}")
    memory, _ = _tightest(
        controllers / "memory" / paths.get("memory", ""), "memory.limit_in_bytes", "pids.max"
    )
    _, tasks = _tightest(controllers / "pids" / paths.get("pids", ""), "none", "pids.max")
    return Bounds(memory, tasks, f"cgroup v1 /{paths.get('memory', '')}")


def candidates_group(named: str | None = None) -> Path | None:
    """The group that ``SENTINEL_CANDIDATES_CGROUP`` names.

    Raises:
        BadInput: it is none.
    """
    name = os.environ.get(VARIABLE) if named is None else named
    if not name:
        return None
    folder = Path(name)
    if not (folder / "cgroup.procs").is_file():
        fix = "Name a folder of cgroup v2 under /sys/fs/cgroup, or unset it."
        raise BadInput(f"{name!r} is not a control group.", field=VARIABLE, fix=fix)
    return folder


def move_to_group(pid: int, folder: Path) -> None:
    """
    Raises:
        Infrastructure: this user may not: no candidate runs outside of the group that was asked
            for.
    """
    try:
        (folder / "cgroup.procs").write_text(f"{pid}\n", encoding="ascii")
    except OSError as error:
        raise Infrastructure(
            f"the harness cannot be moved to {folder} ({VARIABLE}): {error.strerror}. Delegate the group to this user."
        ) from error


def _tightest(folder: Path, memory_file: str, tasks_file: str) -> tuple[int | None, int | None]:
    """The lowest limits of a group and of every one around it that can be seen; in a container the
    path is that of the host, and only the mount's own root is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    memory: list[int] = []
    tasks: list[int] = []
    while folder.name and folder.is_dir():
        for name, limits in ((memory_file, memory), (tasks_file, tasks)):
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdigit() and int(text) < _UNBOUNDED:
                limits.append(int(text))
        folder = folder.parent
    return min(memory, default=None), min(tasks, default=None)
