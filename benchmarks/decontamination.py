"""Decontamination: what is found of benchmark items in every form, and what is wrongly found.

Items are HumanEval's and MBPP's test half (MBPP/11 to MBPP/510), from the folder that
``SENTINEL_BENCHMARKS`` names, beside twenty tasks of this file and forty of ``rewordings``, each of
which has a rewording and a translation written by hand. Reported are

- ``recall``: of planted items, by kind of plant; ``distributed``: the prompts as the files have them,
  answered with another program;
- ``by_hand``: of the rewordings and translations, without code: of this file's tasks, and of the
  forty in entirely other words; nothing was chosen by the latter;
- ``without_the_item``: of the same rewordings and translations where the sixty are no items: some
  are items of MBPP all the same, the others are wrongly found;
- ``clean``: of rows that have nothing to do with the items (functions of the standard library, loops
  that everybody writes, questions about programming), those wrongly found;
- ``template``: of 1,600 different rows of one template, those found, where some items are of the
  template as well, and of as many rows of the generators' templates;
- ``relatives``: of MBPP's other 474 tasks with their solutions, those found; some are the same task
  under another number; ``asked`` are their prompts alone, without code;
- rows a second of processor time.

    python -m benchmarks.decontamination [--items 300] [--seed 1]
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import textwrap
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.rewordings import JUDGED, as_items
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.plants import plant
from sentinel_pipeline.records import Candidate, Message, PythonTests, Task
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.task_bank import build

FOLDER = Path(os.environ.get("SENTINEL_BENCHMARKS", "../shared/benchmarks"))
OWN = (
    (
        "Write a function to compute the average temperature of each month.",
        "For every month, work out the mean of its temperatures.",
        "Escreva uma função para calcular a temperatura média de cada mês.",
    ),
    (
        "Write a function to find the longest word that starts with a capital letter.",
        "Among the words beginning with a capital, which is the longest? Give me code.",
        "Escribe una función para encontrar la palabra más larga que empieza con una letra mayúscula.",
    ),
    (
        "Write a function to merge two sorted linked lists.",
        "Combine a pair of ordered linked lists into a single one.",
        "Écris une fonction pour fusionner deux listes chaînées triées.",
    ),
    (
        "Write a function to count the islands in a binary grid.",
        "How many islands does a grid of zeros and ones have?",
        "Schreibe eine Funktion, die die Inseln in einem binären Gitter zählt.",
    ),
    (
        "Write a function to check whether a chess knight can reach a square in k moves.",
        "Can a knight get to some square of the chess board within k moves? Answer by a function.",
        "Escreva uma função para verificar se um cavalo de xadrez pode alcançar uma casa em k movimentos.",
    ),
    (
        "Write a function to convert a Julian date to a Gregorian date.",
        "Turn dates of the Julian calendar into Gregorian ones.",
        "Escribe una función para convertir una fecha juliana en una fecha gregoriana.",
    ),
    (
        "Write a function to remove every comment from a C program.",
        "Strip the comments out of C source code.",
        "Écris une fonction pour supprimer tous les commentaires d'un programme C.",
    ),
    (
        "Write a function to find the median of a stream of numbers.",
        "Numbers arrive one by one; keep their median at hand.",
        "编写一个函数,求数字流的中位数。",
    ),
    (
        "Write a function to compress a string by run-length encoding.",
        "Apply run length encoding to a text so that it gets shorter.",
        "Schreibe eine Funktion, die eine Zeichenkette durch Lauflängenkodierung komprimiert.",
    ),
    (
        "Write a function to simulate a traffic light with three states.",
        "Model a traffic light that has three states.",
        "Escreva uma função para simular um semáforo com três estados.",
    ),
    (
        "Write a function to find all anagrams of a word in a dictionary.",
        "Given a dictionary, list the anagrams of some word.",
        "Escribe una función para encontrar todos los anagramas de una palabra en un diccionario.",
    ),
    (
        "Write a function to compute the determinant of a square matrix.",
        "What is the determinant of a given square matrix? Implement it.",
        "Écris une fonction pour calculer le déterminant d'une matrice carrée.",
    ),
    (
        "Write a function to encode a message with the Vigenere cipher.",
        "Encrypt a message by means of Vigenere's cipher.",
        "Escreva uma função para codificar uma mensagem com a cifra de Vigenère.",
    ),
    (
        "Write a function to find the shortest path in a weighted graph.",
        "In a graph with weights, which path is the shortest?",
        "Schreibe eine Funktion, die den kürzesten Pfad in einem gewichteten Graphen findet.",
    ),
    (
        "Write a function to validate an international bank account number.",
        "Is an international bank account number valid? Check it.",
        "Écris une fonction pour valider un numéro de compte bancaire international.",
    ),
    (
        "Write a function to draw a histogram of word lengths.",
        "Make a histogram out of the lengths of words.",
        "Escribe una función para dibujar un histograma de las longitudes de las palabras.",
    ),
    (
        "Write a function to rotate an image by ninety degrees clockwise.",
        "Turn an image clockwise by ninety degrees.",
        "Escreva uma função para girar uma imagem noventa graus no sentido horário.",
    ),
    (
        "Write a function to schedule meetings without overlapping intervals.",
        "Plan meetings such that no intervals overlap.",
        "编写一个函数,安排会议,使区间不重叠。",
    ),
    (
        "Write a function to compute the Levenshtein distance between two words.",
        "How far apart are a pair of words by Levenshtein's distance?",
        "Escribe una función para calcular la distancia de Levenshtein entre dos palabras.",
    ),
    (
        "Write a function to find the peak elements of a mountain array.",
        "Get the peaks of an array shaped like a mountain.",
        "Écris une fonction pour trouver les pics d'un tableau en forme de montagne.",
    ),
)
"""What is asked, in other words, in another language."""
BY_HAND = {"own": OWN, "other_words": JUDGED}
LOOPS = (
    "total = 0\nfor {x} in {xs}:\n    total += {x}\nprint(total)",
    "for {i} in range(len({xs})):\n    print({i}, {xs}[{i}])",
    "result = []\nfor {x} in {xs}:\n    if {x} > 0:\n        result.append({x})\nprint(result)",
    "{i} = 0\nwhile {i} < 10:\n    print({i})\n    {i} += 1",
    "with open({xs}) as file:\n    for line in file:\n        print(line.strip())",
    "counts = {{}}\nfor {x} in {xs}:\n    counts[{x}] = counts.get({x}, 0) + 1\nprint(counts)",
    "def main():\n    {xs} = [1, 2, 3]\n    for {x} in {xs}:\n        print({x} * 2)\n\n\nmain()",
    "best = None\nfor {x} in {xs}:\n    if best is None or {x} > best:\n        best = {x}\nprint(best)",
)
QUESTIONS = (
    "What is the difference between a list and a tuple in Python?",
    "How do I reverse a list in place?",
    "Explain how a dictionary works.",
    "Why does my loop never end?",
    "How can I read a file line by line?",
    "What does the keyword yield do?",
    "When should I use a set instead of a list?",
    "How do I sort a dictionary by its values?",
    "What is a lambda, and what is it good for?",
    "How do I round a float to two digits?",
    "Why are default arguments that are lists a bad idea?",
    "How do I remove duplicates from a list but keep the order?",
    "What is the complexity of sorting a list of strings?",
    "How do I check whether a string is a number?",
    "What is recursion?",
    "Can you explain binary search in simple words?",
    "How do I install a package for one project only?",
    "What is a virtual environment?",
    "How do I merge two branches?",
    "What is the maximum length of a string in Python?",
    "How do I convert a string to an integer, and what if it has spaces?",
    "Which is faster, a list comprehension or a loop?",
    "How do I test that a function raises an exception?",
    "What does it mean that strings are immutable?",
    "How do I count the lines of a file?",
)
MADE = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heath", "inlet", "jetty")
NOUNS = ("price", "weight", "score", "depth", "speed", "width", "count", "share", "level", "rate")
FAMILIES = {"functions": 60, "edits": 30, "tools": 20, "shell": 20, "chat": 20}


def suites() -> tuple[list[Task], list[Task]]:
    """The items, and MBPP's tasks that are no items."""
    humaneval = load_suite("humaneval", data=FOLDER / "humaneval/HumanEval.jsonl.gz")
    mbpp = load_suite("mbpp", data=FOLDER / "mbpp/mbpp.jsonl")
    judged = [task for task in mbpp if 11 <= int(task.id[5:]) <= 510]
    judged_ids = {task.id for task in judged}
    own = as_items(BY_HAND)
    return [*humaneval, *judged, *own], [task for task in mbpp if task.id not in judged_ids]


def row(name: str, asked: str, answered: str) -> Candidate:
    return Candidate(
        id=name, source="made", messages=(Message("user", asked),), completion=answered
    )


def library_rows(chance: random.Random, count: int) -> list[Candidate]:
    """Functions of the standard library, asked for by name and docstring."""
    rows: list[Candidate] = []
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                code = textwrap.dedent(ast.get_source_segment(text, node) or "")
                described = (ast.get_docstring(node) or "").split("\n\n")[0]
                if 200 <= len(code) <= 1800:
                    name = f"{path.stem}.{node.name}"
                    asked = f"Write the Python function {node.name}. {described}"
                    rows.append(row(name, asked, code))
    return chance.sample(rows, min(count, len(rows)))


def template_tasks(chance: random.Random, count: int) -> list[tuple[str, str, str]]:
    """Different tasks of one template: what is asked, the program, the name of its function."""
    tasks: dict[str, tuple[str, str, str]] = {}
    while len(tasks) < count:
        name = f"{chance.choice(MADE)}_{chance.choice(NOUNS)}"
        factor, offset = chance.randrange(2, 40), chance.randrange(1, 400)
        asked = (
            f"Write a Python function {name} that takes a list of numbers, multiplies each of them by "
            f"{factor}, adds {offset} and returns the results as a list."
        )
        code = (
            f"def {name}(values):\n    return [value * {factor} + {offset} for value in values]\n"
        )
        tasks[f"{factor}|{offset}"] = (asked, code, name)
    return list(tasks.values())


def found(rows: Iterable[Candidate], items: list[Task], **more: Any) -> dict[str, Any]:
    """Of how many rows how many overlap an item, by kind."""
    kept = list(rows)
    hits = decontaminate(kept, items, **more).hits
    kinds = dict(sorted(Counter(hit.kind for hit in hits).items()))
    return {"found": len(hits), "of": len(kept), "rate": round(len(hits) / len(kept), 4)} | (
        {"kinds": kinds} if kinds else {}
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    items, relatives = suites()
    chosen = chance.sample(items, min(arguments.items, len(items)))

    plants: dict[str, list[Candidate]] = {}
    for planted in plant(chosen, arguments.seed):
        plants.setdefault(planted.kind, []).append(planted.row)
    result: dict[str, Any] = {"benchmark": "decontamination", "items": len(items)}
    library = library_rows(chance, 400)
    # Plants stand among other rows, as they would in a corpus.
    result["recall"] = {kind: found(rows, items, corpus=library) for kind, rows in plants.items()}
    program = (
        "def f(x):\n    y = []\n    while x:\n        y.append(x.pop() * 3)\n    return y[::-1]"
    )
    texts = [json.loads(line)["text"] for line in (FOLDER / "mbpp/mbpp.jsonl").open()][10:510]
    result["distributed"] = found(
        (row(str(n), text, program) for n, text in enumerate(texts)), items, corpus=library
    )
    others = [item for item in items if item.suite not in BY_HAND]
    for name, compared in (("by_hand", items), ("without_the_item", others)):
        result[name] = {
            f"{kind}, {suite}": found(
                (row(str(n), texts[place], "Sure.") for n, texts in enumerate(tasks)),
                compared,
                corpus=library,
            )
            for kind, place in (("reworded", 1), ("translated", 2))
            for suite, tasks in BY_HAND.items()
        }

    loops = [
        row(
            f"loop {n}",
            chance.choice(("Show me a loop.", "Go through it.", "Give me some code.")),
            chance.choice(LOOPS).format(x=chance.choice("xvne"), i=chance.choice("ijk"), xs=chance.choice(NOUNS)),
        )
        for n in range(100)
    ]  # fmt: skip
    questions = [row(text, text, "It depends on what you need.") for text in QUESTIONS]
    result["clean"] = {
        "library": found(library, items),
        "loops": found(loops, items, corpus=library),
        "questions": found(questions, items, corpus=library),
    }

    made = template_tasks(chance, 1640)
    of_template = [
        replace(
            items[-1],
            id=f"template/{n}",
            messages=(Message("user", asked),),
            verifier=PythonTests(tests="assert True", entry_point=name),
            reference=code,
        )
        for n, (asked, code, name) in enumerate(made[:40])
    ]
    rows = [row(str(n), asked, code) for n, (asked, code, _) in enumerate(made[40:])]
    same = [row(task.id, task.messages[0].content, "No.") for task in of_template]
    bank = build(3, {name: 8 * count for name, count in FAMILIES.items()}, FAMILIES, {})
    generated = [row(task.id, "", task.reference) for task in bank.train]
    generated = [
        replace(each, messages=task.messages)
        for each, task in zip(generated, bank.train, strict=True)
    ]
    result["template"] = {
        "rows": found(rows, [*items, *of_template]),
        "items_themselves": found(same, [*items, *of_template], corpus=rows),
        "generated_rows": found(generated, list(bank.heldout)),
    }
    result["relatives"] = found(
        (row(task.id, task.messages[0].content, task.reference) for task in relatives), items
    )

    result["asked"] = found(
        (row(task.id, task.messages[0].content, "Sure.") for task in relatives), items
    )

    began = time.process_time()
    decontaminate(library, items, corpus=())
    spent = time.process_time() - began
    began = time.process_time()
    decontaminate((), items, corpus=())
    spent -= time.process_time() - began
    result["rows_per_s"] = round(len(library) / spent)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
