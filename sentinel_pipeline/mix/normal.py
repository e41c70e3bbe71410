"""Normal forms of prompts and answers: what is the same up to layout, comments or names has the same form.

Code is read by a lexer, not parsed: it serves every language of a mix at a tenth of a parser's time. What this module does not
do: know that two different programs compute the same thing.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from ..critic.fences import fences
from ..records import Message

_WORD = re.compile(r"\w+")
_STRING = r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`(?:\\.|[^`\\])*`'
_TOKEN = r"|\n[ \t]*|[^\W\d]\w*|\d[\w.]*|[^\s\w]"
_HASH = re.compile(rf"#[^\n]*|{_STRING}{_TOKEN}")
_SLASHES = re.compile(rf"//[^\n]*|/\*[\s\S]*?\*/|{_STRING}{_TOKEN}")
_SCRIPT = re.compile(r"\b(?:function|const|let|var|interface)\b[^\n]*[{;=]|=>")
_COMMENT = ("#", "//", "/*")
_SCRIPT_WORDS = """function const let var interface return if else for while of new this typeof switch case break continue
default null undefined true false number string boolean any void self cls echo grep awk sed cut sort uniq cat find xargs select
from where group by order"""
_KEPT = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(_SCRIPT_WORDS.split())
"""Words that are nobody's own names: ``sum`` is not ``max``."""


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation."""
    return _WORD.findall(text.casefold())


def prompt_of(messages: Iterable[Message]) -> str:
    """What was asked: the user turns."""
    return "\n".join(turn.content for turn in messages if turn.role == "user")


def code_of(completion: str) -> str:
    """The fenced blocks of an answer, or all of it where there is none."""
    blocks = fences(completion)
    return "\n".join(block.body for block in blocks) if blocks else completion


def code_tokens(text: str, *, structure: bool = False) -> list[str]:
    """Tokens without comments, docstrings and layout; quotes are all one kind.

    With ``structure`` each change of indentation is a token: the same statements nested otherwise are another program.
    """
    tokens: list[str] = []
    depth, indents, starts = 0, [0], True
    raw = (_SLASHES if _SCRIPT.search(text) else _HASH).findall(text.strip())
    for number, token in enumerate(raw):
        first = token[0]
        if first == "\n":
            starts = depth <= 0
            following = raw[number + 1][0] if number + 1 < len(raw) else "\n"
            if structure and starts and following not in "\n#":
                _indent(len(token.expandtabs(4)) - 1, indents, tokens)
            continue
        if token.startswith(_COMMENT) and (len(token) > 1 or first == "#"):
            continue
        if first in "\"'`" and len(token) > 1:
            alone = starts and (number + 1 == len(raw) or raw[number + 1][0] in "\n#")
            if not alone:
                tokens.append('"' + token.strip(first))
        else:
            depth += (first in "([{") - (first in ")]}")
            tokens.append(token)
        starts = False
    return tokens


def _indent(width: int, indents: list[int], tokens: list[str]) -> None:
    if width > indents[-1]:
        indents.append(width)
        tokens.append("\t")
    while width < indents[-1] and len(indents) > 1:
        indents.pop()
        tokens.append("\b")


def renamed(tokens: list[str], *, numbered: bool = True) -> list[str]:
    """The tokens with the author's names replaced: by ``v0``, ``v1`` … in the order of appearance, or all by ``v``.

    Keywords, attributes, and builtins that the code does not assign keep their names.
    """
    names: dict[str, str] = {}
    kept = _KEPT - _assigned(tokens)
    result: list[str] = []
    before = ""
    for token in tokens:
        if before != "." and token.isidentifier() and token not in kept:
            token = names.setdefault(token, f"v{len(names)}") if numbered else "v"
        result.append(token)
        before = token
    return result


def _assigned(tokens: list[str]) -> set[str]:
    """Builtins' names that the code gives to values of its own."""
    found: set[str] = set()
    depth = 0
    for token, following, after in zip(tokens, tokens[1:], [*tokens[2:], ""]):
        depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
        if following == "=" and after != "=" and depth == 0:
            found.add(token)
    return found


def answer_form(completion: str) -> str:
    """An answer up to comments, docstrings, quotes and layout that means nothing."""
    return " ".join(code_tokens(code_of(completion), structure=True))
