"""Fenced blocks of a Markdown answer, found in one pass over its lines.

What this module does not do: render Markdown, nest blocks, or decide which block is the answer (``extract`` does).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"^[ \t]{0,12}(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)

LANGUAGES = {
    "python": "python", "py": "python", "python3": "python", "py3": "python", "pycon": "python",
    "json": "json", "json5": "json", "jsonc": "json",
    "diff": "diff", "patch": "diff", "udiff": "diff",
    "bash": "shell", "sh": "shell", "shell": "shell", "zsh": "shell", "console": "shell", "shellsession": "shell",
    "sql": "sql", "sqlite": "sql", "postgresql": "sql", "duckdb": "sql",
    "yaml": "yaml", "yml": "yaml",
    "typescript": "typescript", "ts": "typescript", "javascript": "typescript", "js": "typescript",
}  # fmt: skip
"""Fence tag -> language."""


class Fence(NamedTuple):
    """One block: ``tag`` as written in lower case, ``body`` without the fence lines, offsets of the whole block."""

    tag: str
    body: str
    start: int
    end: int
    closed: bool

    @property
    def language(self) -> str | None:
        """The language that the tag names; None for no tag or an unknown one."""
        return LANGUAGES.get(self.tag)


def fences(text: str) -> list[Fence]:
    """Every fenced block in order; a block that the text ends inside of comes with ``closed=False``. Linear time."""
    if "```" not in text and "~~~" not in text:
        return []
    blocks: list[Fence] = []
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            opened = line
        elif _closes(opened, line):
            blocks.append(_block(text, opened, line.start(), line.end(), closed=True))
            opened = None
    if opened is not None:
        blocks.append(_block(text, opened, len(text), len(text), closed=False))
    return blocks


def _closes(opened: re.Match[str], line: re.Match[str]) -> bool:
    return line[1][0] == opened[1][0] and len(line[1]) >= len(opened[1]) and not line[2].strip()


def _block(text: str, opened: re.Match[str], body_end: int, end: int, *, closed: bool) -> Fence:
    info = opened[2].strip().split(None, 1)
    tag = info[0].strip("{}.").lower() if info else ""
    body = text[min(opened.end() + 1, body_end) : body_end]
    return Fence(tag, body, opened.start(), end, closed)


def outside(text: str, blocks: list[Fence]) -> str:
    """The text that stands outside every block, stripped."""
    parts = []
    last = 0
    for block in blocks:
        parts.append(text[last : block.start])
        last = block.end
    return "".join([*parts, text[last:]]).strip()
