"""Trying each layer in a throw-away child; prints one JSON object, layer -> why it is missing (""
where it works).

What this module does not do: decide what level that is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial

from . import confine, filters, kernel, tables
from .layers import LAYERS, NAMESPACES


def main() -> None:
    """Probe everything."""
    if not sys.platform.startswith("linux"):
        print(json.dumps(dict.fromkeys(LAYERS, "needs Linux")))
        return
    layers = {"user_namespace": _outcome(lambda: _enter({"user_namespace"}))}
    for name in NAMESPACES[1:]:
        layers[name] = layers["user_namespace"] or _outcome(
            partial(_enter, {"user_namespace", name})
        )
    usable = {name for name, why in layers.items() if not why}
    needed = {"user_namespace", "mount_namespace"} - usable
    layers["private_root"] = (
        f"needs {min(needed)}" if needed else _outcome(lambda: _own_root(usable))
    )
    layers["unprivileged_user"] = _outcome(lambda: _unprivileged(usable))
    layers["no_new_privileges"] = _outcome(lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1))
    layers["landlock"] = _outcome(lambda: _seal({"no_new_privileges", "landlock"}))
    layers["seccomp"] = _outcome(lambda: _seal({"no_new_privileges", "seccomp"}))
    layers["rlimits"] = _outcome(lambda: confine.limit({"rlimits"}, 64, 16))
    print(json.dumps(layers))


def _outcome(work: Callable[[], object]) -> str:
    """Run ``work`` in a child: "" or the reason why it failed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        reason = ""
        try:
            work()
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:300]
        os.write(write, (reason or "ok").encode())
        os._exit(0)
    os.close(write)
    text = b"".join(iter(lambda: os.read(read, 4096), b"")).decode()
    os.close(read)
    os.waitpid(child, 0)
    return "" if text == "ok" else text or "the trial exited without an error message"


def _enter(layers: set[str]) -> None:
    spare = os.open(os.devnull, os.O_RDONLY)
    confine.enter_namespaces(layers, spare)


def _own_root(usable: set[str]) -> None:
    _enter(usable)
    confine.own_root("python", usable, 16)
    with open("/tmp/probe", "w", encoding="ascii") as file:
        file.write("x")


def _unprivileged(usable: set[str]) -> None:
    if "user_namespace" in usable:
        _enter({"user_namespace"})
    confine.give_up_privileges(usable)
    if os.geteuid() == 0:
        raise PermissionError("still user 0")


def _seal(layers: set[str]) -> None:
    if "landlock" in layers and kernel.landlock_version() == 0:
        raise OSError("this kernel has no Landlock")
    if "seccomp" in layers and not tables.supported():
        raise OSError("no system call table for this architecture")
    confine.seal(layers, "python")
    if "seccomp" in layers:
        kernel.Filter(*filters.with_pid(filters.for_python_sample())).install(os.getpid())
        _refused(lambda: os.kill(os.getppid(), 0))
    if "landlock" in layers:
        _refused(lambda: os.listdir("/"))


def _refused(attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except PermissionError:
        return
    raise OSError("installed, but what it must refuse went through")
