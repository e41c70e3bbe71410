"""Units and containers give little away, bound what they run, and let the sandbox work."""

from __future__ import annotations

import ctypes.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.sandbox import bounds
from sentinel_pipeline.sandbox.bounds import Bounds, candidate_bounds, move_to_group
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.deploy.test_deploy import DEPLOY, UNITS, compose

WITH_CANDIDATES = ("code", "review")
NEEDED = {
    *("unshare", "clone", "clone3", "mount", "umount2", "pivot_root", "sethostname", "seccomp", "prctl"),
    *("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "capset", "setgroups"),
    *("setresuid", "setresgid", "socketpair", "execve", "prlimit64", "kill"),
}  # fmt: skip
"""System calls that the sandbox makes of its own layers."""
PROBE = """
import sys
sys.path[:0] = sys.argv[1:3]
from sentinel_pipeline.records import PythonTests, ShellEffect
from sentinel_pipeline.sandbox import isolation
from sentinel_pipeline.sandbox.grader import Grader
from sentinel_pipeline.sandbox.outcomes import Program
tests = PythonTests(tests="assert f(1) == 2", entry_point="f")
programs = [
    Program(id="right", code="def f(x):\\n    return x + 1\\n", verifier=tests),
    Program(id="wrong", code="def f(x):\\n    return x\\n", verifier=tests),
    Program(id="shell", code="cat a | sort", verifier=ShellEffect(files={"a": "2\\n1\\n"}, stdout="1\\n2\\n")),
]
with Grader(workers=1) as grader:
    results = [result.outcome.value for result in grader.grade(programs)]
print(isolation().level.value, *results)
"""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_every_unit_is_at_2_0_or_better(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_every_unit_bounds_memory_and_processes(unit: Path) -> None:
    text = unit.read_text()
    assert re.search(r"^MemoryMax=\S+$", text, re.M) and re.search(r"^TasksMax=\d+$", text, re.M)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")
@pytest.mark.parametrize("name", WITH_CANDIDATES)
def test_the_sandbox_works_under_the_units_restrictions(name: str) -> None:
    """Their system call filter, an ordinary user in a user namespace of its own, no capabilities,
    no new privileges, and the kernel's settings read-only."""
    python = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    tools = all(map(shutil.which, ("systemd-analyze", "setpriv", "unshare")))
    if python is None or not tools or not ctypes.util.find_library("seccomp"):
        pytest.skip("setpriv, unshare, systemd-analyze, libseccomp or a Python for all is missing")
    confined = (
        "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec setpriv --reuid=1000 --regid=1000 "
        '--clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs unshare --user --map-current-user "$@"'
    )
    here = str(Path(__file__).with_name("under_unit.py"))
    unit = str(DEPLOY / "systemd" / f"sentinel-{name}.service")
    paths = [str(ROOT), sysconfig.get_paths()["purelib"]]
    command = [python, here, unit, python, "-c", PROBE, *paths]
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", confined, "-", *command],
        capture_output=True, text=True, cwd="/", timeout=300,
    )  # fmt: skip
    if "ermission denied" in done.stderr and not done.stdout:
        pytest.skip("the checkout is not readable by other users, or mounts are not allowed")
    words = done.stdout.split()
    assert words[1:] == ["pass", "fail", "pass"], done.stderr
    plain = subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", python, "-c", PROBE, *paths],
        capture_output=True, text=True, cwd="/", timeout=300,
    )  # fmt: skip
    assert words[0] == plain.stdout.split()[0]


def test_containers_have_no_privileges_and_bounds() -> None:
    for name, service in compose().items():
        assert service["cap_drop"] == ["ALL"] and service["read_only"] is True, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"] and service["pids_limit"], name
        assert ("seccomp=./seccomp.json" in service["security_opt"]) == (name in WITH_CANDIDATES)
    assert "unconfined" not in str(
        [option for service in compose().values() for option in service["security_opt"]]
    ).replace("apparmor=unconfined", "")


def test_nothing_listens_on_every_address() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"0\.0\.0\.0|\[::\]|host[= ]\*", text), path
    for name, service in compose().items():
        command = service.get("command", "")
        assert "--host" not in command or "--host 127.0.0.1" in command, name


def test_the_containers_filter_refuses_none_of_the_sandboxes_calls() -> None:
    profile = json.loads((DEPLOY / "containers" / "seccomp.json").read_text())
    (rule,) = profile["syscalls"]
    assert (profile["defaultAction"], rule["action"]) == ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")
    assert not NEEDED & set(rule["names"])
    assert {"bpf", "init_module", "kexec_load", "ptrace", "reboot", "swapon"} <= set(rule["names"])


def group(folder: Path, memory: str, tasks: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{memory}\n")
    (folder / "pids.max").write_text(f"{tasks}\n")
    (folder / "cgroup.procs").write_text("")
    return folder


@pytest.fixture
def controllers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(bounds.VARIABLE, raising=False)
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs" / "cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "own").write_text("0::/system.slice/sentinel-code.service\n")
    return tmp_path / "fs"


def test_the_tightest_of_the_groups_around_counts(controllers: Path, tmp_path: Path) -> None:
    group(controllers / "system.slice", "1000", "max")
    group(controllers / "system.slice/sentinel-code.service", "5000", "64")
    assert candidate_bounds(controllers, tmp_path / "own")[:2] == (1000, 64)


def test_without_limits_nothing_bounds(controllers: Path, tmp_path: Path) -> None:
    group(controllers / "system.slice/sentinel-code.service", "max", "max")
    name = "cgroup v2 /system.slice/sentinel-code.service"
    assert candidate_bounds(controllers, tmp_path / "own") == Bounds(None, None, name)
    assert candidate_bounds(controllers, tmp_path / "none") == Bounds(
        None, None, "no control groups"
    )


def test_limits_of_version_1_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bounds.VARIABLE, raising=False)
    (tmp_path / "own").write_text("4:memory:/host/box\n8:pids:/\n1:name=systemd:/\n0::/\n")
    (tmp_path / "fs/memory").mkdir(parents=True)
    (tmp_path / "fs/memory/memory.limit_in_bytes").write_text("4096\n")
    (tmp_path / "fs/pids").mkdir()
    (tmp_path / "fs/pids/pids.max").write_text("77\n")
    assert candidate_bounds(tmp_path / "fs", tmp_path / "own")[:2] == (4096, 77)
    (tmp_path / "fs/memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert candidate_bounds(tmp_path / "fs", tmp_path / "own").memory_bytes is None


def test_a_group_for_candidates_alone_is_used_or_nothing_runs(
    controllers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = group(controllers / "candidates", "2048", "32")
    monkeypatch.setenv(bounds.VARIABLE, str(own))
    assert candidate_bounds(controllers, tmp_path / "own") == Bounds(2048, 32, str(own))
    move_to_group(77, own)
    assert (own / "cgroup.procs").read_text() == "77\n"
    with pytest.raises(Infrastructure, match="cannot be moved to"):
        move_to_group(77, tmp_path / "gone")
    monkeypatch.setenv(bounds.VARIABLE, str(tmp_path))
    with pytest.raises(BadInput, match="is not a control group"):
        candidate_bounds(controllers, tmp_path / "own")
