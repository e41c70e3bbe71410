"""Reading a completion once for everyone: thought and answer, its language, the extracted answer,
the whole program, whether it parses.

What was thought is parted from the answer first and is looked at by nobody who asks whether the
answer is right. The verifier says the language where there is one; else the evidence in the row
does. What this module does not do: decide whether the answer is right (``score``), or run anything.
"""

from __future__ import annotations

import re

from ..records import Candidate, JudgedAnswer, Quality, Verifier
from . import syntax
from .extract import MAX_CHARS, Kind, extract_parted
from .fences import Fence, fences, tagged_blocks
from .json_reader import MENDED
from .scorers import scorer_of
from .scorers.scorer import Reading, parses
from .syntax import Check
from .thoughts import Parted, part


def read(
    completion: str, verifier: Verifier | None, prompt: str = "", entry_point: str | None = None
) -> Reading:
    """Part, extract and parse; ``prompt`` and ``entry_point``, the name that it asks for, are
    evidence only where no verifier says what is asked."""
    parted = part(completion) if len(completion) <= MAX_CHARS else Parted("", completion)
    scorer = None if verifier is None else scorer_of(verifier)
    kind = guess_language(parted.answer, prompt) if scorer is None else scorer.language
    if kind == "text":
        return Reading(None, extract_parted(parted, "text"), None, None, parted)
    if scorer is None:
        extracted = extract_parted(parted, kind, entry_point=entry_point)
    else:
        name = scorer.entry_point(verifier)
        extracted = extract_parted(parted, kind, entry_point=name, reading=scorer.json_reading)
    if extracted.error is not None:
        return Reading(kind, extracted, None, Check(False, extracted.error), parted)
    if kind == "json":
        mended = [name for name in extracted.leniencies if name in MENDED]
        parsed = Check(False, f"not_json: {mended[0]}") if mended else syntax.OK
        return Reading(kind, extracted, None, parsed, parted)
    if scorer is None:
        return Reading(
            kind, extracted, extracted.value, syntax.check(extracted.value, kind), parted
        )
    code = scorer.whole(extracted.value, verifier)
    return Reading(kind, extracted, code, parses(code, scorer, verifier), parted)


def quality_of(candidate: Candidate, language: Kind | None = None) -> Quality:
    """The evidence for a candidate that the critic accepted: nothing that spoke against it is left
    to ask. A verifier by which only a language model could judge has judged nothing yet.
    ``language`` is the answer's, where it is known already."""
    if candidate.verifier is not None and not isinstance(candidate.verifier, JudgedAnswer):
        return "verified"
    if language is None:
        prompt = "\n".join(turn.content for turn in candidate.messages if turn.role != "assistant")
        language = guess_language(part(candidate.completion).answer, prompt)
    return "unverified" if language == "text" else "parsed"


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
SEARCHED = 20_000
"""Characters of an answer that are looked at to guess its language."""


def guess_language(answer: str, prompt: str = "", blocks: list[Fence] | None = None) -> Kind:
    """The language of an answer, its thought aside, by evidence: fence tag, diff headers, JSON
    brackets, code lines; ``text`` where nothing speaks. ``blocks`` are the answer's fences where
    they are known already."""
    head = answer[:SEARCHED]
    if blocks is None:
        blocks = fences(head)
    blocks = blocks or tagged_blocks(head)
    if blocks:
        tagged = next((block.language for block in blocks if block.language), None)
        if tagged:
            return tagged if tagged in _KINDS else "text"  # type: ignore[return-value]  # one of Kind
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
