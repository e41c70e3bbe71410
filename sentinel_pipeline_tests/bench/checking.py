"""A small trusting checker for this package's own references and mutants, so that generator tests
need no sandbox.

It runs what it is given in this process or in a plain shell: never hand it anything from outside.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from unidiff import PatchSet, UnidiffParseError

from sentinel_pipeline.records import (
    JsonAnswer,
    PatchApplies,
    PythonTests,
    ShellEffect,
    Task,
    TextAnswer,
)


def passes(task: Task, completion: str) -> bool:
    """Whether ``completion`` satisfies the task's verifier, read literally: nothing is extracted
    and nothing forgiven."""
    verifier = task.verifier
    if isinstance(verifier, PythonTests):
        return _python(verifier, completion)
    if isinstance(verifier, JsonAnswer):
        try:
            return json.dumps(json.loads(completion), sort_keys=True) == _canonical(
                verifier.expected
            )
        except ValueError:
            return False
    if isinstance(verifier, PatchApplies):
        return _patch(verifier, completion)
    if isinstance(verifier, ShellEffect):
        return _shell(verifier, completion)
    assert isinstance(verifier, TextAnswer)
    return completion.strip() in verifier.accepted


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _python(verifier: PythonTests, completion: str) -> bool:
    scope: dict[str, object] = {}
    call = f"\ncheck({verifier.entry_point})" if "def check(" in verifier.tests else ""
    try:
        exec(f"{verifier.setup}\n{verifier.prefix}{completion}\n{verifier.tests}{call}", scope)
    except Exception:
        return False
    return True


def _patch(verifier: PatchApplies, completion: str) -> bool:
    """For diffs whose one hunk holds the whole file, as the families' do."""
    try:
        patch = PatchSet(completion + "\n")
    except UnidiffParseError:
        return False
    ((path, before),) = verifier.files.items()
    if [file.path for file in patch] != [path] or len(patch[0]) != 1:
        return False
    hunk = patch[0][0]
    source, target = (
        "".join(line.value for line in lines)
        for lines in (hunk.source_lines(), hunk.target_lines())
    )
    return source == before and target == verifier.expected[path]


def _shell(verifier: ShellEffect, completion: str) -> bool:
    if "\x00" in completion:
        return False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in verifier.files.items():
            (folder / path).write_text(text)
        done = subprocess.run(
            ["/bin/bash", "-c", completion],
            cwd=folder,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            text=True,
            errors="replace",
        )
        after = {
            str(file.relative_to(folder)): file.read_text(errors="replace")
            for file in folder.rglob("*")
            if file.is_file()
        }
    expected = verifier.files if verifier.expected_files is None else verifier.expected_files
    return (verifier.stdout is None or done.stdout == verifier.stdout) and after == expected
