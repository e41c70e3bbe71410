"""Planted contaminations: items of a suite as they turn up in training data, reworded, renamed,
reformatted, translated, embedded.

The finder is measured on them. Each plant shows one side of the item only, beside a neutral other
side, so that every kind of evidence stands alone; the last kind changes both. What this module does
not do: paraphrase as a model does; the rewording is by synonyms, order and filler.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..critic.syntax import python_tree
from ..records import Candidate, Message, Task
from .normal import prompt_of
from .suite_index import is_program

_SYNONYMS = {
    "write": "create", "create": "make", "function": "method", "find": "determine", "return": "give back",
    "returns": "gives back", "check": "test", "whether": "if", "given": "supplied", "list": "sequence", "string": "text",
    "number": "value", "numbers": "values", "remove": "delete", "calculate": "compute", "count": "tally", "get": "obtain",
    "elements": "items", "element": "item", "the largest": "the greatest", "the smallest": "the least", "using": "with",
    "all": "every one of the", "print": "show", "called": "named", "python": "Python 3", "takes": "accepts",
    "convert": "turn", "containing": "holding", "only": "just", "each": "every", "implement": "code up", "call": "invoke",
}  # fmt: skip
_OPENINGS = (
    "Hi! Could you help me with this? ",
    "Task: ",
    "Please do the following. ",
    "I need this for work: ",
)
_CLOSINGS = (" Thanks!", " Explain briefly.", " Answer with the result only.", "")
_REQUESTS = (
    "Show me something short.",
    "What does this do?",
    "Give me some code to review.",
    "Go on.",
)
_ANSWERS = ("It depends on what you need.", "Here you are.", "I would rather not.", "pass")
_FOREIGN = (
    "calcula o resultado pedido",
    "gibt das Ergebnis zurück",
    "renvoie la valeur voulue",
    "comprueba cada elemento",
)
_NAMES = (
    "amount",
    "bucket",
    "cursor",
    "delta",
    "entry",
    "flag",
    "group",
    "holder",
    "inner",
    "joint",
    "kernel",
    "level",
)


class Plant(NamedTuple):
    """``row`` holds one item, changed as ``kind`` says."""

    kind: str
    task: Task
    row: Candidate


def plant(tasks: Sequence[Task], seed: int) -> list[Plant]:
    """Every kind of plant of every item that has what it needs. Same seed, same plants."""
    plants: list[Plant] = []
    for task in tasks:
        chance = random.Random(f"{seed}|{task.id}")
        prompt = prompt_of(task.messages)
        for kind, change in _PROMPTS.items():
            plants.append(_plant(kind, task, change(prompt, chance), chance.choice(_ANSWERS)))
        if not is_program(task):
            continue
        for kind, alter in _SOLUTIONS.items():
            answer = alter(task.reference, chance)
            if answer is not None:
                plants.append(_plant(kind, task, chance.choice(_REQUESTS), answer))
        both = rename(task.reference, chance)
        if both is not None:
            plants.append(_plant("reworded_and_renamed", task, reword(prompt, chance), both))
    return plants


def _plant(kind: str, task: Task, prompt: str, answer: str) -> Plant:
    name = f"{task.suite}/{task.id}#{kind}"
    row = Candidate(
        id=name,
        source="plant",
        messages=(Message("user", prompt),),
        completion=answer,
        planted=kind,
    )
    return Plant(kind, task, row)


def reword(text: str, chance: random.Random) -> str:
    """Four of five of the words that have a synonym replaced; the first two sentences of prose
    swapped now and then."""

    def other(match: re.Match[str]) -> str:
        word = _SYNONYMS.get(match[0].lower())
        if word is None or chance.random() > 0.8:
            return match[0]
        return word.capitalize() if match[0][0].isupper() else word

    head, mark, rest = text.partition(". ")
    if mark and "\n" not in head and chance.random() < 0.5:
        second, stop, tail = rest.partition(". ")
        if stop and "\n" not in second:
            text = f"{second}. {head}. {tail}"
    return re.sub(r"[A-Za-z]+", other, text)


def pad(text: str, chance: random.Random) -> str:
    """The request within talk, in another layout and case."""
    text = re.sub(r"[ \t]+", "  ", text) if chance.random() < 0.5 else text.replace("\n", " ")
    return (
        chance.choice(_OPENINGS)
        + (text.upper() if chance.random() < 0.3 else text)
        + chance.choice(_CLOSINGS)
    )


def rename(code: str, chance: random.Random) -> str | None:
    """Python under other names: functions, arguments and variables that the code itself defines."""
    tree = _tree(code)
    if tree is None:
        return None
    own = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    names = {
        name: f"{chance.choice(_NAMES)}_{number}"
        for number, name in enumerate(sorted(own - {"self"}))
    }
    return (
        re.sub(r"(?<![.\w])[A-Za-z_]\w*", lambda match: names.get(match[0], match[0]), code)
        if names
        else None
    )


def reformat(code: str, chance: random.Random) -> str | None:
    """Python printed anew from its tree: other quotes, brackets and line breaks, no comments."""
    tree = _tree(code)
    return ast.unparse(tree) if tree is not None else None


def translate(code: str, chance: random.Random) -> str | None:
    """Python printed anew with comments and a docstring in another language."""
    tree = _tree(code)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            node.body.insert(0, ast.Expr(ast.Constant(chance.choice(_FOREIGN))))
    lines = ast.unparse(ast.fix_missing_locations(tree)).split("\n")
    return "\n".join(
        f"{line}  # {chance.choice(_FOREIGN)}" if number % 3 == 2 else line
        for number, line in enumerate(lines)
    )


def embed(code: str, chance: random.Random) -> str | None:
    """The solution in a fence, with talk around it and a call below it."""
    whole = textless_indent(code)
    return f"Sure, here is one way to do it.\n\n```\n{whole}\n\nif __name__ == '__main__':\n    print('ok')\n```\nHope it helps!"


def textless_indent(code: str) -> str:
    """A body that continues a prefix, made a function of its own."""
    return f"def solve(*given):\n{code}" if code[:1] in (" ", "\t") else code


def _tree(code: str) -> ast.Module | None:
    return python_tree(textless_indent(code))


_PROMPTS: dict[str, Callable[[str, random.Random], str]] = {
    "verbatim_prompt": lambda text, chance: text,
    "padded_prompt": pad,
    "reworded_prompt": reword,
}
_SOLUTIONS: dict[str, Callable[[str, random.Random], str | None]] = {
    "verbatim_solution": lambda code, chance: code,
    "renamed_solution": rename,
    "reformatted_solution": reformat,
    "translated_comments": translate,
    "embedded_solution": embed,
}
