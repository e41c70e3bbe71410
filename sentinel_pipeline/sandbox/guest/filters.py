"""Seccomp filters as raw classic BPF: an allow-list for the zygote, a second filter for each Python
sample.

What this module does not do: install them (``kernel.install_filter``), and judge paths (mounts and
Landlock do that). A refused call fails with EPERM, so a candidate sees ``PermissionError`` and its
verdict can say what it tried.
"""

from __future__ import annotations

import errno
import socket
import struct

from . import tables

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _JUMP, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x05, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_REFUSE = _ERRNO | errno.EPERM
_PID_MARK = 0xFFFFFFF1
"""Stands where the sample's own pid is patched in: the bytes are built once, before any fork."""

_NEW_NAMESPACES = 0x7E020080
_THREAD = 0x00010000
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1033, 1034)
"""Descriptor flags, locks and seals; not F_SETOWN, F_SETSIG (signals to others), F_SETLEASE,
F_NOTIFY, F_SETPIPE_SZ."""
_IOCTL = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: never TIOCSTI."""
_PRCTL = (1, 2, 3, 15, 16, 38, 39)
"""PDEATHSIG set and get, GET_DUMPABLE, name set and get, no-new-privileges set and get."""

_WRITING = 0o20001103
"""Of the flags of ``open``: write, read and write, create, truncate, a file without a name."""
_CHANGING = frozenset(
    [
        "truncate",
        "rename",
        "mkdir",
        "rmdir",
        "creat",
        "link",
        "unlink",
        "symlink",
        "chmod",
        "fchmod",
        "utime",
        "utimes",
        "mkdirat",
        "futimesat",
        "unlinkat",
        "renameat",
        "linkat",
        "symlinkat",
        "fchmodat",
        "utimensat",
        "renameat2",
        "fchmodat2",
        "copy_file_range",
        "fallocate",
    ]
)
"""Calls that change files, their names or modes, by path or otherwise."""
_OWNED_FILES = ("mknod", "mknodat", "chown", "fchown", "lchown", "fchownat")
"""For shell programs (``mkfifo``, ``cp -p``): without capabilities they make pipes and change
nothing but own files."""

Rule = list[tuple[int, int, int, int]]


def _argument(index: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, 16 + 8 * index)


def _one_of(index: int, values: tuple[int, ...]) -> Rule:
    tests = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [_argument(index), *tests, (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]


def _if_any_bit(index: int, mask: int, then: int, otherwise: int) -> Rule:
    return [
        _argument(index), (_ANY_BIT, 0, 1, mask), (_RETURN, 0, 0, then), (_RETURN, 0, 0, otherwise)
    ]  # fmt: skip


def _always(action: int) -> Rule:
    return [(_RETURN, 0, 0, action)]


def _search(rules: list[tuple[int, Rule]], default: int) -> Rule:
    """A binary search over call numbers: the kernel walks a new filter once for every number it
    knows."""
    if len(rules) == 1:
        ((number, rule),) = rules
        return [(_EQUAL, 0, len(rule), number), *rule, (_RETURN, 0, 0, default)]
    middle = len(rules) // 2
    below = _search(rules[:middle], default)
    above = _search(rules[middle:], default)
    if len(below) < 256:
        return [(_AT_LEAST, len(below), 0, rules[middle][0]), *below, *above]
    return [(_AT_LEAST, 0, 1, rules[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]


def _assemble(rules: dict[str, Rule], default: int, plain: tuple[int, ...] = ()) -> bytes:
    numbers = tables.numbers()
    code: Rule = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, tables.audit_architecture()),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    judged = {numbers[name]: rule for name, rule in rules.items() if name in numbers}
    judged |= {number: _always(_ALLOW) for number in plain}
    code += _search(sorted(judged.items()), default)
    return b"".join(struct.pack("<HBBI", *line) for line in code)


def _shared() -> dict[str, Rule]:
    allow = _always(_ALLOW)
    return {
        "clone": _if_any_bit(0, _NEW_NAMESPACES, _REFUSE, _ALLOW),
        "clone3": _always(_ERRNO | errno.ENOSYS),
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "socketpair": _one_of(0, (int(socket.AF_UNIX),)),
        "fork": allow,
        "vfork": allow,
        "tgkill": allow,
        "prlimit64": allow,
        "memfd_create": allow,
        "sched_setaffinity": allow,
    }


def for_python_zygote() -> bytes:
    """What the zygote needs to serve, and so the most that its samples can have: no exec, no
    sockets but pairs."""
    needed = ("kill", "sendto", "sendmsg", "recvmsg", "seccomp", "pidfd_open")
    rules = _shared() | {name: _always(_ALLOW) for name in needed} | {"prctl": _one_of(0, _PRCTL)}
    return _assemble(rules, _REFUSE, tables.plain())


def for_python_sample() -> bytes:
    """On top of the zygote's: one process (threads allowed), signals to itself only, no descriptor
    passing."""
    refuse = _always(_REFUSE)
    own_pid = (_PID_MARK,)
    rules = {
        "clone": _if_any_bit(0, _THREAD, _ALLOW, _REFUSE),
        "fork": refuse,
        "vfork": refuse,
        "kill": _one_of(0, own_pid),
        "tgkill": _one_of(0, own_pid),
        "prlimit64": _one_of(0, (0, _PID_MARK)),
        "sched_setaffinity": _one_of(0, (0, _PID_MARK)),
        "prctl": _one_of(0, (3, 15, 16, 39)),
        "sendto": _one_of(4, (0,)),
        "sendmsg": refuse,
        "recvmsg": refuse,
        "seccomp": refuse,
        "memfd_create": refuse,
        "pidfd_open": refuse,
    }
    return _assemble(rules, _ALLOW)


def for_shell_sample() -> bytes:
    """For a shell command and its children inside their own pid namespace: processes and exec, no
    sockets, no mounts."""
    needed = ("execve", "kill", "setpgid", "setsid", "tkill", *_OWNED_FILES)
    rules = (
        _shared()
        | {name: _always(_ALLOW) for name in needed}
        | {"prctl": _one_of(0, (1, 2, 3, 15, 16, 23, 38, 39))}
    )
    rules.pop("memfd_create")
    return _assemble(rules, _REFUSE, tables.plain())


def for_judge() -> bytes:
    """For the process that runs tests: it reads files and writes none, has no sockets but pairs,
    and starts threads but no processes."""
    refuse = _always(_REFUSE)
    numbers = tables.numbers()
    changing = {numbers[name] for name in _CHANGING if name in numbers}
    opening = {"open": _if_any_bit(1, _WRITING, _REFUSE, _ALLOW)}
    opening["openat"] = _if_any_bit(2, _WRITING, _REFUSE, _ALLOW)
    looked_at = {numbers[name] for name in opening if name in numbers}
    rules = (
        _shared()
        | {name: _always(_ALLOW) for name in ("sendto", "sendmsg", "recvmsg")}
        | {name: _one_of(0, (_PID_MARK,)) for name in ("kill", "tgkill")}
        | {"prlimit64": _one_of(0, (0, _PID_MARK)), "sched_setaffinity": _one_of(0, (0, _PID_MARK))}
        | {"clone": _if_any_bit(0, _THREAD, _ALLOW, _REFUSE), "fork": refuse, "vfork": refuse}
        | {"prctl": _one_of(0, (3, 15, 16, 39))}
        | opening
    )
    plain = tuple(number for number in tables.plain() if number not in changing | looked_at)
    return _assemble(rules, _REFUSE, plain)


def for_parser() -> bytes:
    """For a trusted parser of hostile text: no sockets, no processes (threads allowed); all else,
    for it is not hostile."""
    refuse = _always(_REFUSE)
    rules = {
        "socket": refuse,
        "socketpair": refuse,
        "fork": refuse,
        "vfork": refuse,
        "clone": _if_any_bit(0, _THREAD, _ALLOW, _REFUSE),
        "clone3": _always(_ERRNO | errno.ENOSYS),
    }
    return _assemble(rules, _ALLOW)


def with_pid(program: bytes) -> tuple[bytes, tuple[int, ...]]:
    """The program, and the byte offsets where a pid (32-bit, native order) must be patched in
    before it is installed."""
    mark = struct.pack("=I", _PID_MARK)
    return program, tuple(at for at in range(4, len(program), 8) if program[at : at + 4] == mark)
