"""Plain English wherever a person reads: words that the glossary refuses are in no message, help,
page, recipe or document.

Read are all string constants of product code that are phrases (docstrings of private functions and
classes excepted), templates and scripts of the pages, README, CHANGELOG, docs and recipes. Names in
backticks are code and not read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sentinel_pipeline_tests.conftest import ROOT

PACKAGE = ROOT / "sentinel_pipeline"
REFUSED = {
    r"(?<!there )\b(is|are) no (?!longer\b|more\b|less\b|later\b|better\b|worse\b)[a-z]+": "invalid, unknown, not a …",
    r"\bstands? twice\b": "duplicate id",
    r"\bmend(s|ed|ing)?\b": "fix, correct, repair",
    r"\bwithout a word\b": "exited without an error message",
    r"\bexamines nobody\b": "[judge.exam] needs [judge.model]",
    r"\bdoes not answer yet\b": "starting",
    r"\b(may come in|shut out)\b": "active, deactivated",
    r"\btokens at most\b": "max tokens",
    r"\bbeside it: nobody\b": "compare with: none",
    r"\bgiv(e|es|en|ing) (it |them |a \w+ )?away\b": "publish",
    r"\bnot asked\b": "skipped, with the reason",
    r"\bsaved-again\b": "re-saved copy",
    r"\bof now\b": "current scorer version",
    r"\bmorning reader\b|\bbreakfast\b": "reading gate results",
    r"\bwould go\b(?! on)|\bgone:": "would delete, deleted",
    r"\bask again what\b": "ignore the answer cache",
    r"\bask nothing\b": "validate only; nothing is generated",
    r"\bhow often everything is asked\b": "evaluation rounds",
    r"\btree makes of\b": "show the recommended next step",
    r"\bartefacts?\b": "artifact",
    r"\bseeds? 00\d\b": "auto-critic plan, stage 1 plan, V4.1 handoff, stage 1 findings, labelling request",
}
"""What is refused -> what is said instead."""

DATA = ("tasks/suites/diffs.py",)
"""Prompts are data: their wording is what models were measured on, and it stays."""


class Text(NamedTuple):
    """A text that a person may read, with the place where it is written."""

    path: Path
    line: int
    text: str


def phrases(path: Path) -> Iterator[Text]:
    """String constants with a space in them; an f-string is one text with ``…`` for its values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0]
            if node.name.startswith("_") and isinstance(first, ast.Expr):
                skipped.add(id(first.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(value) for value in node.values}
            parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
            yield Text(path, node.lineno, "".join(map(str, parts)))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) not in skipped and " " in node.value.strip():
            yield Text(path, node.lineno, node.value)


def lines(path: Path) -> Iterator[Text]:
    comment = "//" if path.suffix == ".js" else "\0"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip().startswith(comment):
            yield Text(path, number, line)


def texts() -> Iterator[Text]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.as_posix() not in DATA:
            yield from phrases(path)
    pages = [path for kind in ("html", "jinja", "js") for path in PACKAGE.rglob(f"*.{kind}")]
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    recipes = [*(ROOT / "data" / "recipes").glob("*.toml"), *(ROOT / "data").glob("*.toml")]
    for path in sorted([*pages, *documents, *recipes]):
        yield from lines(path)


ALL = list(texts())


@pytest.mark.parametrize("pattern", REFUSED)
def test_no_text_uses_words_that_the_glossary_refuses(pattern: str) -> None:
    refused = re.compile(pattern, re.IGNORECASE)
    hits = [
        f"{text.path.relative_to(ROOT)}:{text.line}: {match[0]!r}"
        for text in ALL
        for match in refused.finditer(re.sub(r"``?[^`]+``?", "``", " ".join(text.text.split())))
    ]
    assert not hits, f"say {REFUSED[pattern]!r} instead:\n" + "\n".join(hits)


def test_rates_are_written_by_one_function() -> None:
    """``73.3 %`` everywhere; axes of plots, which have no room for the space, and model-facing
    texts are apart."""
    apart = {"plots.py", "tasks/commerce/insights.py"}
    hits = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.as_posix() in apart:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FormattedValue) or node.format_spec is None:
                continue
            if ast.unparse(node.format_spec).rstrip("'\"").endswith("%"):
                hits.append(f"{name}:{node.lineno}")
    assert not hits, f"use rates.percent: {hits}"


def test_texts_of_every_kind_are_read() -> None:
    read = {text.path.suffix for text in ALL}
    assert read == {".py", ".html", ".jinja", ".js", ".md", ".toml"} and len(ALL) > 5_000


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("'x' is no stage.", True),
        ("there is no such stage", False),
        ("it is no longer there", False),
        ("these are no pairs", True),
        ("there are no pairs", False),
        ("id 'a' stands twice", True),
        ("Mend it.", True),
        ("recommended", False),
        ("Seed 003's bar", True),
        ("seed 17", False),
    ],
)
def test_the_patterns_refuse_what_they_should(text: str, refused: bool) -> None:
    hits = [pattern for pattern in REFUSED if re.search(pattern, text, re.IGNORECASE)]
    assert bool(hits) == refused
