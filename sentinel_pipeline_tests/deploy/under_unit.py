"""``python under_unit.py UNIT COMMAND …``: run a command under the system call filter of a systemd
unit, as near as that can be had without systemd. For ``test_units``; needs ``systemd-analyze`` for
the groups of calls, and libseccomp.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | 1
"""EPERM, as the units say."""
ALWAYS = ("@default", "execve", "exit", "exit_group", "rt_sigreturn")
"""What systemd adds by itself."""


def calls(word: str) -> set[str]:
    """A system call, or those of a group such as ``@mount``."""
    if not word.startswith("@"):
        return {word}
    command = ["systemd-analyze", "syscall-filter", word]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in listing.splitlines()[1:]]
    return {name for word in words if word and word[0] != "#" for name in calls(word)}


def allowed(unit: str) -> set[str]:
    names = {name for word in ALWAYS for name in calls(word)}
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        listed = {name for word in line.lstrip("~").split() for name in calls(word)}
        names = names - listed if line.startswith("~") else names | listed
    return names


def main() -> None:
    names = allowed(Path(sys.argv[1]).read_text(encoding="utf-8"))
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE)))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            rule = (context, ctypes.c_uint32(ALLOW), ctypes.c_int(number), ctypes.c_uint(0))
            assert library.seccomp_rule_add(*rule) == 0, name
    assert library.seccomp_load(context) == 0
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
