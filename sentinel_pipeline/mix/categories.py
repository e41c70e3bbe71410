"""Which category a row is of, by the evidence in it, where its source did not say. Audio, prose
and OCR rows are held back.

What this module does not do: use a model, or overrule a category that the source gave and the mix
knows."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..critic.extract import extract_parted
from ..critic.fences import fences
from ..critic.reading import SEARCHED, guess_language
from ..records.data_spec import CategoryRule, MixSpec
from .normal import words
from .row_reading import RowReading

SEED_000 = MixSpec()

HELD_BACK = ("audio", "prose", "ocr")
"""The auto-critic plan keeps these for a later run: they are not categories of a mix."""


class Decision(NamedTuple):
    """``category`` is a category of the mix or one of ``HELD_BACK``; ``reason`` is a stable
    code."""

    category: str
    reason: str


_AUDIO = re.compile(
    r"\[(?:music|applause|laughter|inaudible|crosstalk|silence)\]|\d\d:\d\d:\d\d[,.]\d{3} --> \d\d:\d\d|\bspeaker \d+:"
    r"|\btranscribe\b.*\baudio\b",
    re.I,
)
_OCR = re.compile(
    r"\bocr\b|\bscanned (?:page|document|image)\b|\bpage \d+ of \d+\b|<\|?ocr|\bfigure \d+\.\d+\b.*\btable \d+",
    re.I,
)
_EDIT = re.compile(
    r"\b(?:fix|refactor|debug|rewrite|rename|optimi[sz]e|patch|edit|modify|failing test)\b", re.I
)
_DEVOPS = re.compile(
    r"\b(?:docker(?:file)?|nginx|systemctl|systemd|journalctl|kubernetes|kubectl|helm|terraform|ansible|pm2|ssh|azure|crontab|iptables"
    r"|apt(?:-get)?|ubuntu|linux|chmod|chown|grep|bash|shell (?:command|script))\b",
    re.I,
)
_TOOLS = re.compile(
    r"\b(?:function|tool)[ _-]?calls?\b|\bavailable (?:functions|tools)\b|\"(?:parameters|arguments)\"\s*:",
    re.I,
)
_ASKS_FOR_TEXT = re.compile(r"\b(?:summari[sz]e|plan|explain|list|write|draft)\b", re.I)
MIN_PROSE = 3000
"""Characters of an answer without code from which it is prose, when the request is short of being
a question."""


def category_of(row: RowReading, spec: MixSpec = SEED_000) -> Decision:
    """Decide by, in this order: the source's word where the mix knows it, the recipe's own rules,
    the verifier, held-back marks, the answer's language, the prompt's words."""
    candidate = row.candidate
    if candidate.category is not None and (
        candidate.category in spec.shares or candidate.category in HELD_BACK
    ):
        return Decision(candidate.category, "given")
    for name, rule in spec.categories.items():
        if _holds(rule, row):
            return Decision(name, "rule")
    if candidate.verifier is not None:
        return Decision(candidate.verifier.category, f"verifier: {candidate.verifier.kind}")
    return _held_back(row) or _by_answer(row)


def _holds(rule: CategoryRule, row: RowReading) -> bool:
    """Whether a row has the source, one of the phrases and the language that the rule names."""
    if rule.sources and row.candidate.source not in rule.sources:
        return False
    if rule.words:
        request = f" {' '.join(words(row.head))} "
        if not any(f" {' '.join(words(phrase))} " in request for phrase in rule.words):
            return False
    return not rule.languages or row.language in rule.languages


def _held_back(row: RowReading) -> Decision | None:
    """Whether a row is of a kind that is kept for a later run."""
    answer = row.parted.answer
    start = answer[:SEARCHED]
    # A prompt that has one mark is about it; an answer may well mention one, and is it with two.
    if _AUDIO.search(row.head) or len(_AUDIO.findall(start)) >= 2:
        return Decision("audio", "held_back: transcript marks")
    if _OCR.search(row.head) or len(_OCR.findall(start)) >= 2:
        return Decision("ocr", "held_back: scan marks")
    # Without the prompt: one that asks for Python makes indented prose look like code.
    is_plain = len(answer) >= MIN_PROSE and not row.blocks and guess_language(answer) == "text"
    if is_plain and "?" not in row.head and not _ASKS_FOR_TEXT.search(row.head):
        return Decision("prose", "held_back: long plain text that answers nothing")
    return None


def _by_answer(row: RowReading) -> Decision:
    """By what the answer is written in; plain text by the words of the prompt."""
    prompt = row.head
    language = row.language
    if language == "diff":
        return Decision("code_editing", "language: diff")
    if language == "json":
        value = extract_parted(row.parted, "json").value
        is_call = isinstance(value, dict) and {"name", "arguments"} <= value.keys()
        reason = "tool_call" if is_call or _TOOLS.search(prompt) else "language: json"
        return Decision("tool_use", reason)
    if language == "shell" or (language == "yaml" and _DEVOPS.search(prompt)):
        return Decision("devops", f"language: {language}")
    # A request to change code that is quoted in it, answered by code, is an edit.
    if language != "text":
        if _EDIT.search(prompt) and (fences(prompt) or "def " in prompt):
            return Decision("code_editing", "prompt: edit")
        return Decision("executable_code", f"language: {language}")
    if _DEVOPS.search(prompt):
        return Decision("devops", "prompt: administration")
    if _TOOLS.search(prompt):
        return Decision("tool_use", "prompt: tools")
    return Decision("general_chat", "no other evidence")
