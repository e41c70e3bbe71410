"""The seccomp programs, executed by a small BPF interpreter: for this machine's architecture and
the other one."""

# ruff: noqa: E501

from __future__ import annotations

import platform
import struct

import pytest

from sentinel_pipeline.sandbox.guest import filters, tables

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50001, 0x50026


def _run(
    program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None
) -> int:
    """The verdict of a classic BPF program over one ``seccomp_data``."""
    arch = tables.audit_architecture() if architecture is None else architecture
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, arch, 0, *(value & (1 << 64) - 1 for value in padded))
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at, accumulator = 0, 0
    while True:
        operation, yes, no, k = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x05:
            at += k
        elif operation == 0x06:
            return int(k)
        else:
            taken = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[
                operation
            ]
            at += yes if taken else no


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(platform, "machine", lambda: request.param)
    return str(request.param)


FORBIDDEN = {
    "ptrace": (101, 117), "mount": (165, 40), "bpf": (321, 280), "unshare": (272, 97), "setns": (308, 268), "keyctl": (250, 219),
    "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "process_vm_readv": (310, 270), "kexec_load": (246, 104),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "shmget": (29, 194), "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265), "init_module": (175, 105), "reboot": (169, 142), "settimeofday": (164, 170), "setuid": (105, 146),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "personality": (135, 92), "acct": (163, 89), "swapon": (167, 224),
    "memfd_secret": (447, 447), "chroot": (161, 51), "pivot_root": (155, 41), "rt_sigqueueinfo": (129, 138), "process_madvise": (440, 440),
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_dangerous_call_is_refused_everywhere(machine: str, name: str) -> None:
    number = FORBIDDEN[name][machine == "aarch64"]
    assert {
        _run(filters.for_python_zygote(), number),
        _run(filters.for_shell_sample(), number),
    } == {EPERM}


def test_unknown_and_foreign_calls_are_refused(machine: str) -> None:
    program = filters.for_python_zygote()
    assert [_run(program, number) for number in (500, 9999, 0x40000000 + 1)] == [EPERM] * 3
    assert _run(program, tables.numbers()["read"], architecture=0x40000003) == KILL


def test_every_plain_call_is_allowed(machine: str) -> None:
    program = filters.for_python_zygote()
    assert {_run(program, number) for number in tables.plain()} == {ALLOW}


def test_namespaces_cannot_be_made_by_clone(machine: str) -> None:
    numbers = tables.numbers()
    for program in (filters.for_python_zygote(), filters.for_shell_sample()):
        assert _run(program, numbers["clone"], (0x10000011,)) == EPERM
        assert _run(program, numbers["clone3"]) == ENOSYS
        assert _run(program, numbers["clone"], (17,)) == ALLOW


def test_sample_may_start_threads_but_no_process(machine: str) -> None:
    numbers, program = tables.numbers(), filters.for_python_sample()
    assert _run(program, numbers["clone"], (0x3D0F00,)) == ALLOW
    assert _run(program, numbers["clone"], (17,)) == EPERM
    assert {_run(program, numbers[name]) for name in ("fork", "vfork") if name in numbers} <= {
        EPERM
    }


def test_sample_signals_only_itself(machine: str) -> None:
    program, offsets = filters.with_pid(filters.for_python_sample())
    patched = bytearray(program)
    for offset in offsets:
        struct.pack_into("=I", patched, offset, 4321)
    kill = tables.numbers()["kill"]
    assert [_run(bytes(patched), kill, (pid, 9)) for pid in (4321, 1, 0, -1, -4321)] == [
        ALLOW,
        EPERM,
        EPERM,
        EPERM,
        EPERM,
    ]


def test_terminal_input_cannot_be_forged(machine: str) -> None:
    ioctl = tables.numbers()["ioctl"]
    assert _run(filters.for_shell_sample(), ioctl, (0, 0x5412)) == EPERM


def test_python_cannot_execute_and_shell_can(machine: str) -> None:
    execve = tables.numbers()["execve"]
    assert (
        _run(filters.for_python_zygote(), execve),
        _run(filters.for_shell_sample(), execve),
    ) == (EPERM, ALLOW)


def test_a_judge_reads_files_and_changes_none(machine: str) -> None:
    numbers, program = tables.numbers(), filters.for_judge()
    opening = [
        (numbers[name], place) for name, place in (("open", 1), ("openat", 2)) if name in numbers
    ]
    for number, place in opening:
        verdicts = []
        for flags in (0, 0o2000000, 1, 2, 0o100, 0o1000, 0o20200000, 0o1101):
            arguments = [0, 0, 0]
            arguments[place] = flags
            verdicts.append(_run(program, number, tuple(arguments)))
        assert verdicts == [ALLOW, ALLOW, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM]
    changing = ("mkdirat", "unlinkat", "renameat2", "fchmodat", "linkat", "truncate", "utimensat")
    assert {_run(program, numbers[name]) for name in changing} == {EPERM}


def test_a_judge_starts_threads_but_no_process_and_has_no_network(machine: str) -> None:
    numbers, program = tables.numbers(), filters.for_judge()
    refused = ("execve", "socket", "mount", "fork", "vfork", "pidfd_open", "seccomp", "capset")
    assert {_run(program, numbers[name]) for name in refused if name in numbers} == {EPERM}
    assert _run(program, numbers["clone"], (0x3D0F00,)) == ALLOW
    assert _run(program, numbers["clone"], (17,)) == EPERM
