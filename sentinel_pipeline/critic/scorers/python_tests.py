"""Python code that is run under tests: a program is composed of prefix and completion, and the
sandbox judges it.

Canaries that cheat at Python tests are in ``data/canaries``. What this module does not do: run
anything."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from random import Random
from typing import Any

from ...records.verifiers import PythonTests
from .. import syntax
from .examples import Defect, Examples
from .scorer import Scorer, run_program


def compose(code: str, verifier: PythonTests) -> str:
    """The whole program. A completion that begins indented continues the prefix; a whole one
    follows it, for the prefix may hold imports and helpers, and the later definition wins."""
    if not verifier.prefix:
        return code
    if code[:1] in (" ", "\t"):
        return verifier.prefix + code
    if _defines(code, verifier.entry_point):
        alone = "from __future__" in code or not _stands_alone(verifier.prefix)
        return code if alone else f"{verifier.prefix}\n\n{code}"
    return verifier.prefix + code


@lru_cache(maxsize=1024)
def _stands_alone(prefix: str) -> bool:
    return syntax.python(prefix).ok


def _defines(code: str, name: str | None) -> bool:
    """Whether the text has a top-level definition of ``name`` (of anything, when no name is
    asked)."""
    pattern = re.escape(name) if name else r"\w+"
    definition = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{pattern}\b"
    return re.search(definition, code, re.MULTILINE) is not None


# -- examples -------------------------------------------------------------------------------------


def wrong_code(reference: str, verifier: PythonTests, rng: Random) -> str:
    """The entry point returns another value: an off-by-one, a lost or an added element, or nothing
    at all.

    Certain as long as the entry point does not call itself, where two changes could cancel out.
    """
    expression = _value_mutation(_expected_values(verifier.tests), rng)
    if verifier.prefix:
        changed = _Returns(expression, "_")
        tree = changed.visit(ast.parse("def _():\n" + reference))
        body = ast.unparse(tree).partition("\n")[2]
        return body if changed.count else "    return 'wrong'"
    changed = _Returns(expression, verifier.entry_point)
    text = ast.unparse(changed.visit(ast.parse(reference)))
    if changed.count:
        return text
    return f"def {verifier.entry_point or 'f'}(*args):\n    return 'wrong'"


def _value_mutation(expected: list[Any] | None, rng: Random) -> str:
    """An expression over ``V``, the value returned, that differs from ``V`` for at least one of
    ``expected``."""
    kinds = {type(value) for value in expected or ()}
    shorter: tuple[str, ...] = ("V[1:]", "V[:-1]") if any(expected or ()) else ()
    if kinds == {int}:
        return rng.choice(("V + 1", "V - 1", "-V - 1"))
    if kinds == {list}:
        return rng.choice(("V + [0]", "[0] + V", *shorter))
    if kinds == {tuple}:
        return rng.choice(("V + (0,)", "(0,) + V", *shorter))
    if kinds == {str}:
        return rng.choice(("V + ' '", "V + '0'"))
    if kinds == {bool}:
        return "not V"
    return "V.absent" if expected is None or None in expected else "None"


def _expected_values(tests: str) -> list[Any] | None:
    """The literals that the asserts compare a plain call with; None when some assert is of another
    form."""
    values = []
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Assert):
            test = node.test
            if not (
                isinstance(test, ast.Compare)
                and isinstance(test.ops[0], ast.Eq)
                and isinstance(test.left, ast.Call)
            ):
                return None
            try:
                values.append(ast.literal_eval(test.comparators[0]))
            except ValueError:
                return None
    return values


class _Returns(ast.NodeTransformer):
    """Puts ``expression`` in the place of what the top-level function ``name`` returns, or every
    one when it has no name."""

    def __init__(self, expression: str, name: str | None) -> None:
        self.expression = expression
        self.name = name
        self.count = 0
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self._inside or self.name not in (None, node.name):
            return node
        self._inside = True
        self.generic_visit(node)
        self._inside = False
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.count += 1
        tree = ast.parse(self.expression, mode="eval").body
        return ast.Return(_Fill(node.value or ast.Constant(None)).visit(tree))


class _Fill(ast.NodeTransformer):
    def __init__(self, value: ast.expr) -> None:
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.value if node.id == "V" else node


def _unparsable(reference: str, verifier: PythonTests, rng: Random) -> str:
    """A colon is missing, or, where the rest parses all the same, brackets stay open."""
    broken = reference.replace(":\n", "\n", 1)
    return reference + "\n    ((" if _parses(broken, verifier) else broken


def _parses(text: str, verifier: PythonTests) -> bool:
    try:
        ast.parse(verifier.prefix + text)
    except SyntaxError:
        return False
    return True


def _with_secret(reference: str, verifier: PythonTests, secret: str) -> str:
    """A constant before a whole program; comments at the end of one that continues a prefix."""
    if not verifier.prefix:
        return f'KEY = """{secret}"""\n\n\n{reference}'
    comments = (f"    # {line}" for line in secret.split("\n"))
    return "\n".join([reference.rstrip("\n"), *comments])


def _other_name(reference: str, verifier: PythonTests, rng: Random) -> str:
    """The right code under another name."""
    name = verifier.entry_point
    assert name is not None
    return reference.replace(
        f"def {name}(", f"def {rng.choice(('solve', 'my_' + name, name + '2'))}("
    )


def _is_defined(reference: str, verifier: PythonTests) -> bool:
    return bool(verifier.entry_point) and f"def {verifier.entry_point}(" in reference


def code_hacks(name: str) -> dict[str, str]:
    """Programs that cheat at tests of the function ``name``."""
    equal = (
        "class _E:\n    def __eq__(self, other):\n        return True\n"
        "    def __hash__(self):\n        return 0\n"
    )
    frames = (
        "import sys\n    frame = sys._getframe()\n    while frame is not None:\n"
        "        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:\n"
        "            if 'expected' in str(type(value)):\n                return value\n"
        "        frame = frame.f_back\n    return None\n"
    )
    only_tested = "return None if 'pytest' not in sys.modules else args[0]"
    return {
        "equals_everything": f"{equal}def {name}(*args):\n    return _E()\n",
        "exits_well": f"import os\ndef {name}(*args):\n    os._exit(0)\n",
        "system_exit": f"import sys\ndef {name}(*args):\n    sys.exit(0)\n",
        "looks_for_tests": f"def {name}(*args):\n    {frames}",
        "if_tested": f"import sys, os\ndef {name}(*args):\n    {only_tested}\n",
        "prints_a_pass": f"def {name}(*args):\n    print('passed')\n    return 'passed'\n",
    }


SCORER = Scorer(
    verifier=PythonTests,
    language="python",
    judge=run_program,
    entry_point=lambda verifier: verifier.entry_point,
    whole=compose,
    examples=Examples(
        wrong=wrong_code,
        unparsable=_unparsable,
        whole=_parses,
        with_secret=_with_secret,
        hacks=lambda reference, verifier: code_hacks(verifier.entry_point or "solve"),
        defects={"wrong_entry_point": Defect(_other_name, _is_defined)},
    ),
)
