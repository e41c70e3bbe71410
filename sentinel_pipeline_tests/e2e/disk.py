"""A small disk of one's own, for root and for others: a tmpfs in a mount namespace that ends with
its processes."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

NO_MOUNT = 77
"""Exit code of a program whose user may mount nothing here."""
_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14


def own_disk(folder: Path, mib: int) -> None:
    """Mount a tmpfs of ``mib`` at ``folder``, seen by this process and its children only.

    Raises:
        OSError: the kernel allows this user no mount.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    as_user = uid != 0

    def call(result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    call(libc.unshare(_NEWNS | (_NEWUSER if as_user else 0)))
    if as_user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    call(libc.mount(b"none", b"/", None, _PRIVATE | _RECURSIVE, None))
    call(libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={mib}m".encode()))


def fill(path: Path, *, leave: int) -> None:
    """Write ``path`` until the disk has only ``leave`` bytes left."""
    free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
    with path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(free - leave, 1))
