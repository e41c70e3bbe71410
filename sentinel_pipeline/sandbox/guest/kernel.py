"""Linux calls that Python 3.11 lacks, through ctypes: namespaces, mounts, Landlock, seccomp, raw
fork.

What this module does not do: decide what is confined; ``confine`` does. ``PyDLL`` keeps the
interpreter lock during a call, which is what makes a raw fork of a single-threaded interpreter
safe.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import tables

_libc = ctypes.PyDLL(None, use_errno=True)
_NUMBERS = tables.numbers()

NEW_NAMESPACE = {
    "user_namespace": 0x10000000,
    "pid_namespace": 0x20000000,
    "mount_namespace": 0x00020000,
    "network_namespace": 0x40000000,
    "ipc_namespace": 0x08000000,
    "uts_namespace": 0x04000000,
}
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
_SIGCHLD = 17
_PATH_BENEATH = 1
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock: how many file-system rights (the lowest bits) each ABI knows; later ABIs know those of
ABI 5."""
EXECUTE = 1
WRITE_FILE = 2
READ_FILE = 4
READ_DIR = 8
READ = READ_FILE | READ_DIR
CHANGE = 0xFFFF & ~EXECUTE & ~READ & ~((1 << 6) | (1 << 9) | (1 << 11) | (1 << 15))
"""Write, truncate, create and remove files, folders, links and pipes; never devices, sockets or
device ioctls."""


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(name: str, *arguments: object) -> int:
    return int(_libc.syscall(ctypes.c_long(_NUMBERS[name]), *arguments))


_raw_syscall = ctypes.PyDLL(None, use_errno=True)["syscall"]
_raw_syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p)
_raw_syscall.restype = ctypes.c_long
fork = _libc.fork
"""Raw fork: no Python at-fork hooks, which touch many pages. Only in a single-threaded process
whose child never returns."""


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its pid in the parent."""
    none = ctypes.c_void_p(None)
    return _check(
        _syscall("clone", ctypes.c_ulong(flags | _SIGCHLD), none, none, none, none), "clone"
    )


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """``mount(2)``."""
    fs_type = kind.encode() if kind else None
    done = _libc.mount(
        source.encode(), target.encode(), fs_type, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(done, f"mount {target}")


def make_read_only(target: str) -> None:
    """Make a whole mounted tree read-only, without set-user-id files and devices; falls back for
    kernels before 5.12."""
    attributes = struct.pack("=QQQQ", MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)
    recursive = ctypes.c_uint(0x8000)
    here = ctypes.c_int(-100)
    size = ctypes.c_size_t(len(attributes))
    if _syscall("mount_setattr", here, target.encode(), recursive, attributes, size) == 0:
        return
    flags = os.statvfs(target).f_flag & (MS_NOEXEC | 1024 | 2048)
    mount("none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | flags)


def unmount(target: str) -> None:
    """Detach a mount."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_into(folder: str) -> None:
    """Make ``folder`` (a mount point) the root, and let go of the old one."""
    os.chdir(folder)
    _check(_syscall("pivot_root", b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def prctl(option: int, value: int = 0) -> None:
    """``prctl(2)`` with one argument."""
    zero = ctypes.c_ulong(0)
    _check(
        _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero),
        f"prctl {option}",
    )


def die_with_parent() -> None:
    """Ask for SIGKILL when the thread that started this process ends."""
    _libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def set_host_name(name: str) -> None:
    """``sethostname(2)``."""
    _check(_libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def drop_bounding_set() -> None:
    """No program that is executed from here on can gain a capability."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break


def drop_capabilities() -> None:
    """Give up the effective, permitted and inheritable capabilities."""
    header = struct.pack("=Ii", 0x20080522, 0)
    nothing = bytes(24)
    _check(_syscall("capset", header, nothing), "capset")


def landlock_version() -> int:
    """The Landlock ABI, by asking the system call itself (the list of security modules may be
    hidden); 0 where absent."""
    if "landlock_create_ruleset" not in _NUMBERS:
        return 0
    return max(0, _syscall("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def landlock(rules: dict[str, int]) -> None:
    """Confine this thread and its children: ``path -> rights``, everything else in the file system
    refused; no TCP, and no signals or abstract sockets to outside where the kernel knows those
    scopes."""
    version = landlock_version()
    rights = (1 << _FS_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    # Each later kernel reads one field more.
    size = 8
    if version >= 4:
        size = 16 if version < 6 else 24
    ruleset = _check(
        _syscall("landlock_create_ruleset", attributes, ctypes.c_size_t(size), ctypes.c_uint(0)),
        "landlock_create_ruleset",
    )
    for path, allowed in rules.items():
        _landlock_rule(ruleset, path, allowed & rights)
    _check(
        _syscall("landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint(0)),
        "landlock_restrict_self",
    )
    os.close(ruleset)


def _landlock_rule(ruleset: int, path: str, allowed: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not os.path.isdir(path):
            allowed &= EXECUTE | WRITE_FILE | READ_FILE | (1 << 14)
        rule = struct.pack("=Qi", allowed, parent)
        arguments = (ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
        _check(_syscall("landlock_add_rule", *arguments), f"landlock rule {path}")
    finally:
        os.close(parent)


class Filter:
    """A seccomp program in memory that is ready to install; ``pid`` is patched in where the program
    asks for it."""

    def __init__(self, program: bytes, pid_offsets: tuple[int, ...] = ()) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        self._header = ctypes.create_string_buffer(
            struct.pack("@HP", len(program) // 8, ctypes.addressof(self._code)),
            struct.calcsize("@HP"),
        )
        self._offsets = pid_offsets
        self._arguments = (_NUMBERS["seccomp"], 1, 0, ctypes.addressof(self._header))

    def install(self, pid: int = 0) -> None:
        """Install for this thread and all that it starts, for good. Needs no-new-privileges."""
        for offset in self._offsets:
            struct.pack_into("=I", self._code, offset, pid)
        if _raw_syscall(*self._arguments) < 0:
            _check(-1, "seccomp")
