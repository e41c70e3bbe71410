"""Locking a process down, once: namespaces, a root of its own, no privileges, Landlock, seccomp,
limits.

Each layer is named, and applied exactly when the caller lists it: a listed layer that cannot be
applied raises, so a process is never less confined than its harness believes. What is not covered:
kernel bugs, side channels, and the total memory of a program with many processes (that needs
cgroups).
"""

from __future__ import annotations

import contextlib
import glob
import os
import resource
import select
import sys

from . import filters, kernel
from .layers import NAMESPACES

OUTER_USER = 1_999_000_001
"""The user that candidates become where the caller is root: owns nothing, is nobody's account."""
INNER_USER = 1000
PYTHON_FOLDER = "/tmp"
SHELL_FOLDER = "/work"
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_ARCHITECTURE_LIBRARIES = "/usr/lib/*-linux-gnu*"
"""Where shared libraries lie on Debian's relatives; there, nothing else of ``/usr/lib`` is
shown."""
_PROGRAMS = ("/bin", "/usr/bin")
_SMALL_FILES = (
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/usr/lib/locale",
    "/usr/share/zoneinfo",
    "/usr/share/awk",
)
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt", "/home", "/var", "/tmp", "/boot")
_MIB = 1 << 20
_NO_ROOT_LOCKED = 3
"""Secure bits: user 0 gains nothing by being user 0, and that stays so."""


def standard_library() -> list[str]:
    """The folders of the running interpreter's standard library."""
    folders = {
        os.path.realpath(path)
        for path in (os.path.dirname(os.__file__), *sys.path)
        if os.path.isdir(path)
    }
    return sorted(path for path in folders if "-packages" not in path)


def enter_namespaces(layers: set[str], keep: int) -> None:
    """Return in a child that is inside new namespaces (its pid namespace's first process) and dies
    with this process.

    This process stays outside, maps users, waits, and ends as the child does. ``keep`` is a
    descriptor that only the child may hold.
    """
    ready, tell = os.pipe()
    flags = sum(kernel.NEW_NAMESPACE[name] for name in NAMESPACES if name in layers)
    child = kernel.clone(flags) if flags else os.fork()
    if child:
        os.close(ready)
        os.close(keep)
        if "user_namespace" in layers:
            user = os.geteuid()
            users = groups = f"0 0 1\n{INNER_USER} {OUTER_USER} 1\n"
            if user != 0:
                users = f"{INNER_USER} {user} 1\n"
                groups = f"{INNER_USER} {os.getegid()} 1\n"
                _write(f"/proc/{child}/setgroups", "deny")
            _write(f"/proc/{child}/uid_map", users)
            _write(f"/proc/{child}/gid_map", groups)
        os.write(tell, b"!")
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.close(tell)
    if os.read(ready, 1) != b"!":
        os._exit(70)
    _LIFELINE.append(ready)


_LIFELINE: list[int] = []


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def be_killed_first() -> None:
    """Where a control group or the machine runs out of memory, the kernel ends a candidate, not the
    harness: a candidate's memory is its own failure."""
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", "1000")


def own_root(kind: str, layers: set[str], disk_mib: int) -> None:
    """A new root: an empty tmpfs with the standard library (and, for shell, system programs)
    read-only inside it."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    sources = [path for path in _sources(kind) if os.path.exists(path)]
    root = _mount_point(sources)
    kernel.mount(
        "tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=4m,nr_inodes=2k,mode=0755"
    )
    for path in sources:
        _show(path, root)
    _mask_packages(root, sources)
    for folder in ("tmp", "work", "proc", "etc", "dev"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    for device in ("null", "zero", "urandom"):
        _bind(f"/dev/{device}", f"{root}/dev/{device}")
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{root}/dev/{name}")
    _write(f"{root}/etc/passwd", f"sandbox:x:{INNER_USER}:{INNER_USER}::/work:/bin/bash\n")
    _write(f"{root}/etc/group", f"sandbox:x:{INNER_USER}:\n")
    if kind == "shell" and "pid_namespace" in layers:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        # The kernel lets a namespace mount `/proc` only where one is visible already; where the
        # host hides its own, do without.
        with contextlib.suppress(OSError):
            kernel.mount("proc", f"{root}/proc", "proc", flags, "subset=pid")
    kernel.pivot_into(root)
    if kind != "shell":
        working_folder(PYTHON_FOLDER, disk_mib, kernel.MS_NOEXEC)
    read_only = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
    kernel.mount("none", "/", None, read_only | kernel.MS_NOSUID | kernel.MS_NODEV)
    if "uts_namespace" in layers:
        kernel.set_host_name("sandbox")


def working_folder(folder: str, disk_mib: int, flags: int = 0, owner: str = "") -> None:
    """Mount an empty tmpfs of bounded size and inodes."""
    options = f"size={disk_mib}m,nr_inodes={256 + 64 * disk_mib},mode=1777{owner}"
    kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | flags, options)


def _sources(kind: str) -> list[str]:
    programs = _PROGRAMS if kind == "shell" else ()
    library = standard_library() if kind == "python" else []
    narrow = glob.glob(_ARCHITECTURE_LIBRARIES)
    shared = (
        [*(path for path in _LIBRARIES if path != "/usr/lib"), *narrow]
        if narrow
        else list(_LIBRARIES)
    )
    return [*shared, *programs, *_SMALL_FILES, *library]


def _mount_point(sources: list[str]) -> str:
    for folder in _MOUNT_POINTS:
        if os.path.isdir(folder) and not any(path.startswith(folder + "/") for path in sources):
            return folder
    raise OSError("no folder to mount the new root on")


def _show(path: str, root: str) -> None:
    target = root + path
    if os.path.lexists(target):
        return
    if os.path.islink(path):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.readlink(path), target)
    else:
        _bind(path, target)
        kernel.make_read_only(target)


def _bind(path: str, target: str) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    kernel.mount(path, target, None, kernel.MS_BIND | kernel.MS_REC)


def _mask_packages(root: str, sources: list[str]) -> None:
    """Hide installed packages: answers of public benchmarks lie there."""
    masked: set[str] = set()
    for path in sources:
        for pattern in ("*-packages", "*/*-packages"):
            masked.update(
                os.path.realpath(folder) for folder in glob.glob(f"{root}{path}/{pattern}")
            )
    flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    for path in sorted(masked):
        if os.path.isdir(path) and path.startswith(root + "/"):
            kernel.mount("tmpfs", path, "tmpfs", flags, "size=4k,mode=0755")


def give_up_privileges(layers: set[str]) -> None:
    """Become the unprivileged user without any capability; then die with the parent."""
    if "user_namespace" in layers:
        kernel.prctl(kernel.PR_SET_SECUREBITS, _NO_ROOT_LOCKED)
        kernel.drop_bounding_set()
    if os.geteuid() == 0:
        user = INNER_USER if "user_namespace" in layers else OUTER_USER
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    kernel.drop_capabilities()


def watch_parent() -> None:
    """SIGKILL for this process when its parent ends; ends at once where the parent is gone
    already."""
    kernel.die_with_parent()
    for lifeline in _LIFELINE:
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(71)
        os.close(lifeline)
    _LIFELINE.clear()


def limit(layers: set[str], processes: int, disk_mib: int) -> None:
    """Limits that do not depend on the program."""
    if "rlimits" not in layers:
        return
    fixed = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    fixed[resource.RLIMIT_FSIZE] = disk_mib * _MIB
    if "user_namespace" in layers:
        fixed[resource.RLIMIT_NPROC] = processes
    for name, value in fixed.items():
        resource.setrlimit(name, (value, value))


def seal(layers: set[str], kind: str) -> None:
    """No new privileges, Landlock and, for all but the shell zygote, a seccomp filter. No way back
    from here."""
    if "no_new_privileges" in layers:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if "landlock" in layers:
        kernel.landlock(_paths(layers, kind))
    if "seccomp" in layers and kind != "shell":
        kernel.Filter(filters.for_python_zygote()).install()


def confine_judge(layers: set[str], own: str, readable: list[str]) -> None:
    """For the process that runs tests and holds no candidate: it reads the standard library, its
    ``own`` package and ``readable``, writes no file, starts no process, and has no network."""
    if "no_new_privileges" in layers:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if "landlock" in layers:
        devices = [f"/dev/{name}" for name in ("null", "zero", "urandom")]
        others = dict.fromkeys([own, *readable, *devices], kernel.READ)
        kernel.landlock(_library(os.path.dirname(own)) | others)
    if "seccomp" in layers:
        kernel.Filter(*filters.with_pid(filters.for_judge())).install(os.getpid())


def _library(besides: str = "") -> dict[str, int]:
    """The standard library without installed packages, and what it links to. ``besides``: a folder
    of ``sys.path`` that is not of it."""
    library = {}
    for folder in standard_library():
        if folder == besides:
            continue
        names = [name for name in os.listdir(folder) if not name.endswith("-packages")]
        library.update({os.path.join(folder, name): kernel.READ for name in names})
    shared = glob.glob("/lib*/*-linux-gnu*") + glob.glob("/usr/lib*/*-linux-gnu*")
    return {**library, **dict.fromkeys([*shared, "/usr/share/zoneinfo"], kernel.READ)}


def _paths(layers: set[str], kind: str) -> dict[str, int]:
    devices = {
        f"/dev/{name}": kernel.READ_FILE | kernel.WRITE_FILE for name in ("null", "zero", "urandom")
    }
    if "private_root" in layers:
        folders = ("/tmp", "/work") if kind == "shell" else (PYTHON_FOLDER,)
        runnable = kernel.EXECUTE if kind == "shell" else 0
        writable = dict.fromkeys(folders, kernel.READ | kernel.CHANGE | runnable)
        return {"/": kernel.READ | runnable, **writable, **devices}
    return {**_library(), **devices}
