"""Judging one shell command: run it in a prepared folder, compare its output and the tree that it
left.

Empty folders count only where the expectation can name them (a path that ends in ``/``) or nothing
may change at all. What this module does not do: run the command.
"""

from __future__ import annotations

import json
from typing import Any

from ...records import ShellEffect
from ..outcomes import Limits, shown
from .finding import Finding
from .python_tests import PASSED, Judgement, why_ended
from .tools import Tools
from .zygotes import SHELL, End, Zygote

GUEST = "shell"
NEEDS = ("user_namespace", "pid_namespace", "mount_namespace", "private_root")


def judge(
    code: str, verifier: ShellEffect, limits: Limits, zygote: Zygote, tools: Tools
) -> Judgement:
    """Grade one command.

    Raises:
        Lost: the zygote ended; nothing is known about the command.
    """
    bad = next((path for path in verifier.files if _unsafe(path)), None)
    if bad is not None:
        problem = f"path {bad!r} is not inside the working folder"
        return Judgement(Finding("test_error", problem), None, False)
    odd = False
    if verifier.gold:
        expectation, odd = _gold_effect(verifier, limits, zygote)
        if isinstance(expectation, Finding):
            return Judgement(expectation, None, True)
        verifier = expectation
    end, left, recycle = _run(code, verifier, limits, zygote)
    return Judgement(_finding(verifier, left, end, limits), end, recycle or odd)


def _run(
    code: str, verifier: ShellEffect, limits: Limits, zygote: Zygote
) -> tuple[End, dict[str, Any], bool]:
    payload = json.dumps({"command": code, "files": verifier.files}).encode("ascii")
    end, raw, recycle = zygote.run(SHELL, payload, 0, b"", limits)
    return end, json.loads(raw), recycle


def _gold_effect(
    verifier: ShellEffect, limits: Limits, zygote: Zygote
) -> tuple[ShellEffect | Finding, bool]:
    """What the gold command prints and leaves, as the expectation, and whether the zygote must go;
    a gold command that cannot be run is the task's fault."""
    end, left, recycle = _run(verifier.gold, verifier, limits, zygote)
    if end.why or left["others"] or "more" in left or len(left["out"]) > limits.output_kib * 1024:
        problem = "the gold command ends by a limit, prints too much, or leaves something that is not a file"
        return Finding("test_error", problem), True
    tree = {_text(path): _text(text) for path, text in left["files"].items()}
    folders = {f"{_text(path)}/": "" for path in left["folders"]}
    stdout = _text(left["out"])
    return ShellEffect(files=verifier.files, stdout=stdout, expected_files=tree | folders), recycle


def _text(raw: str) -> str:
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def _unsafe(path: str) -> bool:
    parts = path.rstrip("/").split("/")
    return path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in parts)


def _finding(verifier: ShellEffect, left: dict[str, Any], end: End, limits: Limits) -> Finding:
    output = left["out"].encode("latin-1")
    if end.why:
        return why_ended(end, limits, False)
    if len(output) > limits.output_kib * 1024:
        return Finding("output_limit", f"more than {limits.output_kib} KiB of output")
    if "more" in left:
        return Finding("output_limit", f"it leaves {left['more']}")
    if verifier.stdout is not None and output != _bytes(verifier.stdout):
        note = f"; its stderr: {shown(left['err'].encode('latin-1'))}" if left["err"] else ""
        detail = f"expected {shown(_bytes(verifier.stdout))}, got {shown(output)}{note}"
        return Finding("output_differs", detail)
    return _compare_tree(verifier, left) or PASSED


def _compare_tree(verifier: ShellEffect, left: dict[str, Any]) -> Finding | None:
    expected = verifier.files if verifier.expected_files is None else verifier.expected_files
    expected_texts = {
        _name(path): _bytes(text) for path, text in expected.items() if not path.endswith("/")
    }
    actual_texts = {path: text.encode("latin-1") for path, text in left["files"].items()}
    if left["others"]:
        return Finding("files_differ", f"{left['others'][0]} is neither a file nor a folder")
    for path in sorted(expected_texts.keys() | actual_texts.keys()):
        if path not in actual_texts:
            return Finding("files_differ", f"{path} is missing")
        if path not in expected_texts:
            return Finding("files_differ", f"{path} should not be there")
        if expected_texts[path] != actual_texts[path]:
            return Finding(
                "files_differ",
                f"{path}: expected {shown(expected_texts[path])}, got {shown(actual_texts[path])}",
            )
    return _compare_folders(expected, left, exactly=verifier.expected_files is None)


def _compare_folders(
    expected: dict[str, str], left: dict[str, Any], exactly: bool
) -> Finding | None:
    named = {_name(path).rstrip("/") for path in expected if path.endswith("/")}
    expected_folders = named | {
        parent for path in expected for parent in _parents(_name(path).rstrip("/"))
    }
    actual_folders = set(left["folders"])
    if expected_folders - actual_folders:
        return Finding("files_differ", f"{min(expected_folders - actual_folders)}/ is missing")
    if (exactly or named) and actual_folders - expected_folders:
        return Finding(
            "files_differ", f"{min(actual_folders - expected_folders)}/ should not be there"
        )
    return None


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def _name(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
