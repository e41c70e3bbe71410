"""Normal forms of prompts and answers: what is the same up to layout, comments or names has the same form.

What this module does not do: know that two different programs compute the same thing.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable

from ..critic.reading import guess_language
from ..critic.syntax import python_tree
from ..records import Message

_BUILTINS = frozenset(dir(builtins))
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation."""
    return _WORD.findall(text.casefold())


def prompt_of(messages: Iterable[Message]) -> str:
    """What was asked: the user turns."""
    return "\n".join(turn.content for turn in messages if turn.role == "user")


def answer_form(completion: str) -> str:
    """Python up to layout, comments and docstrings; any other text up to trailing blanks."""
    if guess_language(completion) == "python":
        form = code_form(completion)
        if form is not None:
            return form
    return "\n".join(line.rstrip() for line in completion.strip().split("\n"))


def code_form(code: str, *, rename: bool = False) -> str | None:
    """The syntax tree as text without docstrings and annotations; with ``rename`` also without the author's names.

    Builtins, attributes, keywords and imported names keep theirs: ``sum`` is not ``max``. None where the code does not parse.
    """
    tree = python_tree(code)
    if tree is None:
        return None
    try:
        names: dict[str, str] = {}
        for node in ast.walk(tree):
            _strip(node)
            if rename:
                _rename(node, names)
        return ast.dump(tree)
    except RecursionError:
        return None


def _strip(node: ast.AST) -> None:
    body = getattr(node, "body", None)
    if isinstance(body, list):
        kept = [each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
        node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    if isinstance(node, ast.arg):
        node.annotation = None
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        node.returns = None


def _rename(node: ast.AST, names: dict[str, str]) -> None:
    if isinstance(node, ast.Name) and node.id not in _BUILTINS:
        node.id = names.setdefault(node.id, f"v{len(names)}")
    elif isinstance(node, ast.arg):
        node.arg = names.setdefault(node.arg, f"v{len(names)}")
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        node.name = names.setdefault(node.name, f"v{len(names)}")
