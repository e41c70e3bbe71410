"""Planted contaminations: items of a suite as they turn up in training data, reworded, renamed,
reformatted, restructured, split over turns, hidden in another writing.

The finder is measured on them. Each plant shows one side of the item only, beside a neutral other
side, so that every kind of evidence stands alone; the last kind changes both. What this module does
not do: paraphrase as a model does; the rewording is by synonyms, order and filler.
"""

from __future__ import annotations

import ast
import base64
import codecs
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..critic.fences import fences
from ..critic.syntax import python_tree
from ..records import Candidate, Message, Row, Task
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
_DOUBLES = dict(zip("aceiopxyABCEHKMOPTX", "асеіорхуАВСЕНКМОРТХ", strict=True))
"""Latin letters and the Cyrillic ones that look the same."""
_TALK = (
    "What is a good day for a walk?",
    "Saturday, if it does not rain.",
    "My cat sleeps on the keyboard all morning.",
    "That is common; a warm blanket nearby may help.",
    "Which bread goes well with soup?",
    "A dark rye, or a fresh baguette.",
    "Tell me something about the moon.",
    "It is slowly moving away from the earth.",
    "How long do I boil an egg?",
    "Seven minutes, for a soft yolk.",
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


Turns = tuple[Message, ...]


def plant(tasks: Sequence[Task], seed: int, forms: Sequence[Row | Candidate] = ()) -> list[Plant]:
    """Every kind of plant of every item that has what it needs. Same seed, same plants.

    With ``forms`` each plant looks like one of these rows: it has its system turn, comes after its
    earlier turns, and its code is fenced where that row's is.
    """
    plants: list[Plant] = []
    for task in tasks:
        chance = random.Random(f"{seed}|{task.id}")
        prompt = prompt_of(task.messages)
        for kind, change in _PROMPTS.items():
            turns = change(prompt, chance)
            answer = chance.choice(_ANSWERS)
            if isinstance(turns, str):
                plants.append(_plant(kind, task, (Message("user", turns),), answer))
            else:
                plants.append(_plant(kind, task, turns, answer))
        tests = getattr(task.verifier, "tests", None)
        if isinstance(tests, str) and tests.count("assert") >= 2:
            shown = _request(chance)
            plants.append(_plant("tests_only", task, shown, f"```\n{tests}\n```"))
        if not is_program(task):
            continue
        for kind, alter in _SOLUTIONS.items():
            answer_code = alter(task.reference, chance)
            if answer_code is not None:
                plants.append(_plant(kind, task, _request(chance), answer_code))
        both = rename(task.reference, chance)
        if both is not None:
            reworded = (Message("user", reword(prompt, chance)),)
            plants.append(_plant("reworded_and_renamed", task, reworded, both))
    if not forms:
        return plants
    chance = random.Random(seed)
    return [each._replace(row=_formed(each.row, chance.choice(forms))) for each in plants]


def _formed(row: Candidate, form: Row | Candidate) -> Candidate:
    """A plant in the form of another row."""
    system = tuple(turn for turn in form.messages if turn.role == "system")
    earlier = tuple(turn for turn in form.messages[:-1] if turn.role in ("user", "assistant"))
    turns = row.messages
    if turns[0].role != "system":
        turns = (*system, *earlier, *turns)
    completion = row.completion
    fenced = fences(form.completion)
    if fenced and "\n" in completion and "```" not in completion:
        completion = f"```{fenced[0].tag}\n{completion}\n```"
    return replace(row, messages=turns, completion=completion)


def _request(chance: random.Random) -> Turns:
    return (Message("user", chance.choice(_REQUESTS)),)


def _plant(kind: str, task: Task, turns: Turns, answer: str) -> Plant:
    name = f"{task.suite}/{task.id}#{kind}"
    row = Candidate(id=name, source="plant", messages=turns, completion=answer, planted=kind)
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


def look_alikes(text: str, chance: random.Random) -> str:
    """Every third letter that has a Cyrillic double replaced by it, and characters that are not
    seen between others."""
    marks = [
        _DOUBLES.get(mark, mark)
        if chance.random() < 0.3
        else mark + "\u200b" * (chance.random() < 0.1)
        for mark in text
    ]
    return "".join(marks)


def split(text: str, chance: random.Random) -> Turns:
    """The request over two or three user turns, each but the last answered by a word."""
    pieces = text.split(" ")
    count = 3 if len(pieces) > 12 else 2
    size = -(-len(pieces) // count)
    parts = [" ".join(pieces[start : start + size]) for start in range(0, len(pieces), size)]
    turns = [Message("user", parts[0])]
    for part in parts[1:]:
        turns += [
            Message("assistant", chance.choice(("Go on.", "Yes?", "OK."))),
            Message("user", part),
        ]
    return tuple(turns)


def in_a_chat(text: str, chance: random.Random) -> Turns:
    """The request in the middle of a long conversation about something else."""
    talk = [chance.choice(_TALK) for _ in range(16)]
    turns = [
        Message("assistant" if number % 2 else "user", line) for number, line in enumerate(talk)
    ]
    turns[8] = Message("user", text)
    return (*turns, Message("user", "Thank you, that is all."))


def as_json(text: str, chance: random.Random) -> str:
    """The request as a field of a JSON document."""
    return json.dumps({"id": chance.randrange(10**6), "question": text, "tags": ["code"]})


def as_base64(text: str, chance: random.Random) -> str:
    return f"Decode this and do it: {base64.b64encode(text.encode()).decode()}"


def as_rot13(text: str, chance: random.Random) -> str:
    return f"Rot13: {codecs.encode(text, 'rot13')}"


def in_a_system_turn(text: str, chance: random.Random) -> Turns:
    return Message("system", text), Message("user", chance.choice(_REQUESTS))


def in_an_earlier_answer(text: str, chance: random.Random) -> Turns:
    talk = chance.sample(_TALK, 2)
    return Message("user", talk[0]), Message("assistant", text), Message("user", talk[1])


class _Restructured(ast.NodeTransformer):
    """Loops over a sequence by position, comprehensions as loops of their own, additions that
    were shortened written out."""

    def __init__(self) -> None:
        self.count = 0

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        leaves = any(isinstance(inner, ast.Continue) for inner in ast.walk(node))
        if node.orelse or leaves:
            return node
        self.count += 1
        steps = f"steps_{self.count}"
        return [
            *ast.parse(f"{steps} = list({ast.unparse(node.iter)})").body,
            ast.While(
                test=ast.Name(steps, ast.Load()),
                body=[
                    *ast.parse(f"{ast.unparse(node.target)} = {steps}.pop(0)").body,
                    *node.body,
                ],
                orelse=[],
            ),
        ]

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            return node
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return ast.Assign(targets=[node.target], value=value)

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        if not isinstance(node.value, ast.ListComp) or len(node.value.generators) != 1:
            return node
        part = node.value.generators[0]
        tests = " and ".join(f"({ast.unparse(test)})" for test in part.ifs) or "True"
        loop = (
            f"collected = []\nfor {ast.unparse(part.target)} in {ast.unparse(part.iter)}:\n"
            f"    if {tests}:\n        collected.append({ast.unparse(node.value.elt)})\nreturn collected"
        )
        return ast.parse(loop).body


def restructure(code: str, chance: random.Random) -> str | None:
    """Python whose loops are written otherwise; names stay. None where it has none."""
    tree = _tree(code)
    if tree is None or not any(
        isinstance(node, (ast.For, ast.ListComp)) for node in ast.walk(tree)
    ):
        return None
    other = ast.unparse(ast.fix_missing_locations(_Restructured().visit(tree)))
    return other if other != ast.unparse(ast.parse(textless_indent(code))) else None


def solution_as_json(code: str, chance: random.Random) -> str:
    return json.dumps({"solution": code, "language": "python"})


def solution_as_base64(code: str, chance: random.Random) -> str:
    return f"Here it is, encoded:\n{base64.encodebytes(code.encode()).decode()}"


_PROMPTS: dict[str, Callable[[str, random.Random], str | Turns]] = {
    "verbatim_prompt": lambda text, chance: text,
    "padded_prompt": pad,
    "reworded_prompt": reword,
    "look_alike_letters": look_alikes,
    "split_over_turns": split,
    "in_a_long_chat": in_a_chat,
    "in_a_system_turn": in_a_system_turn,
    "in_an_earlier_answer": in_an_earlier_answer,
    "prompt_as_json": as_json,
    "prompt_as_base64": as_base64,
    "prompt_as_rot13": as_rot13,
}
_SOLUTIONS: dict[str, Callable[[str, random.Random], str | None]] = {
    "verbatim_solution": lambda code, chance: code,
    "renamed_solution": rename,
    "reformatted_solution": reformat,
    "translated_comments": translate,
    "embedded_solution": embed,
    "restructured_solution": restructure,
    "solution_as_json": solution_as_json,
    "solution_as_base64": solution_as_base64,
}
