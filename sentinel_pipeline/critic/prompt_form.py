"""What form a prompt asks for in so many words: the kind of answer, and all the names that a
program must define.

Only unmistakable words count: a row is never refused for a form that may not have been meant. What
this module does not do: understand a prompt, or look where a verifier says already what is asked.
"""

from __future__ import annotations

import re

from .extract import Kind, extract_parted
from .fences import fences
from .scorers.scorer import Reading
from .syntax import check, python_tree

_NAMED_KINDS: dict[str, Kind] = {
    "json": "json",
    "yaml": "yaml",
    "diff": "diff",
    "patch": "diff",
    "sql": "sql",
    "python": "python",
    "typescript": "typescript",
    "bash": "shell",
    "shell": "shell",
}
_WORDS = r"(?:(?:the|a|an|one|single|valid|strict|raw|plain|unified|git|executable|pure)[ ]+)*"
_KIND = (
    rf"{_WORDS}(json|yaml|diff|patch|sql|python|typescript|bash|shell)"
    r"(?:[ ]+(?:code|command|query|object|statement|diff))?\b(?![ ]?(?:file|schema|string))"
)
_ASKED = re.compile(
    r"(?:^|[.!?:\n][ ]*|\b(?:please|must|should|always)[ ]+)(?:answer|respond|reply)[ ]+(?:only[ ]+|just[ ]+|strictly[ ]+)?"
    rf"(?:with|in|as|by|using)[ ]+(?:only[ ]+|just[ ]+)?{_KIND}"
    rf"|(?:^|[.!?\n][ ]*)(?:output|return|give|print|write)[ ]+(?:only|just)[ ]+{_KIND}|\b(json|yaml|sql|diff)[ ]only\b",
    re.IGNORECASE,
)


def asked_kind(prompt: str) -> Kind | None:
    """The one kind of answer that the prompt demands; None where it demands none, or several."""
    found = {next(filter(None, each.groups())).lower() for each in _ASKED.finditer(prompt)}
    kinds = {_NAMED_KINDS[name] for name in found}
    return kinds.pop() if len(kinds) == 1 else None


def kind_problem(reading: Reading, prompt: str) -> str | None:
    """``requested_format: …`` where the answer holds no whole answer of the kind that the prompt
    demands."""
    kind = asked_kind(prompt)
    if kind is None or kind == reading.language:
        return None
    problem = f"requested_format: {kind} was asked, {reading.language or 'plain text'} was given"
    extracted = extract_parted(reading.parted, kind)
    if extracted.error is not None or (
        kind in ("shell", "yaml", "sql") and reading.language not in (None, "text")
    ):
        return problem
    parsed = None if kind == "json" else check(extracted.value, kind)
    return None if parsed is None or parsed.ok else problem


def names_problem(reading: Reading, names: tuple[str, ...]) -> str | None:
    """``missing_name: …`` for the first of several names that a Python answer does not define
    anywhere; a single one is the entry point's matter."""
    if (
        len(names) < 2
        or reading.language != "python"
        or reading.code is None
        or (reading.syntax and not reading.syntax.ok)
    ):
        return None
    if python_tree(reading.code) is None:
        return None
    blocks = [block.body for block in fences(reading.parted.answer) if block.language == "python"]
    code = "\n".join([reading.code, *blocks])
    for name in names:
        last = re.escape(name.rpartition(".")[2])
        defines = rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{last}\b|^[ \t]*(?:self\.)?{last}[ \t]*[:=]|\bimport\b.*\b{last}\b"
        if re.search(defines, code, re.MULTILINE) is None:
            return f"missing_name: {name} is not defined"
    return None
