"""Layers, levels, and what happens where some are missing."""

# ruff: noqa: E501

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.records import PythonTests, ShellEffect
from sentinel_pipeline.sandbox import Grader, Isolation, Level, Limits, Outcome, Program, isolation
from sentinel_pipeline.sandbox.isolation import EVERY_LAYER, NAMESPACES, from_probe

RIGHT = Program(
    id="right",
    code="def f(x):\n    return x + 1\n",
    verifier=PythonTests(tests="assert f(1) == 2", entry_point="f"),
)
LIAR = Program(
    id="liar",
    code="class L:\n    def __eq__(s, o): return True\ndef f(x):\n    return L()\n",
    verifier=RIGHT.verifier,
)
LAZY = Program(
    id="lazy",
    code="def f(x):\n    import random, datetime, decimal\n    return 2\n",
    verifier=RIGHT.verifier,
)
SHELL = Program(id="shell", code="echo a", verifier=ShellEffect(files={}, stdout="a\n"))


def _without(*names: str) -> Isolation:
    there = isolation().missing
    return from_probe(
        {layer: there.get(layer, "") for layer in EVERY_LAYER}
        | dict.fromkeys(names, "switched off")
    )


def test_isolation_is_plain_json_with_a_reason_for_every_missing_layer() -> None:
    shown = json.loads(json.dumps(isolation().to_json()))
    assert set(shown["layers"]) == set(EVERY_LAYER)
    assert set(shown["missing"]) == {name for name, there in shown["layers"].items() if not there}


LEVELS = {
    "landlock": Level.NAMESPACES,
    "user_namespace": Level.SECCOMP,
    "network_namespace": Level.SECCOMP,
    "private_root": Level.SECCOMP,
    "seccomp": Level.RLIMITS,
    "no_new_privileges": Level.RLIMITS,
    "unprivileged_user": Level.RLIMITS,
    "rlimits": Level.NONE,
}


@pytest.mark.parametrize("name", LEVELS)
def test_level_without_a_layer(name: str) -> None:
    every = dict.fromkeys(EVERY_LAYER, "")
    found = from_probe(every | {name: "switched off"})
    assert (from_probe(every).level, found.level, found.missing[name]) == (
        Level.FULL,
        LEVELS[name],
        "switched off",
    )


def test_without_private_root_and_landlock_files_are_not_bounded_and_nothing_runs() -> None:
    found = _without("private_root", "landlock")
    assert found.level is Level.RLIMITS
    with pytest.raises(
        GateRefused, match="'rlimits' .private_root: switched off; landlock: switched off"
    ):
        Grader(workers=1, layers=found)
    alone = _without("user_namespace")
    assert alone.level is (Level.SECCOMP if alone.layers["landlock"] else Level.RLIMITS)


def test_what_a_layer_needs_is_named() -> None:
    found = from_probe(dict.fromkeys(EVERY_LAYER, "") | {"user_namespace": "denied"})
    assert {found.missing[name] for name in NAMESPACES[1:]} == {"needs user_namespace"}


@pytest.mark.parametrize("name", EVERY_LAYER)
def test_verdicts_hold_with_each_layer_switched_off(name: str) -> None:
    with Grader(workers=1, require_isolation=Level.NONE, layers=_without(name)) as grader:
        results = list(grader.grade([RIGHT, LIAR, LAZY, RIGHT]))
    assert [result.code for result in results] == ["passed", "assertion", "passed", "passed"], (
        results
    )


@pytest.mark.parametrize("name", ["user_namespace", "pid_namespace", "mount_namespace"])
def test_shell_without_its_namespaces_is_infrastructure_that_says_so(name: str) -> None:
    with Grader(workers=1, require_isolation=Level.NONE, layers=_without(name)) as grader:
        (result,) = grader.grade([SHELL])
    assert (result.outcome, name in result.detail) == (Outcome.INFRA, True)


def test_without_namespaces_the_other_layers_still_hold() -> None:
    code = (
        "import os\ndef f():\n    done = []\n"
        "    for t in (lambda: open('/etc/passwd').read(), lambda: open('/tmp/zz', 'w'), lambda: os.listdir('/'), os.fork,\n"
        "              lambda: os.kill(os.getppid(), 9), lambda: __import__('_socket').socket(), lambda: os.execv('/bin/true', ['x'])):\n"
        "        try: done.append(repr(t()))\n        except OSError: pass\n    return done, os.getuid() == 0\n"
    )
    program = Program(
        id="p", code=code, verifier=PythonTests(tests="assert f() == ([], False)", entry_point="f")
    )
    with Grader(workers=1, layers=_without("user_namespace")) as grader:
        (result,) = grader.grade([program])
    assert result.code == "passed", result.reason


def test_below_the_required_level_nothing_runs() -> None:
    with pytest.raises(
        GateRefused,
        match=r"'full' is required.*'namespaces' \(landlock: switched off\).*Nothing was run",
    ):
        Grader(require_isolation=Level.FULL, layers=_without("landlock"))


def test_without_seccomp_the_default_refuses() -> None:
    with pytest.raises(GateRefused, match="seccomp: switched off"):
        Grader(layers=_without("seccomp"))


def _other_python() -> str:
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.getuid() != 0 or found is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, setpriv and a system-wide python3 to become an ordinary user")
    return found


def test_an_ordinary_user_gets_the_same_verdicts() -> None:
    python = _other_python()
    root = Path(__file__).resolve().parents[2]
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r})\nimport json\n"
        "from sentinel_pipeline.sandbox import *\nfrom sentinel_pipeline.records import *\n"
        "t = PythonTests(tests='assert f(1) == 2', entry_point='f')\n"
        "ps = [Program(id='a', code='def f(x): return x + 1', verifier=t), Program(id='b', code='import os\\ndef f(x): return os.listdir(\"/home\")', verifier=t),"
        " Program(id='c', code='id -u; cat a', verifier=ShellEffect(files={'a': 'x'}, stdout='1000\\nx'))]\n"
        "print(json.dumps([isolation().level.value, [r.code for r in grade(ps, workers=1, require_isolation=Level.NONE)]]))\n"
    )
    command = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        python,
        "-c",
        script,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    level, codes = json.loads(done.stdout)
    if level not in ("namespaces", "full"):
        pytest.skip(f"an ordinary user gets level {level!r} here")
    assert codes == ["passed", "exception", "passed"]


def test_limits_reach_the_sample() -> None:
    code = "import resource\ndef f():\n    return [resource.getrlimit(k)[0] for k in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)]\n"
    tests = "assert f() == [128 << 20, 3, 0]"
    program = Program(
        id="p",
        code=code,
        verifier=PythonTests(tests=tests, entry_point="f"),
        limits=Limits(memory_mib=128, cpu_seconds=1.5),
    )
    with Grader(workers=1) as grader:
        (result,) = grader.grade([program])
    assert result.code == "passed", result.reason
