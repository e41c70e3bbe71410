"""Which category a row is of, by the evidence in it, where its source did not say. Audio, prose and OCR rows are held back.

What this module does not do: use a model, or overrule a category that the source gave and the mix knows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..critic.extract import extract
from ..critic.fences import fences
from ..critic.reading import guess_language
from ..critic.thoughts import part
from ..records import (
    Candidate,
    Constraints,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    PatchApplies,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    TextAnswer,
)
from ..records.data_spec import CategoryRule, MixSpec
from .normal import prompt_of, words

SEED_000 = MixSpec()

HELD_BACK = ("audio", "prose", "ocr")
"""Seed 000 keeps these for a later run: they are no category of a mix."""


class Decision(NamedTuple):
    """``category`` is a category of the mix or one of ``HELD_BACK``; ``reason`` is a stable code."""

    category: str
    reason: str


_LANGUAGES = {
    ScriptTests: "typescript", SqlAnswer: "sql", PatchApplies: "diff", JsonAnswer: "json", ShellEffect: "shell",
    TextAnswer: "text", FunctionCalls: "json", Constraints: "text",
    FieldsAnswer: "json", GroundedText: "text", JudgedAnswer: "text",
}  # fmt: skip
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
MIN_PROSE = 3000
"""Characters of an answer without code from which it is prose, when the request is short of being a question."""


def category_of(candidate: Candidate, spec: MixSpec = SEED_000) -> Decision:
    """Decide by, in this order: the source's word where the mix knows it, the recipe's own rules, the verifier, held-back marks,
    the answer's language, the prompt's words."""
    if candidate.category is not None and (
        candidate.category in spec.shares or candidate.category in HELD_BACK
    ):
        return Decision(candidate.category, "given")
    prompt = prompt_of(candidate.messages)[:20_000]
    for name, rule in spec.categories.items():
        if _holds(rule, candidate, prompt):
            return Decision(name, "rule")
    if candidate.verifier is not None:
        return Decision(candidate.verifier.category, f"verifier: {candidate.verifier.kind}")
    answer = part(candidate.completion).answer
    return _held_back(prompt, answer) or _by_answer(prompt, answer)


def _holds(rule: CategoryRule, candidate: Candidate, prompt: str) -> bool:
    asked = f" {' '.join(words(prompt))} " if rule.words else ""
    return (
        (not rule.sources or candidate.source in rule.sources)
        and (
            not rule.words or any(f" {' '.join(words(phrase))} " in asked for phrase in rule.words)
        )
        and (not rule.languages or _language(candidate, prompt) in rule.languages)
    )


def _language(candidate: Candidate, prompt: str) -> str:
    if candidate.verifier is not None:
        return _LANGUAGES.get(type(candidate.verifier), "python")
    answer = part(candidate.completion).answer
    tagged = next((block.language for block in fences(answer[:20_000]) if block.language), None)
    return tagged or guess_language(answer, prompt)


QUALITIES = ("accepted", "parsed", "verified")


def quality_of(candidate: Candidate) -> str:
    """One of ``QUALITIES``, of a row that the critic accepted: nothing that spoke against it is left to ask."""
    if candidate.verifier is not None:
        return "verified"
    return (
        "accepted"
        if _language(candidate, prompt_of(candidate.messages)[:20_000]) == "text"
        else "parsed"
    )


def _held_back(prompt: str, completion: str) -> Decision | None:
    head = completion[:20_000]
    if _AUDIO.search(prompt) or len(_AUDIO.findall(head)) >= 2:
        return Decision("audio", "held_back: transcript marks")
    if _OCR.search(prompt) or len(_OCR.findall(head)) >= 2:
        return Decision("ocr", "held_back: scan marks")
    plain = (
        len(completion) >= MIN_PROSE
        and not fences(completion)
        and guess_language(completion) == "text"
    )
    if (
        plain
        and "?" not in prompt
        and not re.search(r"\b(?:summari[sz]e|plan|explain|list|write|draft)\b", prompt, re.I)
    ):
        return Decision("prose", "held_back: long plain text that answers nothing")
    return None


def _by_answer(prompt: str, completion: str) -> Decision:
    language = guess_language(completion, prompt)
    if language == "diff":
        return Decision("code_editing", "language: diff")
    if language == "json":
        value = extract(completion, "json").value
        call = _TOOLS.search(prompt) or (
            isinstance(value, dict) and {"name", "arguments"} <= value.keys()
        )
        return Decision("tool_use", "tool_call" if call else "language: json")
    if language == "shell" or (language == "yaml" and _DEVOPS.search(prompt)):
        return Decision("devops", f"language: {language}")
    if language != "text" or any(
        block.language == "typescript" for block in fences(completion[:20_000])
    ):
        edits = _EDIT.search(prompt) and (fences(prompt) or "def " in prompt)
        return (
            Decision("code_editing", "prompt: edit")
            if edits
            else Decision("executable_code", f"language: {language}")
        )
    if _DEVOPS.search(prompt):
        return Decision("devops", "prompt: administration")
    return (
        Decision("tool_use", "prompt: tools")
        if _TOOLS.search(prompt)
        else Decision("general_chat", "no other evidence")
    )
