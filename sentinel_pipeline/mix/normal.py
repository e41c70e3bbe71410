"""Normal forms of prompts and answers: what is the same up to layout, comments, names or look-alike
letters has the same form.

Code is read by a lexer, not parsed: it serves every language of a mix at a tenth of a parser's
time. What this module does not do: know that two different programs compute the same thing."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from ..critic.fences import Fence, fences
from ..critic.unicode_text import plain, separate_words
from ..records import Message

_WORD = re.compile(r"\w+")
_STRING = r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`(?:\\.|[^`\\])*`'
_TOKEN = r"|\n[ \t]*|[^\W\d]\w*|\d[\w.]*|[^\s\w]"
_HASH = re.compile(rf"#[^\n]*|{_STRING}{_TOKEN}")
_SLASHES = re.compile(rf"//[^\n]*|/\*[\s\S]*?\*/|{_STRING}{_TOKEN}")
_SCRIPT = re.compile(r"\b(?:function|const|let|var|interface)\b[^\n]*[{;=]|=>")
_SCRIPT_SIGNS = ("=>", "function ", "const ", "let ", "var ", "interface ")
_QUOTES = frozenset("\"'`")
_SCRIPT_WORDS = """function const let var interface return if else for while of new this typeof switch case break continue
default null undefined true false number string boolean any void self cls echo grep awk sed cut sort uniq cat find xargs select
from where group by order"""
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_BUILTINS = frozenset(dir(builtins))
_KEPT = _BUILTINS | frozenset(keyword.kwlist) | frozenset(_SCRIPT_WORDS.split())
"""Words that are nobody's own names: ``sum`` is not ``max``."""


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation; those of scripts without spaces are separated."""
    return _WORD.findall(separate_words(plain(text)).casefold())


def prompt_of(messages: Iterable[Message]) -> str:
    """What was asked: the user turns."""
    return "\n".join(turn.content for turn in messages if turn.role == "user")


def code_of(completion: str) -> str:
    """The fenced blocks of an answer, or all of it where there is none."""
    return code_in(completion, fences(completion))


def code_in(completion: str, blocks: list[Fence]) -> str:
    """``code_of`` an answer whose blocks are known."""
    return "\n".join(block.body for block in blocks) if blocks else completion


def code_tokens(text: str, *, structure: bool = False) -> list[str]:
    """Tokens without comments, docstrings and layout; quotes are all one kind.

    With ``structure`` each change of indentation is a token: the same statements nested otherwise
    are another program."""
    text = separate_words(plain(text))
    tokens: list[str] = []
    depth = 0
    indents = [0]
    starts = True
    raw = (_SLASHES if is_script(text) else _HASH).findall(text.strip())
    for number, token in enumerate(raw):
        first = token[0]
        if first == "\n":
            starts = depth <= 0
            following = raw[number + 1][0] if number + 1 < len(raw) else "\n"
            if structure and starts and following not in "\n#":
                _indent(len(token.expandtabs(4)) - 1, indents, tokens)
            continue
        if first in _QUOTES and len(token) > 1:
            alone = starts and (number + 1 == len(raw) or raw[number + 1][0] in "\n#")
            if not alone:
                tokens.append('"' + token.strip(first))
        elif first == "#" or (first == "/" and len(token) > 1):
            continue
        else:
            depth += (first in _OPENING) - (first in _CLOSING)
            tokens.append(token)
        starts = False
    return tokens


_LAYOUT = ("\t", "\b")
"""Tokens of deeper and of lesser indentation."""


def without_layout(tokens: list[str], text: str) -> list[str]:
    """``code_tokens`` of a text, from those that it has with ``structure``."""
    if _LAYOUT[1] in text:  # the character itself is a token then
        return code_tokens(code_of(text))
    return [token for token in tokens if token not in _LAYOUT]


def is_script(text: str) -> bool:
    """Whether ``//`` begins a comment: TypeScript and its like. The words are looked for before
    the pattern, which is slower."""
    return any(word in text for word in _SCRIPT_SIGNS) and _SCRIPT.search(text) is not None


def _indent(width: int, indents: list[int], tokens: list[str]) -> None:
    if width > indents[-1]:
        indents.append(width)
        tokens.append(_LAYOUT[0])
    while width < indents[-1] and len(indents) > 1:
        indents.pop()
        tokens.append(_LAYOUT[1])


def renamed(tokens: list[str]) -> list[str]:
    """The tokens with the author's names replaced by ``v0``, ``v1`` … in the order of appearance.

    Keywords, attributes, and builtins that the code does not assign keep their names.
    """
    names: dict[str, str] = {}
    assigned = _assigned(tokens)
    reserved = _KEPT - assigned if assigned else _KEPT
    result: list[str] = []
    before = ""
    for token in tokens:
        if token not in reserved and before != "." and token.isidentifier():
            token = names.setdefault(token, f"v{len(names)}")
        result.append(token)
        before = token
    return result


def nameless(tokens: list[str], numbered: list[str]) -> list[str]:
    """The tokens with every name that ``renamed`` replaced as ``v``."""
    return [token if token == other else "v" for token, other in zip(tokens, numbered, strict=True)]


def _assigned(tokens: list[str]) -> set[str]:
    """Builtins' names that the code gives to values of its own: those before a lone ``=`` outside
    brackets."""
    names: set[str] = set()
    depth = 0
    for number, token in enumerate(tokens):
        if token in _OPENING:
            depth += 1
        elif token in _CLOSING:
            depth -= 1
        elif (
            token == "="
            and depth == 0
            and number
            and tokens[number - 1] in _BUILTINS
            and tokens[number + 1 : number + 2] != ["="]
        ):
            names.add(tokens[number - 1])
    return names
