"""Whether an answer holds what was asked for, or only words about it: a refusal, an announcement
without content, a note that the rest is to be done, prose where code was asked, an answer that is
not of its row's category.

A refusal is right where no code was asked, or where the row's category is about refusals. What this
module does not do: tell a good answer from a bad one, or look at rows that a verifier judges.
"""

from __future__ import annotations

import re

from ..records import Candidate
from .call_forms import marked_calls
from .entrypoint import does_nothing, script_does_nothing
from .extract import extract_parted
from .fences import fences, indented_blocks, tagged_blocks
from .refusals import refuses
from .request import Request
from .scorers.scorer import Reading

_PROSE_TAGS = frozenset(
    {"text", "txt", "plaintext", "plain", "markdown", "md", "output", "log", "none"}
)
_CODE_LINE = re.compile(
    r"[;{}][ \t]*$|\)[ \t]*:[ \t]*$|^[ \t]*(?:else|try|finally)[ \t]*:|=>|\blambda\b[^\n:]*:"
    r"|^[ \t]*(?:[\w.]+[ \t]+)?[\w.$\[\]'\"]+[ \t]*(?:[-+*/|&%]|:|<)?=[ \t]*\S"
    r"|^[ \t]*[\w.$:]+\((?:[^()\n]|\((?:[^()\n]|\([^()\n]*\))*\))*\)[ \t]*;?[ \t]*$"
    r"|^[ \t]*(?:(?:async[ \t]+)?(?:def|fn|func|fun|sub|function)[ \t]+[\w$]+[ \t]*[(<{:]|class[ \t]+\w+[ \t]*[:({<]"
    r"|#include\b|#!|\$[ \t]\S|return[ \t]+[\w.()\[\]+*/-]+;?[ \t]*$|import[ \t]+[\w.{}*]+;?[ \t]*$|from[ \t]+\S+[ \t]+import\b"
    r"|using[ \t]+\w+;"
    r"|package[ \t]+\w+;?$|@\w+[ \t]*(?:\(|$)|<[!/]?[a-z][\w-]*[^<>\n]*>|\((?:define|defn?|let|lambda)\b"
    r"|[\w.]+(?:[ ]?[+*/%][ ]?[\w.]+)+[ \t]*$|(?:module|data)[ \t]+\w+[ \t]*(?:where|=))",
    re.MULTILINE,
)
"""A line of code in whatever language, by signs that sentences do not have."""
_SQL_LINE = re.compile(
    r"^[ \t]*(?:select\b[\s\S]{1,2000}?\bfrom\b|select[ \t]+[\w('*]|insert[ \t]+into\b|update[ \t]+\w+[ \t]+set\b"
    r"|delete[ \t]+from\b"
    r"|create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:table|view|function|procedure|index|trigger)\b|with[ \t]+\w+[ \t]+as\b)",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE = re.compile(r"(?<!`)`([^`\n]{2,400})`(?!`)")
_INLINE_CODE = re.compile(r"\blambda\b|=>|\bdef\b|\bfunction\b|\breturn\b|;|\{")
_SENTENCE = re.compile(r"[A-ZÀ-Ý'\"(\u201c][^\n`|$<>{}\\]*[.!?:\u2026][\"'\u201d)]*\Z")
_ANNOUNCES = re.compile(
    r"\W*(?:(?:sure(?:\s+thing)?|certainly|of\s+course|absolutely|okay|ok|alright|great(?:\s+question)?|yes|gladly|no\s+problem|happy\s+to"
    r"\s+help|i(?:'|\u2019)?d\s+be\s+(?:happy|glad)\s+to(?:\s+help)?|got\s+it|understood|claro|certo|com\s+certeza|pois\s+n[ãa]o)\b"
    r"[^.!:\n]{0,60}?[.!:,\u2014-]*\s*)*"
    r"(?P<here>(?:here(?:(?:'|\u2019)s|\s+is|\s+are|\s+you\s+(?:go|are)|\s+it\s+is|\s+goes)|(?:below|the\s+following|attached)\s+(?:is|are)"
    r"|aqui\s+est[áãa]o?|segue|abaixo\s+est[áa])\b(?P<what>[^.!:\n]{0,120}))?[.!:\u2026]*\s*\Z",
    re.IGNORECASE,
)
_THING = re.compile(
    r"\b(?:code|functions?|program|script|solution|implementation|answer|snippet|class|method|query|command|list|table|poem|story|essay"
    r"|e-?mail|letter|summary|example|response|text|plan|explanation|translation|diff|patch|json|file|version|c\u00f3digo|função"
    r"|resposta|solução|lista|texto|resumo)\b",
    re.IGNORECASE,
)
_TO_DO = re.compile(
    r"\W*(?:to-?do|tbd|fixme|wip|coming\s+soon|lorem\s+ipsum|your\s+(?:answer|code|text|response)\s+(?:goes\s+)?here"
    r"|(?:answer|code|response)\s+goes\s+here|insert\s+(?:\w+\s+){0,3}here|to\s+be\s+(?:done|written|added|determined))\b[^\n]{0,60}\s*\Z",
    re.IGNORECASE,
)
_SHORT = 400
"""Characters of an answer that may be an announcement or a note and nothing else."""
_REFUSALS_WANTED = re.compile(r"refus|safety|harm|jailbreak|guardrail|recusa", re.IGNORECASE)


def code_in(reading: Reading, *, line: bool = False) -> str | None:
    """The code that an answer holds, whatever its language; None where it is prose. ``line``: a
    single command or expression is enough, also where only backticks mark it."""
    if reading.language not in (None, "text"):
        return reading.code if reading.code is not None else str(reading.found.value)
    answer = reading.parted.answer.strip()
    blocks = fences(answer) or tagged_blocks(answer)
    bodies = [
        block.body
        for block in blocks
        if block.body.strip()
        and (
            (block.tag and block.tag not in _PROSE_TAGS)
            or (line and not _SENTENCE.match(block.body.strip()))
            or _looks_like_code(block.body)
        )
    ]
    if blocks:
        return "\n".join(bodies) or None
    indented = [block.body for block in indented_blocks(answer) if _looks_like_code(block.body)]
    if indented:
        return "\n".join(indented)
    if _looks_like_code(answer):
        return answer
    if "`" in answer:
        inline = [
            match[1] for match in _INLINE.finditer(answer) if line or _INLINE_CODE.search(match[1])
        ]
        if inline:
            return "\n".join(inline)
    if line and answer and not _SENTENCE.match(answer) and not refuses(answer):
        return answer
    return None


def _looks_like_code(text: str) -> bool:
    return _CODE_LINE.search(text) is not None or _SQL_LINE.search(text) is not None


def substance_problem(reading: Reading, request: Request, candidate: Candidate) -> str | None:
    """``refusal``, ``announcement``, ``no_code``, ``stub`` or ``wrong_category``, each with a
    detail; None where the answer holds what was asked for."""
    category = candidate.category or ""
    answer = reading.parted.answer.strip()
    plain = reading.language in (None, "text")
    short = plain and len(answer) <= _SHORT
    to_do = short and (_TO_DO.match(answer) is not None or not answer.strip(".\u2026 "))
    if request.code and not _REFUSALS_WANTED.search(category):
        code = code_in(reading, line=request.line)
        if code is None:
            asked = f"code was asked{f' ({request.names[0]})' if request.names else ''}"
            if refuses(answer):
                return f"refusal: {asked}"
            if to_do:
                return f"stub: {asked}"
            if short and _ANNOUNCES.match(answer):
                return f"announcement: nothing follows it, and {asked}"
            return f"no_code: {asked}, the answer holds none"[:200]
        if not request.skeleton and (problem := _emptiness(reading, code)):
            return problem
    elif short and answer:
        announced = _ANNOUNCES.match(answer)
        if announced and announced["here"] and _THING.search(announced["what"] or ""):
            return "announcement: nothing follows it"
        if to_do:
            return "stub: the answer is still to be written"
    return _category_problem(reading, candidate)


def _emptiness(reading: Reading, code: str) -> str | None:
    """``stub: …`` for a program that does nothing."""
    if reading.language == "python":
        return does_nothing(code) if reading.syntax is not None and reading.syntax.ok else None
    if reading.language == "typescript":
        return script_does_nothing(code)
    if reading.language in (None, "text", "shell", "sql"):
        # Comments of the languages that have no parser here: # // -- /* */ ; %
        left = re.sub(
            r"/\*[\s\S]*?\*/|^[ \t]*(?:#(?!include|!)|//|--|;|%)[^\n]*$",
            "",
            code,
            flags=re.MULTILINE,
        )
        return None if left.strip() else "stub: only comments"
    return None


def _category_problem(reading: Reading, candidate: Candidate) -> str | None:
    """``wrong_category: …`` where a row says that it is code, an edit or a call of a tool, and the
    answer does not parse as one. Administration and chat are answered by prose as well."""
    category = candidate.category
    if category == "executable_code":
        if reading.language == "json" or code_in(reading) is None:
            return "wrong_category: executable_code, but the answer holds no program"
    elif category == "code_editing":
        if code_in(reading) is None:
            return "wrong_category: code_editing, but the answer holds neither a diff nor code"
    elif category == "tool_use":
        # What a tool gave back is reported in prose; anything else is a call, or code that calls.
        results = any(
            turn.role == "tool" or "<tool_response>" in turn.content for turn in candidate.messages
        )
        if results or reading.language not in (None, "text"):
            return None
        if any(
            block.tag not in _PROSE_TAGS for block in fences(reading.parted.answer) if block.tag
        ):
            return None
        calls = marked_calls(reading.parted.answer) or extract_parted(reading.parted, "json")
        if calls.error is not None:
            return "wrong_category: tool_use, but the answer holds no call that parses"
    return None
