"""Running shell commands: a process per command in a pid namespace and folders of its own, then a
look at what it left.

The zygote that serves here keeps its capabilities *inside its own user namespace* to mount an empty
folder per command; it runs nothing of the candidate itself. The command gets none of them. What
this module does not do: compare anything.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import stat
import time
from typing import Any, NoReturn

from . import confine, filters, kernel
from .speed import slowness
from .wire import ENDED, JOB, OUT_OF_CPU, OUT_OF_WALL, REPORT, End, Job

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": confine.SHELL_FOLDER,
    "PWD": confine.SHELL_FOLDER,
    "TMPDIR": "/tmp",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "USER": "sandbox",
    "TERM": "dumb",
}
_ERROR_BYTES = 1024
_MAX_ENTRIES = 5000
_NAME_BYTES = 1 << 20
"""Of all paths that a command leaves, together."""
_MIB = 1 << 20


def serve(channel: socket.socket, layers: set[str], disk_mib: int) -> NoReturn:
    """Serve jobs until the harness hangs up."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    slow = slowness()
    channel.sendall(b"R")
    while True:
        job, payload = _receive(channel)
        owner = f",uid={confine.INNER_USER},gid={confine.INNER_USER}"
        for folder in ("/tmp", confine.SHELL_FOLDER):
            confine.working_folder(folder, disk_mib, owner=owner)
        try:
            end, answer = _run(channel, layers, job, json.loads(payload), slow, disk_mib)
        finally:
            for folder in (confine.SHELL_FOLDER, "/tmp"):
                kernel.unmount(folder)
        text = json.dumps(answer).encode("ascii")
        channel.sendall(REPORT.pack(*end, 0, len(text)) + text)


def _receive(channel: socket.socket) -> tuple[Job, bytes]:
    header = channel.recv(JOB.size, socket.MSG_WAITALL)
    if len(header) < JOB.size:
        os._exit(0)
    job = Job(*JOB.unpack(header))
    payload = channel.recv(job.payload_bytes, socket.MSG_WAITALL)
    if len(payload) < job.payload_bytes:
        os._exit(0)
    return job, payload


def _run(
    channel: socket.socket,
    layers: set[str],
    job: Job,
    request: dict[str, Any],
    slow: float,
    disk_mib: int,
) -> tuple[End, dict[str, Any]]:
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    for end in (out_end, err_end):
        os.fchown(end, confine.INNER_USER, confine.INNER_USER)
    started = time.monotonic()
    child = kernel.clone(kernel.NEW_NAMESPACE["pid_namespace"])
    if child == 0:
        try:
            scaled = job._replace(cpu_seconds=job.cpu_seconds * slow)
            _become(channel, layers, scaled, request, (out_end, err_end))
        finally:
            os._exit(78)
    os.close(out_end)
    os.close(err_end)
    texts, why = _follow(child, job, started, out, err)
    _, status, usage = os.wait4(child, 0)
    os.close(out)
    os.close(err)
    kernel.unmount("/proc")
    spent = (usage.ru_utime + usage.ru_stime) / slow
    if spent > job.cpu_seconds:
        spent *= slow / max(slow, slowness())
    if why == ENDED and (spent > job.cpu_seconds or status == signal.SIGXCPU):
        why = OUT_OF_CPU
    answer = {"out": texts[0], "err": texts[1], **_tree(confine.SHELL_FOLDER, disk_mib * _MIB)}
    return End(why, status, spent, time.monotonic() - started), answer


def _become(
    channel: socket.socket,
    layers: set[str],
    job: Job,
    request: dict[str, Any],
    ends: tuple[int, int],
) -> None:
    """First process of the new pid namespace: seal itself, start the command, take its place's
    status, end all."""
    kernel.die_with_parent()
    channel.close()
    os.setsid()
    _own_proc()
    os.dup2(ends[0], 1)
    os.dup2(ends[1], 2)
    os.closerange(3, 256)
    confine.give_up_privileges(layers)
    kernel.die_with_parent()
    os.chdir(confine.SHELL_FOLDER)
    os.umask(0o022)
    _prepare(request["files"])
    if "rlimits" in layers:
        _limit(job)
    confine.seal(layers, "shell")
    if "seccomp" in layers:
        kernel.Filter(filters.for_shell_sample()).install()
    command = kernel.fork()
    if command == 0:
        os.execve(
            "/bin/bash", ["bash", "--norc", "--noprofile", "-c", request["command"]], _ENVIRONMENT
        )
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    status = _outlive(command)
    # A first process cannot die of its own signal: tell it by the exit code, as shells do.
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _outlive(command: int) -> int:
    """Wait for the command and for all that it left in the background, which else would race with
    the look at the tree."""
    ended = 0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return ended
        if pid == command:
            ended = status


def _own_proc() -> None:
    """A ``/proc`` that shows the command's own processes, or an empty folder where that cannot be
    had."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    try:
        kernel.mount("proc", "/proc", "proc", flags, "subset=pid")
    except OSError:
        kernel.mount("tmpfs", "/proc", "tmpfs", flags | kernel.MS_RDONLY, "size=4k")


def _prepare(files: dict[str, str]) -> None:
    for path, text in files.items():
        folder = path.rstrip("/") if path.endswith("/") else os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if not path.endswith("/"):
            with open(path, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))


def _limit(job: Job) -> None:
    memory = job.memory_mib * _MIB
    seconds = int(job.cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _follow(child: int, job: Job, started: float, out: int, err: int) -> tuple[list[str], int]:
    """Collect both streams until the command's first process ends; kill it at the wall limit or the
    output limit."""
    process = os.pidfd_open(child)
    collected: dict[int, bytearray] = {out: bytearray(), err: bytearray()}
    bounds = {out: job.output_kib * 1024 + 1, err: _ERROR_BYTES}
    why = ENDED
    poll = select.poll()
    for descriptor in (process, out, err):
        poll.register(descriptor, select.POLLIN)
    ended = False
    while not ended:
        left = job.wall_seconds - (time.monotonic() - started)
        if left <= 0:
            why = OUT_OF_WALL
            os.kill(child, signal.SIGKILL)
        ready = [descriptor for descriptor, _ in poll.poll(max(left, 0.01) * 1000)]
        ended = process in ready
        for descriptor in (out, err):
            if not ended and descriptor not in ready:
                continue
            at_end = not _take(descriptor, collected[descriptor], bounds[descriptor])
            if at_end and not ended:
                poll.unregister(descriptor)
        if len(collected[out]) >= bounds[out]:
            os.kill(child, signal.SIGKILL)
    os.close(process)
    return [bytes(collected[out]).decode("latin-1"), bytes(collected[err]).decode("latin-1")], why


def _take(stream: int, collected: bytearray, bound: int) -> bool:
    """Read what is there without waiting, keep at most ``bound`` bytes; False at the end of the
    stream."""
    fcntl.fcntl(stream, fcntl.F_SETFL, os.O_NONBLOCK)
    for _ in range(64):
        try:
            data = os.read(stream, 1 << 16)
        except BlockingIOError:
            return True
        if not data:
            return False
        collected += data[: max(0, bound - len(collected))]
    return True


def _tree(top: str, most: int) -> dict[str, Any]:
    """Every entry below ``top``: ``files`` path -> text (one character a byte), ``folders``, and
    ``others`` (links, pipes).

    What is read is bounded whatever the files say of their size: sparse ones hold nothing and read
    as much as one likes. ``more``: why not everything is there; then none of it is.
    """
    files: dict[str, str] = {}
    folders: list[str] = []
    others: list[str] = []
    todo = [""]
    entries = 0
    name_bytes = 0
    while todo:
        inner = todo.pop()
        try:
            names = sorted(os.listdir(os.path.join(top, inner)))
        except OSError:
            others.append(f"{inner[:100]} (too deep)")
            continue
        for name in names:
            path = os.path.join(inner, name)
            shown = os.fsencode(path).decode("latin-1")
            entries += 1
            name_bytes += len(shown)
            if entries > _MAX_ENTRIES or name_bytes > _NAME_BYTES:
                return _nothing("more entries, or longer paths, than are looked at")
            status = os.lstat(os.path.join(top, path))
            if stat.S_ISDIR(status.st_mode):
                folders.append(shown)
                todo.append(path)
            elif stat.S_ISREG(status.st_mode):
                most -= status.st_size
                if most < 0:
                    return _nothing("files that are larger together than the disk limit")
                files[shown] = _content(os.path.join(top, path), status.st_size)
            else:
                others.append(shown)
    return {"files": files, "folders": folders, "others": others}


def _nothing(why: str) -> dict[str, Any]:
    return {"files": {}, "folders": [], "others": [], "more": why}


def _content(path: str, size: int) -> str:
    with open(
        path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    ) as file:
        return file.read(size).decode("latin-1")
