"""Hostile programs: not fooled, no harm, nothing survives, and the worker is usable afterwards."""

# ruff: noqa: E501

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sentinel_pipeline.records import PythonTests, ShellEffect
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program
from sentinel_pipeline.sandbox import worker as worker_module
from sentinel_pipeline.sandbox.judge import clock
from sentinel_pipeline.sandbox.judge.remote import Stop
from sentinel_pipeline.sandbox.judge.sessions import Live
from sentinel_pipeline.sandbox.judge.zygotes import frame
from sentinel_pipeline.sandbox.worker import Broken, Ticket
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.sandbox.attacks import (
    BOMBS,
    ENDLESS,
    FOOLING,
    HARM,
    HARM_PRELUDE,
    OBJECTS,
    QUESTIONS,
    TESTS,
)
from sentinel_pipeline_tests.sandbox.conftest import Grade

SMALL = Limits(cpu_seconds=0.5, wall_seconds=2, memory_mib=256)
RIGHT = "def f(x):\n    return x + 1\n"


def _usable(python: Grade) -> bool:
    return python(RIGHT, "assert f(1) == 2").code == "passed"


@pytest.mark.parametrize("name", FOOLING)
def test_no_forgery_passes(python: Grade, name: str) -> None:
    result = python(FOOLING[name], TESTS, limits=SMALL)
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.reason
    assert "found" not in result.detail.partition("got")[2]
    assert _usable(python)


@pytest.mark.parametrize("name", FOOLING)
def test_no_forgery_passes_when_it_is_asked_call_by_call(python: Grade, name: str) -> None:
    tests = "a = f(0)\nf(a if type(a) is int else 1)\n" + TESTS
    result = python(FOOLING[name], tests, limits=SMALL)
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT), result.reason
    assert _usable(python)


AFTER_HANGING_UP = {
    "os._exit(3)": "exit: the process ended with code 3",
    "time.sleep(0.4); os._exit(3)": "exit: the process ended with code 3",
    "time.sleep(0.4); return 10": "exit: the process ended with code 78",
    "ctypes.string_at(0)": "crash: killed by SIGSEGV",
    "while True: pass": "timeout: more than 0.5 s of CPU time",
    "time.sleep(60)": "timeout: more than 2 s of wall time",
}


@pytest.mark.parametrize("action", AFTER_HANGING_UP)
def test_a_program_that_hangs_up_is_judged_by_how_it_ends_not_by_who_is_faster(
    python: Grade, action: str
) -> None:
    code = f"import ctypes, os, time\ndef f(x):\n    os.closerange(3, 256)\n    {action}\n"
    started = time.monotonic()
    result = python(code, "assert f(f(1)) == 10", limits=SMALL)
    assert result.reason == AFTER_HANGING_UP[action]
    assert time.monotonic() - started < 60
    assert _usable(python)


def test_what_a_program_said_before_it_ended_counts_also_where_it_ended_before_it_was_asked() -> (
    None
):
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(frame(b'{"v":10}') + frame(b'{"v":17}'))
        theirs.close()
        session = Live(ours, 1 << 10)
        assert [session.exchange(b"a"), session.exchange(b"b")] == [{"v": 10}, {"v": 17}]
        assert not session.gone
        with pytest.raises(Stop):
            session.exchange(b"c")
        assert session.gone


@pytest.mark.parametrize("name", OBJECTS)
def test_no_lying_object_passes_any_question_or_chooses_where_it_is_asked(
    grader: Grader, name: str
) -> None:
    programs = [
        Program(
            id=question,
            code=OBJECTS[name],
            verifier=PythonTests(tests=tests, entry_point="f"),
            limits=SMALL,
        )
        for question, tests in QUESTIONS.items()
    ]
    results = list(grader.grade(programs))
    fooled = {
        result.id: f"{result.outcome}, {result.trust}: {result.reason}"
        for result in results
        if result.outcome not in (Outcome.FAIL, Outcome.TIMEOUT) or result.trust != "separate"
    }
    assert len(results) == len(QUESTIONS) and fooled == {}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="raw system call numbers are x86-64's")
@pytest.mark.parametrize("name", HARM)
def test_no_harm_is_done(python: Grade, name: str) -> None:
    code = f"{HARM_PRELUDE}def f():\n    {HARM[name]}\n"
    result = python(code, "assert f() == []", limits=SMALL)
    assert result.code == "passed", result.reason
    assert _usable(python)


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_contained(python: Grade, name: str) -> None:
    code, expected = BOMBS[name]
    started = time.monotonic()
    limits = SMALL if "timeout" in expected else replace(SMALL, cpu_seconds=5, wall_seconds=20)
    result = python(code, "assert f(1) == 2", limits=limits)
    assert result.code in expected, result.reason
    assert time.monotonic() - started < 60
    assert _usable(python)


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_cannot_keep_the_judge_busy(python: Grade, name: str) -> None:
    body, tests, expected = ENDLESS[name]
    result = python(f"def f(x):\n    {body}\n", tests, limits=SMALL)
    assert result.code in expected, result.reason
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT)
    assert _usable(python)


def test_the_judge_has_less_than_three_times_the_limit_of_a_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "at_start", lambda: 1.0)
    for seconds in (1.0, 2.0, 5.0, 20.0):
        assert clock.share(Limits(cpu_seconds=seconds)) + 0.4 < 3 * seconds


def test_a_judge_that_computes_is_not_silent_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = Program(id="p", code="", verifier=PythonTests(tests="f(1)"))
    clocks = iter([0.5, 1.0, 1.5, 1.5])
    with Grader(workers=1) as grader:
        worker = grader.worker(0)
        monkeypatch.setattr(worker_module, "cpu_seconds", lambda _pid: next(clocks))
        worker.out.append(Ticket(0, program, SMALL))
        for _ in range(3):
            monkeypatch.setattr(worker, "_heard", time.monotonic() - 1000)
            worker.check_silence(300)
        monkeypatch.setattr(worker, "_heard", time.monotonic() - 1000)
        with pytest.raises(Broken, match="silent for too long"):
            worker.check_silence(300)
        worker.out.clear()


LEFTOVERS = {
    "file": ("open('/tmp/left', 'w').write('x')", "__import__('os').listdir('/tmp')"),
    "unwritable folder": ("import os; os.makedirs('/tmp/a/b'); os.chmod('/tmp/a', 0)", "__import__('os').listdir('/tmp')"),
    "module": ("import math; math.left = 1", "[1] if hasattr(__import__('math'), 'left') else []"),
    "builtin": ("import builtins; builtins.left = 1", "[1] if hasattr(__import__('builtins'), 'left') else []"),
    "environment": ("import os; os.environ['LEFT'] = '1'", "list(__import__('os').environ)"),
    "working folder": ("import os; os.chdir('/')", "[] if __import__('os').getcwd() == '/tmp' else [1]"),
    "file mask": ("import os; os.umask(0)", "[] if __import__('os').umask(0o22) == 0o22 else [1]"),
    "random state": ("import random; random.seed(5)", "[] if __import__('random').getstate()[1][-1] else [1]"),
    "folder's mode": ("import os; os.chmod('/tmp', 0)", "__import__('os').listdir('/tmp')"),
    "recursion limit": ("import sys; sys.setrecursionlimit(77)", "[] if __import__('sys').getrecursionlimit() == 1000 else [1]"),
    "descriptor flags": ("import fcntl; [fcntl.fcntl(n, fcntl.F_SETFL, 2048) for n in (0, 1, 2)]", "[n for n in (0, 1, 2) if __import__('fcntl').fcntl(n, 3) & 2048]"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFTOVERS)
def test_nothing_is_left_for_the_next_sample(python: Grade, name: str) -> None:
    leave, look = LEFTOVERS[name]
    python(
        f"try:\n    {leave}\nexcept Exception: pass\ndef f():\n    return 1\n", "assert f() == 1"
    )
    result = python(f"def f():\n    return {look}\n", "assert f() == []")
    assert result.code == "passed", result.reason


def test_source_of_an_earlier_program_is_not_in_memory(python: Grade) -> None:
    """A later sample looks through its own writable memory for a marked earlier program and its
    answers."""
    python("mark = 'earlier-" + "7d2'\ndef f():\n    return mark\n", "assert f() == 1")
    look = (
        "import ctypes, gc\n"
        "def f():\n"
        "    needle = b'earlier-' + b'7d2'\n"
        "    found = 0\n"
        "    for o in gc.get_objects():\n"
        "        if type(o) is dict:\n"
        "            for v in o.values():\n"
        "                if type(v) is bytearray and needle in v: found += 1\n"
        "                if type(v) in (str, bytes) and v is not needle and needle in (v.encode('utf-8', 'replace') if type(v) is str else v): found += 1\n"
        "    return found\n"
    )
    assert python(look, "assert f() == 0").code == "passed"


SHELL_HARM = {
    "read outside": f"cat /etc/shadow /root/.bashrc /etc/hostname {ROOT}/* 2>/dev/null; ls /root /home /var /sys 2>/dev/null",
    "write outside": "for d in / /usr /etc /usr/bin /dev /proc /root; do (echo x > $d/zz) 2>/dev/null && echo $d; done",
    "environment": "env | grep -v -E '^(PATH|HOME|PWD|TMPDIR|LC_ALL|TZ|USER|TERM|_|SHLVL|OLDPWD)='",
    "processes of others": "ls /proc | grep -E '^[0-9]+$' | awk '$1 > 40'; for f in environ mem maps stack auxv; do head -c 9 /proc/1/$f 2>/dev/null; done; ls /proc/1/fd /proc/1/root /proc/1/cwd 2>/dev/null",
    "network": "(exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null && echo open",
    "mount": "mount -t tmpfs none /tmp 2>/dev/null && echo mounted; umount /work 2>/dev/null && echo unmounted",
    "namespaces": "unshare -U true 2>/dev/null && echo unshared; unshare -r true 2>/dev/null && echo unshared",
    "root": "id -u | grep -x 0; su -c id 2>/dev/null; sudo -n id 2>/dev/null",
    "capabilities": "grep -E '^Cap(Prm|Eff|Bnd|Amb):' /proc/self/status 2>/dev/null | grep -v -E '0{16}$'",
    "kill the outside": "kill -9 -1 2>/dev/null; kill -9 1 2>/dev/null; echo >/dev/null",
    "site-packages": "find / -name '*.dist-info' 2>/dev/null | head -3",
    "devices": "for d in mem kmsg vda tty ptmx; do (head -c1 /dev/$d) 2>/dev/null; done; mknod /tmp/d b 8 0 2>/dev/null && echo made",
}  # fmt: skip


@pytest.mark.parametrize("name", SHELL_HARM)
def test_shell_does_no_harm(shell: Grade, name: str) -> None:
    result = shell(
        SHELL_HARM[name] + "\ntrue", stdout="", limits=Limits(cpu_seconds=10, wall_seconds=60)
    )
    assert result.code == "passed" or (
        name == "kill the outside" and result.outcome is Outcome.FAIL
    ), result.reason
    assert shell("echo ok", stdout="ok\n").code == "passed"


SHELL_BOMBS = {
    "fork bomb": (":(){ :|:& };:; sleep 30", {"timeout", "output_differs"}),
    "loop": ("while :; do :; done", {"timeout", "output_differs"}),
    "output": ("yes", {"output_limit"}),
    "disk": ("head -c 1G /dev/zero > a; echo done", {"output_differs", "files_differ"}),
    "sleep": ("sleep 1000", {"timeout"}),
    "memory": ("x=$(head -c 2G /dev/zero | tr '\\0' a); echo ${#x}", {"output_differs", "timeout"}),
    "daemon": ("(setsid sleep 300 >/dev/null 2>&1 &) ; echo x", {"timeout"}),
    "stop": ("kill -STOP $$", {"timeout", "output_differs"}),
    "deep folders": ("for i in $(seq 3000); do mkdir d 2>/dev/null && cd d || break; done", {"output_differs", "files_differ", "timeout"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHELL_BOMBS)
def test_shell_bomb_is_contained(shell: Grade, name: str) -> None:
    command, expected = SHELL_BOMBS[name]
    result = shell(command, stdout="never\n", limits=SMALL)
    assert result.code in expected, result.reason
    assert shell("echo ok", stdout="ok\n").code == "passed"


def _descendants(root: int) -> set[int]:
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(
                    Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {root}


def test_nothing_survives_the_grader() -> None:
    bombs = [Program(id=name, code=code, verifier=PythonTests(tests="assert f(1) == 2", entry_point="f"), limits=SMALL)
             for name, (code, _) in list(BOMBS.items())[:8]]  # fmt: skip
    bombs.append(
        Program(id="sh", code="(setsid sleep 300 &)", verifier=ShellEffect(files={}), limits=SMALL)
    )
    before = _descendants(os.getpid())
    with Grader(workers=1) as grader:
        list(grader.grade(bombs))
        during = _descendants(os.getpid()) - before
    assert during
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in during) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in during if os.path.exists(f"/proc/{pid}")] == []


def test_killing_the_caller_leaves_no_process() -> None:
    code = (
        "from sentinel_pipeline.sandbox import *\nfrom sentinel_pipeline.records import *\n"
        "p = Program(id='p', code='import time\\ndef f(x):\\n    time.sleep(60)', verifier=PythonTests(tests='f(1)', entry_point='f'), limits=Limits(wall_seconds=60))\n"
        "s = Program(id='s', code='sleep 60', verifier=ShellEffect(files={}), limits=Limits(wall_seconds=60))\n"
        "print('go', flush=True)\nlist(grade([p, s], workers=2))\n"
    )  # fmt: skip
    read, write = os.pipe()
    caller = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", code],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)],
    )
    os.close(write)
    assert os.read(read, 10)
    deadline = time.monotonic() + 20
    while len(_descendants(caller)) < 8 and time.monotonic() < deadline:
        time.sleep(0.1)
    family = _descendants(caller)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    os.close(read)
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(family) >= 6
    assert [pid for pid in family if os.path.exists(f"/proc/{pid}")] == []
