"""What form a prompt asks for in so many words: the kind of answer, and the names that a program
must define.

Only unmistakable words count: a row is never refused for a form that may not have been meant. What
this module does not do: understand a prompt, or look where a verifier says already what is asked.
"""

from __future__ import annotations

import re

from .extract import Kind, extract_parted
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
_NAMES = re.compile(
    r"\b(?:an?|another|one)[ ]+(?:\w+[ ]+){0,2}(?:function|method|class)[ ]+"
    r"(?:(?:named|called)[ ]+[`'\"*]*([A-Za-z_]\w*)|[`]([A-Za-z_]\w*)(?:\([^`\n]*\))?[`])"
)


def asked_kind(prompt: str) -> Kind | None:
    """The one kind of answer that the prompt demands; None where it demands none, or several."""
    found = {next(filter(None, each.groups())).lower() for each in _ASKED.finditer(prompt)}
    kinds = {_NAMED_KINDS[name] for name in found}
    return kinds.pop() if len(kinds) == 1 else None


def asked_names(prompt: str) -> tuple[str, ...]:
    """Every function, method and class that the prompt wants defined by name, in order."""
    return tuple(dict.fromkeys(match[1] or match[2] for match in _NAMES.finditer(prompt)))


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


def names_problem(reading: Reading, prompt: str) -> str | None:
    """``missing_name: …`` for the first name that a Python answer does not define anywhere."""
    if (
        reading.language != "python"
        or reading.code is None
        or (reading.syntax and not reading.syntax.ok)
    ):
        return None
    names = asked_names(prompt)
    if not names:
        return None
    tree = python_tree(reading.code)
    missing = next((name for name in names if not _defines(reading.code, name)), None)
    return f"missing_name: {missing} is not defined" if missing and tree is not None else None


def _defines(code: str, name: str) -> bool:
    return (
        re.search(
            rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*[:=]|\bimport\b.*\b{name}\b",
            code,
            re.M,
        )
        is not None
    )
