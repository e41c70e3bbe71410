"""What shell commands are judged to be: output and tree, exactly."""

# ruff: noqa: E501

from __future__ import annotations

import pytest

from sentinel_pipeline.sandbox import Limits, Outcome
from sentinel_pipeline_tests.sandbox.conftest import Grade

FILES = {"a.txt": "b\na\n", "d/x y.log": "1\n2\n"}

PASSING = {
    "pipeline": ("sort a.txt | head -n 1", FILES, "a\n", None),
    "awk, sed, grep, find": ("find . -name '*.log' -exec awk '{s+=$1} END {print s}' {} \\; | sed s/3/three/ | grep th", FILES, "three\n", None),
    "process substitution": ("diff <(sort a.txt) <(printf 'a\\nb\\n') && echo same", FILES, "same\n", None),
    "rename": ("mv a.txt c.txt", FILES, "", {"c.txt": "b\na\n", "d/x y.log": "1\n2\n"}),
    "in place": ("sed -i s/b/z/ a.txt", FILES, None, {"a.txt": "z\na\n", "d/x y.log": "1\n2\n"}),
    "removed folder": ("rm -r d", FILES, None, {"a.txt": "b\na\n"}),
    "emptied folder": ("rm d/*", FILES, None, {"a.txt": "b\na\n"}),
    "named empty folder": ("mkdir -p e/f", FILES, None, FILES | {"e/f/": ""}),
    "unicode": ("cat 'né.txt'", {"né.txt": "ü\n"}, "ü\n", None),
    "own scratch folder": ("x=$(mktemp) && echo 1 > $x && cat $x", FILES, "1\n", None),
    "script in the folder": ("printf '#!/bin/sh\\necho hi\\n' > s.sh; chmod +x s.sh; ./s.sh; rm s.sh", FILES, "hi\n", None),
    "exit code is not judged": ("cat a.txt; exit 3", FILES, "b\na\n", None),
    "home is the folder": ("cat ~/a.txt", FILES, "b\na\n", None),
    "background job": ("(sleep 0.05; echo late) & wait", FILES, "late\n", None),
    "job left in the background": ("(sleep 0.1; cp a.txt c.txt; echo late) &", FILES, "late\n", FILES | {"c.txt": "b\na\n"}),
    "redirect to stdout": ("echo a > /dev/stdout; echo b >> /dev/stderr", FILES, "a\n", None),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_right_command_passes(shell: Grade, name: str) -> None:
    command, files, stdout, after = PASSING[name]
    result = shell(command, files, stdout=stdout, expected_files=after)
    assert result.reason == "passed"


FAILING = {
    "prefix of the output": (
        "echo a",
        "a\nb\n",
        None,
        "output_differs: expected 'a\\nb\\n', got 'a\\n'",
    ),
    "no output": ("true", "a\n", None, "output_differs: expected 'a\\n', got ''"),
    "changed file": (
        "echo z > a.txt",
        None,
        None,
        "files_differ: a.txt: expected 'b\\na\\n', got 'z\\n'",
    ),
    "new file": ("touch n", None, None, "files_differ: n should not be there"),
    "missing file": ("rm a.txt", None, None, "files_differ: a.txt is missing"),
    "new folder": ("mkdir e", None, None, "files_differ: e/ should not be there"),
    "link in place of a file": (
        "ln -s a.txt l",
        None,
        None,
        "files_differ: l is neither a file nor a folder",
    ),
    "pipe": ("mkfifo p", None, None, "files_differ: p is neither a file nor a folder"),
}


@pytest.mark.parametrize("name", FAILING)
def test_wrong_command_fails_with_its_reason(shell: Grade, name: str) -> None:
    command, stdout, after, reason = FAILING[name]
    result = shell(command, FILES, stdout=stdout, expected_files=after)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)


def test_unknown_command_says_what_bash_said(shell: Grade) -> None:
    assert (
        "nothing-like-this: command not found"
        in shell("nothing-like-this", FILES, stdout="x\n").detail
    )


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", "a//b"])
def test_paths_outside_the_folder_are_a_fault_of_the_task(shell: Grade, path: str) -> None:
    assert shell("true", {path: ""}).code == "test_error"


def test_nothing_of_one_command_is_there_for_the_next(shell: Grade) -> None:
    shell("echo x > left; echo y > /tmp/left; (sleep 60 &)", {}, limits=Limits(wall_seconds=0.5))
    assert shell(
        "ls -A . /tmp; ps 2>/dev/null | grep -c sleep", {}, stdout=".:\n\n/tmp:\n0\n"
    ).code in (
        "passed",
        "output_differs",
    )
    assert shell("ls -A /tmp .", {}, stdout=".:\n\n/tmp:\n").code == "passed"


def test_a_daemon_times_out_like_any_endless_command(shell: Grade) -> None:
    result = shell("setsid sleep 100 >/dev/null 2>&1 & disown", {}, limits=Limits(wall_seconds=0.5))
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "timeout: more than 0.5 s of wall time",
    )


def test_endless_command_times_out(shell: Grade) -> None:
    result = shell("sleep 100", {}, limits=Limits(wall_seconds=0.5))
    assert (result.outcome, result.reason) == (
        Outcome.TIMEOUT,
        "timeout: more than 0.5 s of wall time",
    )
