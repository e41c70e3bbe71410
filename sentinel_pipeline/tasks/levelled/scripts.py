"""Command-line scripts: a Python program over standard input, or a TypeScript ``main`` over the
input's text. The level is how many commands a script knows.

Expected output comes from ``run`` below, never from running the reference's text.
"""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

from ...records import ScriptTests, StdioTests, Verifier
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (1, 7)


class Command(NamedTuple):
    """What a command does, in words and in each language: ``stock`` maps names to numbers, ``a``,
    ``b`` and ``n`` are its arguments."""

    words: str
    python: str
    script: str


COMMANDS: dict[str, Command] = {
    "take": Command(
        "take NAME N: N fewer of NAME, but never fewer than 0",
        "stock[a] = max(0, stock.get(a, 0) - n)",
        "stock.set(a, Math.max(0, (stock.get(a) ?? 0) - n));",
    ),
    "drop": Command("drop NAME: forgets NAME", "stock.pop(a, None)", "stock.delete(a);"),
    "show": Command(
        "show NAME: prints how many of NAME there are, or none where it is unknown",
        'print(stock.get(a, "none"))',
        'out.push(String(stock.get(a) ?? "none"));',
    ),
    "total": Command(
        "total: prints the sum of all numbers",
        "print(sum(stock.values()))",
        "out.push(String([...stock.values()].reduce((sum, x) => sum + x, 0)));",
    ),
    "names": Command(
        "names: prints all names in the order of the alphabet, with a space between them, or - where there are none",
        'print(" ".join(sorted(stock)) or "-")',
        'out.push([...stock.keys()].sort().join(" ") || "-");',
    ),
    "most": Command(
        "most: prints the name with the largest number, of several the first in the alphabet, or - where there is none",
        'print(min(stock, key=lambda name: (-stock[name], name)) if stock else "-")',
        'out.push([...stock.keys()].sort((x, y) => stock.get(y)! - stock.get(x)! || (x < y ? -1 : 1))[0] ?? "-");',
    ),
    "move": Command(
        "move NAME OTHER: all of NAME becomes OTHER's, beside what OTHER has, and NAME is forgotten; nothing where NAME is unknown",
        "if a in stock:\n            moved = stock.pop(a)\n            stock[b] = stock.get(b, 0) + moved",
        "if (stock.has(a)) { const moved = stock.get(a)!; stock.delete(a); stock.set(b, (stock.get(b) ?? 0) + moved); }",
    ),
    "clear": Command("clear: forgets everything", "stock.clear()", "stock.clear();"),
}
_ADD = Command(
    "add NAME N: N more of NAME",
    "stock[a] = stock.get(a, 0) + n",
    "stock.set(a, (stock.get(a) ?? 0) + n);",
)


def run(lines: list[str]) -> list[str]:
    """What a script prints for these lines."""
    stock: dict[str, int] = {}
    printed = []
    for line in lines:
        word, a, last = [*line.split(), "", ""][:3]
        n = int(last) if last.isdigit() else 0
        if word == "add":
            stock[a] = stock.get(a, 0) + n
        elif word == "take":
            stock[a] = max(0, stock.get(a, 0) - n)
        elif word == "drop":
            stock.pop(a, None)
        elif word == "show":
            printed.append(str(stock.get(a, "none")))
        elif word == "total":
            printed.append(str(sum(stock.values())))
        elif word == "names":
            printed.append(" ".join(sorted(stock)) or "-")
        elif word == "most":
            top = max(stock.values(), default=0)
            printed.append(min((name for name in stock if stock[name] == top), default="-"))
        elif word == "move" and a in stock:
            moved = stock.pop(a)
            stock[last] = stock.get(last, 0) + moved
        elif word == "clear":
            stock.clear()
        elif word not in COMMANDS:
            printed.append("?")
    return printed


def inputs(commands: list[str], rng: Random) -> list[list[str]]:
    """Lines of every command, with names that come again and one command that does not exist."""
    every = []
    for _ in range(4):
        names = rng.sample(WORDS, 3)
        lines = [f"add {name} {rng.randint(2, 30)}" for name in names]
        lines.append(f"add {names[0]} {rng.randint(2, 30)}")
        for _ in range(2):
            for word in rng.sample(commands, len(commands)):
                lines.append(_line(word, names, rng))
                lines.append(_line(rng.choice(commands), names, rng))
                if rng.random() < 0.4:
                    lines.append(f"add {rng.choice(names)} {rng.randint(2, 30)}")
        lines.append(f"{rng.choice(('list', 'undo', 'help'))} {names[1]}")
        # What commands without output did shows in what is printed at the end.
        lines += [f"show {name}" for name in names if "show" in commands]
        lines += [word for word in commands if word in ("total", "names", "most")]
        every.append(lines)
    return every


def _line(word: str, names: list[str], rng: Random) -> str:
    if word in ("total", "names", "most", "clear"):
        return word
    if word == "take":
        return f"take {rng.choice(names)} {rng.randint(1, 20)}"
    if word == "move":
        return "move " + " ".join(rng.sample(names, 2))
    name = rng.choice([*names, "zinc"]) if word == "show" else rng.choice(names)
    return f"{word} {name}"


def draw(level: int, rng: Random) -> list[str]:
    """At least one command prints."""
    printing = rng.choice(("show", "total", "names", "most"))
    others = [name for name in COMMANDS if name != printing]
    return sorted([printing, *rng.sample(others, level - 1)], key=list(COMMANDS).index)


def generate(composition: str, rng: Random) -> Draft:
    _, kind, commands = parted(composition)
    known = {"add": _ADD} | {name: COMMANDS[name] for name in commands}
    listing = "\n".join(f"- {command.words}" for command in known.values())
    cases = [(lines, run(lines)) for lines in inputs(commands, rng)]
    rules = f"Each line is one command; names and numbers start unknown:\n{listing}\n- any other command: prints ?"
    verifier: Verifier
    if kind == "python":
        branches = "\n    ".join(
            f'{"if" if number == 0 else "elif"} word == "{name}":\n        {command.python}'
            for number, (name, command) in enumerate(known.items())
        )
        code = (
            "import sys\n\nstock = {}\nfor line in sys.stdin:\n    if not line.strip():\n        continue\n"
            '    word, a, b = [*line.split(), "", ""][:3]\n    n = int(b) if b.isdigit() else 0\n'
            f'    {branches}\n    else:\n        print("?")\n'
        )
        prompt = f"Write a Python script that reads commands from standard input. {rules}"
        verifier = StdioTests(
            inputs=tuple("".join(line + "\n" for line in lines) for lines, _ in cases),
            outputs=tuple("".join(line + "\n" for line in printed) for _, printed in cases),
        )
    else:
        branches = " else ".join(
            f'if (word === "{name}") {{ {command.script} }}' for name, command in known.items()
        )
        code = (
            "function main(input: string): string {\n  const stock = new Map<string, number>();\n  const out: string[] = [];\n"
            '  for (const line of input.split("\\n")) {\n    if (!line.trim()) continue;\n'
            '    const [word, a = "", b = ""] = line.trim().split(/\\s+/);\n    const n = Number(b) || 0;\n'
            f'    {branches} else {{ out.push("?"); }}\n  }}\n  return out.join("\\n");\n}}'
        )
        prompt = (
            "Write the core of a TypeScript command-line script: a function main(input: string): string that takes the "
            f"whole standard input and returns the printed lines, with a line end between them. {rules}"
        )
        lines = ["import { strict as assert } from 'node:assert';"]
        lines += [
            f"assert.equal(main({json.dumps(chr(10).join(typed) + chr(10))}), {json.dumps(chr(10).join(printed))});"
            for typed, printed in cases
        ]
        verifier = ScriptTests(tests="\n".join(lines) + "\n", entry_point="main")
    return Draft(ask(prompt), code, verifier)


FAMILY = Family(
    "scripts",
    "executable_code",
    compositions("scripts", LEVELS, ("python", "typescript"), draw),
    generate,
    levels=LEVELS,
)
