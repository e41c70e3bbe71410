"""Blocks of code in a Markdown answer, by CommonMark's rules for fences, found in one pass over its
lines.

A fence may stand in a list item or a quotation; its body loses their indentation. What is longer or
of the other sign does not close it, nor does what is indented by four more. A block of Markdown
stands for the blocks inside it. A bare fence within a Python docstring is a part of the program.
Beside fences there are tags in capitals (``[PYTHON]``) and, where a text has neither, blocks
indented by four. What this module does not do: render Markdown, or decide which block is the answer
(``extract`` does).
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from typing import NamedTuple

_FENCE = re.compile(
    r"^(?P<quote>(?:[ ]{0,3}>[ ]?){0,4})(?P<indent>[ \t]{0,12})(?P<item>(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,4}){0,3})"
    r"(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})(?P<info>[^\n]*)$",
    re.MULTILINE,
)
_TAGS = re.compile(
    r"^[ \t]*\[(?:(PYTHON)\](.*?)(?:\[/PYTHON\]|\Z)"
    r"|(CODE|SOLUTION|SQL|JSON|BASH|SHELL|JAVASCRIPT|TYPESCRIPT|DIFF|YAML)\](.*?)\[/\3\])",
    re.DOTALL | re.MULTILINE,
)
_TAG_END = re.compile(r"^[ \t]*\[/(PYTHON|CODE|SOLUTION)\]", re.MULTILINE)
_GLUED = re.compile(r"(?<![`~\n])(`{3}|~{3})\s*\Z")
"""A closing fence at the end of the last line of code."""
_INFO = re.compile(r"[\s{.]*([^\s{}:,;(=]*)")
_INDENTED = re.compile(
    r"(?:\A|(?<=\n))[ \t]*\n(?P<body>(?:(?:[ ]{4}|\t)[^\n]*(?:\n|\Z)|[ \t]*\n)+)"
)
_DIFF = re.compile(r"[ ]*(?:diff|patch|udiff)\b", re.IGNORECASE)
_MARKDOWN = frozenset({"markdown", "md", "mdx"})
_TRIED = 16
"""Lines of fences, at most, that are looked at for one block whose docstring holds fences."""
_DEPTH = 3
"""How deep blocks of Markdown are looked into."""

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
    """One block: ``tag`` as written in lower case, ``body`` without the fence lines, offsets of the
    whole block."""

    tag: str
    body: str
    start: int
    end: int
    closed: bool

    @property
    def language(self) -> str | None:
        """The language that the tag names; None for no tag or an unknown one."""
        return LANGUAGES.get(self.tag)


def fences(text: str, *, depth: int = 0) -> list[Fence]:
    """Every fenced block in order; a block that the text ends inside of comes with
    ``closed=False``. Linear time."""
    if "```" not in text and "~~~" not in text:
        return []
    lines = list(_FENCE.finditer(text))
    blocks: list[Fence] = []
    at = 0
    while at < len(lines):
        opened = lines[at]
        marginal = not opened["indent"] and bool(_DIFF.match(opened["info"]))
        closings = (n for n in range(at + 1, len(lines)) if _closes(opened, lines[n]))
        closing = next(closings, None)
        if closing is not None and marginal and lines[closing]["indent"]:
            # Every line of a diff has a sign before it: a fence behind a blank is a line of the
            # file.
            closing = next((n for n in closings if not lines[n]["indent"]), closing)
        if closing is None:
            blocks.append(_block(text, opened, None))
            break
        block = _block(text, opened, lines[closing])
        if block.language == "python" and _open_docstring(block.body):
            for number in range(closing + 1, min(closing + 1 + _TRIED, len(lines))):
                if lines[number]["info"].strip():
                    break  # another block begins
                if not _closes(opened, lines[number]):
                    continue
                longer = _block(text, opened, lines[number])
                if not _open_docstring(longer.body) and _parses(longer.body):
                    block = longer
                    closing = number
                    break
        inner = _inside(text, block, opened, depth) if block.tag in _MARKDOWN else []
        blocks += inner or [block]
        at = closing + 1
    return blocks


def _closes(opened: re.Match[str], line: re.Match[str]) -> bool:
    if line["item"] or line["info"].strip() or line["fence"][0] != opened["fence"][0]:
        return False
    if len(line["fence"]) < len(opened["fence"]) or bool(line["quote"]) != bool(opened["quote"]):
        return False
    return _width(line["indent"]) < _width(opened["indent"]) + len(opened["item"]) + 4


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))


def _block(text: str, opened: re.Match[str], closing: re.Match[str] | None) -> Fence:
    body_end = len(text) if closing is None else closing.start()
    body = text[min(opened.end() + 1, body_end) : body_end]
    if opened["quote"]:
        body = re.sub(r"^(?:[ ]{0,3}>[ ]?){1,4}", "", body, flags=re.MULTILINE)
    if room := len(opened["indent"]) + len(opened["item"]):
        body = re.sub(rf"^[ \t]{{1,{room}}}", "", body, flags=re.MULTILINE)
    if closing is None and body.rstrip()[-3:] == opened["fence"][0] * 3:
        body = without_glued_fence(body)
    info = _INFO.match(opened["info"])
    tag = info[1].lower() if info else ""
    end = len(text) if closing is None else closing.end()
    return Fence(tag, body, opened.start(), end, closing is not None)


def _inside(text: str, block: Fence, opened: re.Match[str], depth: int) -> list[Fence]:
    """The blocks of a block of Markdown, by their places in the whole text."""
    if depth >= _DEPTH or opened["quote"] or opened["indent"] or opened["item"]:
        return []
    start = opened.end() + 1
    return [
        inner._replace(start=start + inner.start, end=start + inner.end)
        for inner in fences(block.body, depth=depth + 1)
    ]


def _open_docstring(body: str) -> bool:
    return bool(body.count('"""') % 2 or body.count("'''") % 2)


def _parses(body: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def tagged_blocks(text: str) -> list[Fence]:
    """Blocks between tags in capitals, as code models were taught to write them; what only a
    closing tag ends begins the text."""
    if "[/" not in text and "[PYTHON]" not in text:
        return []
    blocks = []
    for tag in _TAGS.finditer(text):
        name = tag[1] or tag[3]
        body = (tag[2] if tag[1] else tag[4]).strip("\r\n")
        language = "" if name in ("CODE", "SOLUTION") else name.lower()
        closed = tag[0].endswith(f"[/{name}]")
        blocks.append(Fence(language, body, tag.start(), tag.end(), closed))
    if not blocks and (end := _TAG_END.search(text)):
        language = "python" if end[1] == "PYTHON" else ""
        return [Fence(language, text[: end.start()].strip("\r\n"), 0, end.end(), True)]
    return blocks


def without_glued_fence(text: str) -> str:
    """Code without the closing fence that stands at the end of its last line."""
    glued = _GLUED.search(text[-64:])
    return text[: len(text) - len(text[-64:]) + glued.start(1)] if glued else text


def indented_blocks(text: str) -> list[Fence]:
    """Blocks that an indentation by four marks, each after a blank line, in a text that begins at
    the margin."""
    if text[:1].isspace() or ("\n    " not in text and "\n\t" not in text):
        return []
    return [
        Fence(
            "", textwrap.dedent(block["body"]).strip("\n"), block.start("body"), block.end(), True
        )
        for block in _INDENTED.finditer(text)
        if block["body"].strip()
    ]


def outside(text: str, blocks: list[Fence]) -> str:
    """The text that stands outside every block, stripped."""
    parts = []
    last = 0
    for block in blocks:
        parts.append(text[last : block.start])
        last = block.end
    return "".join([*parts, text[last:]]).strip()
