"""The scorer's version: a hash of what its code *does*, so that a changed scorer makes old verdicts stale by itself.

Comments, docstrings and layout of Python do not count; JavaScript counts as it stands. What this module does not do: hash
installed packages; manifests record those.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = ("critic", "sandbox")


@cache
def scorer_version() -> str:
    """``v-`` and twelve hex digits over every module of ``critic`` and ``sandbox``; computed once a process."""
    return version_of(
        path
        for room in ROOMS
        for path in (PACKAGE / room).rglob("*")
        if path.suffix in (".py", ".js")
    )


def version_of(modules: Iterable[Path], root: Path = PACKAGE) -> str:
    """The version of a set of modules; their names relative to ``root`` count, their order does not."""
    digest = hashlib.sha256()
    for path in sorted(modules):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        text = path.read_text(encoding="utf-8")
        digest.update((_meaning(text) if path.suffix == ".py" else text).encode() + b"\0")
    return f"v-{digest.hexdigest()[:12]}"


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    """A docstring, or the string under a field that documents it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
