"""Wrong programs made from right ones, and what running their tests plainly says of them.

The plain runner forks a process per program and trusts it: for mutants of references only, never
for candidates.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

_COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}


def mutants(code: str, most: int, after_line: int = 0) -> Iterator[str]:
    """Up to ``most`` variants, each with one change: constant, comparison, operator, branch or
    returned value.

    ``after_line``: a prompt's lines stay as they are; the judge has its own copy of a prompt's
    helpers.
    """

    def chosen(tree: ast.Module) -> list[ast.AST]:
        return [
            site
            for site in ast.walk(tree)
            if _changes(site) and getattr(site, "lineno", 0) > after_line
        ]

    sites = chosen(ast.parse(code))
    for index in range(min(most, len(sites))):
        tree = ast.parse(code)
        _change(chosen(tree)[index * len(sites) // min(most, len(sites))])
        yield ast.unparse(ast.fix_missing_locations(tree))


def _changes(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int or (type(node.value) is str and 0 < len(node.value) < 20)
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _COMPARE
    if isinstance(node, ast.BinOp):
        return type(node.op) in _ARITHMETIC
    return isinstance(node, ast.If) or (isinstance(node, ast.Return) and node.value is not None)


def _change(node: ast.AST) -> None:
    if isinstance(node, ast.Constant):
        node.value = node.value + 1 if isinstance(node.value, int) else str(node.value)[:-1]
    elif isinstance(node, ast.Compare):
        node.ops[0] = _COMPARE[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = _ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.If):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.List([node.value], ast.Load())


_RUNNER = """
import json, os, resource, sys
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 0); os.dup2(null, 1); os.dup2(null, 2)
            exec(json.loads(line), {"__name__": "plain"})
            code = 0
        finally:
            os._exit(code)
    print(os.waitpid(pid, 0)[1] == 0, flush=True)
"""


def passes_plainly(sources: list[str]) -> list[bool]:
    """For each source (program and tests together): does it run to its end?"""
    lines = "\n".join(json.dumps(source) for source in sources) + "\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", _RUNNER],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line == "True" for line in done.stdout.splitlines()]
