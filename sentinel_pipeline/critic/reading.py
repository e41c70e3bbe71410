"""Reading a completion once for everyone: thought and answer, its language, the extracted answer, the whole program, whether it
parses.

What was thought is parted from the answer first and is looked at by nobody who asks whether the
answer is right. The verifier says the language where there is one; else the evidence in the row
does. What this module does not do: judge whether the answer is right (``score``), or run anything.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..records import (
    Constraints,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    PatchApplies,
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    TextAnswer,
    Verifier,
)
from . import syntax
from .extract import MAX_CHARS, Extracted, Kind, extract_parted, script_defines
from .fences import fences, tagged_blocks
from .json_reader import MENDED, JsonReading
from .syntax import Check
from .thoughts import Parted, part


class Reading(NamedTuple):
    """``language`` is None for plain text and where there is no answer; ``code`` is the whole program or text that ``syntax`` is
    about."""

    language: Kind | None
    found: Extracted
    code: str | None
    syntax: Check | None
    parted: Parted
    """Thought and answer; the answer is what all the others are about."""


_BY_VERIFIER: dict[type, Kind] = {
    PythonTests: "python",
    StdioTests: "python",
    ScriptTests: "typescript",
    SqlAnswer: "sql",
    JsonAnswer: "json",
    PatchApplies: "diff",
    ShellEffect: "shell",
    TextAnswer: "text",
    FieldsAnswer: "json",
    GroundedText: "text",
    FunctionCalls: "json",
    Constraints: "text",
    JudgedAnswer: "text",
}


def read(completion: str, verifier: Verifier | None, prompt: str = "") -> Reading:
    """Part, extract and parse; ``prompt`` is evidence only where no verifier says what is asked."""
    parted = part(completion) if len(completion) <= MAX_CHARS else Parted("", completion)
    answer = parted.answer
    kind = _BY_VERIFIER[type(verifier)] if verifier is not None else guess_language(answer, prompt)
    if kind == "text":
        return Reading(None, extract_parted(parted, "text"), None, None, parted)
    entry_point = verifier.entry_point if isinstance(verifier, (PythonTests, ScriptTests)) else None
    reading: JsonReading = "mend" if isinstance(verifier, FieldsAnswer) else "strict"
    found = extract_parted(parted, kind, entry_point=entry_point, reading=reading)
    if found.error is not None:
        return Reading(kind, found, None, Check(False, found.error), parted)
    if kind == "json":
        mended = [name for name in found.leniencies if name in MENDED]
        parsed = Check(False, f"not_json: {mended[0]}") if mended else syntax.OK
        return Reading(kind, found, None, parsed, parted)
    if isinstance(verifier, ScriptTests):
        code = compose_script(found.value, verifier)
        return Reading(kind, found, code, syntax.check(code, verifier.language), parted)
    code = compose(found.value, verifier) if isinstance(verifier, PythonTests) else found.value
    return Reading(kind, found, code, syntax.check(code, kind), parted)


def compose(code: str, verifier: PythonTests) -> str:
    """The whole program. A completion that begins indented continues the prefix; a whole one follows it, for the prefix
    may hold imports and helpers, and the later definition wins."""
    if not verifier.prefix:
        return code
    if code[:1] in (" ", "\t"):
        return verifier.prefix + code
    if defines(code, verifier.entry_point):
        alone = "from __future__" in code or not _stands_alone(verifier.prefix)
        return code if alone else f"{verifier.prefix}\n\n{code}"
    return verifier.prefix + code


def compose_script(code: str, verifier: ScriptTests) -> str:
    """The whole program. What defines the entry point is one already, after whatever the prefix defines before it; anything else
    continues the prefix."""
    name = verifier.entry_point
    if not verifier.prefix or (
        name is None and re.match(r"(?:export\b|function\b|class\b|const\b)", code)
    ):
        return code
    defines = script_defines(name) if name else None
    if defines is None or not defines.search(code):
        return verifier.prefix + code
    own = defines.search(verifier.prefix)
    before = verifier.prefix[: own.start()] if own else ""
    return before + code if _COMMENT.sub("", before).strip() else code


_COMMENT = re.compile(r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/")


@lru_cache(maxsize=1024)
def _stands_alone(prefix: str) -> bool:
    return syntax.python(prefix).ok


def defines(code: str, name: str | None) -> bool:
    """Whether the text has a top-level definition of ``name`` (of anything, when no name is asked)."""
    wanted = re.escape(name) if name else r"\w+"
    return (
        re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{wanted}\b", code, re.MULTILINE)
        is not None
    )


_DIFF = re.compile(r"^(?:diff --git |--- .*\n\+\+\+ )", re.MULTILINE)
_PYTHON = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[(:]|from[ \t]+[\w.]+[ \t]+import[ \t]+[\w(*]|import[ \t]+[\w.]+"
    r"(?:[ \t]+as[ \t]+\w+|(?:,[ \t]*[\w.]+)*)[ \t]*$|@\w[\w.]*(?:\(.*\))?[ \t]*$|if[ \t]+__name__[ \t]*==)",
    re.MULTILINE,
)
_SCRIPT = re.compile(
    r"^(?:export[ \t]+(?:default[ \t]+)?)?(?:(?:async[ \t]+)?function\b[^\n]*\{[ \t]*(?:\}|//.*)?$"
    r"|interface[ \t]+\w+[^\n]*\{[ \t]*$"
    r"|(?:const|let)[ \t]+[\w$]+[^=\n]{0,80}=[^\n]*(?:;|=>[ \t]*\{)[ \t]*$|type[ \t]+\w+(?:<[^>\n]*>)?[ \t]*=)",
    re.MULTILINE,
)
_SQL = re.compile(
    r"(?:select\b[\s\S]{0,2000}?\bfrom\b|insert\s+into\b|create\s+(?:table|view|index)\b|update\s+\w+\s+set\b|with\s+\w+\s+as\s*\()",
    re.I,
)
_SHELL = re.compile(r"#!\s*/(?:usr/)?bin/(?:env\s+)?(?:ba|da|z)?sh\b|\$ \w")
_COMMAND = re.compile(
    r"(?:sudo +)?(?:apt(?:-get)?|awk|cat|cd|chmod|chown|cp|curl|cut|df|diff|docker|du|echo|find|git|grep|head|journalctl|kill"
    r"|kubectl|ln|ls|mkdir|mv|ps|rm|rsync|scp|sed|sort|ssh|systemctl|tail|tar|tee|touch|tr|uniq|wc|wget|xargs)\b"
    r"[^\n]*?(?: -\w|[|>/*$]|\w\.\w)[^\n]*\Z"
)
_ASKS_PYTHON = re.compile(r"\bpython\b|^\s*def \w+\(", re.IGNORECASE | re.MULTILINE)
_CODE_SHAPED = re.compile(
    r"^[ \t]*(?:return\b|for\b.*:[ \t]*$|while\b.*:[ \t]*$|if\b.*:[ \t]*$|print\(|[a-z_]\w*[ \t]*=[^=])",
    re.MULTILINE,
)
_SEARCHED = 20_000
"""Characters of an answer that are looked at to guess its language."""


def guess_language(answer: str, prompt: str = "") -> Kind:
    """The language of an answer, its thought aside, by evidence:
    fence tag, diff headers, JSON brackets, code lines; ``text`` where nothing speaks."""
    head = answer[:_SEARCHED]
    blocks = fences(head) or tagged_blocks(head)
    if blocks:
        tagged = next((block.language for block in blocks if block.language), None)
        if tagged:
            return tagged if tagged in _KINDS else "text"  # type: ignore[return-value]
        return _by_shape(blocks[0].body, prompt) if not blocks[0].tag else "text"
    return _by_shape(head, prompt)


_KINDS = frozenset({"python", "typescript", "json", "diff", "shell", "sql", "yaml"})


def _by_shape(text: str, prompt: str) -> Kind:
    bare = text.strip()
    if _DIFF.search(bare):
        return "diff"
    if bare[:1] in ("{", "[") and bare[-1:] in ("}", "]") and '"' in bare:
        return "json"
    if _PYTHON.search(bare):
        return "python"
    if _SCRIPT.search(bare):
        return "typescript"
    if _SHELL.match(bare) or _COMMAND.match(bare):
        return "shell"
    if _SQL.match(bare):
        return "sql"
    if prompt and _ASKS_PYTHON.search(prompt) and _CODE_SHAPED.search(text):
        return "python"
    return "text"
