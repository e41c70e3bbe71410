"""Run trusted reference solutions over their inputs: JSON jobs on standard input, outputs as literals on standard output.

A script for a child process of its own; the references are the benchmark's, never a model's.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import json
import sys
from typing import Any

_NAMES = {"inf", "nan"}


def outputs(code: str, name: str, inputs: list[list[Any]]) -> dict[str, Any]:
    """``{"outputs": [literal, …]}``, or ``{"error": why}``."""
    names: dict[str, Any] = {"__name__": "reference"}
    try:
        exec(compile(code, "<reference>", "exec"), names)
        found = [repr(names[name](*copy.deepcopy(given))) for given in inputs]
        for text in found:
            if not _is_literal(text):
                return {"error": f"an output has no literal: {text[:80]}"}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    return {"outputs": found}


def _is_literal(text: str) -> bool:
    """Constants and containers of them, ``inf``, ``nan`` and ``set()``."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    dotted = any(isinstance(node, ast.Attribute) for node in ast.walk(tree))
    return not dotted and names <= _NAMES | {"set"} and all(ast.unparse(call) == "set()" for call in called)


if __name__ == "__main__":
    jobs = json.load(sys.stdin)
    with contextlib.redirect_stdout(io.StringIO()):
        answers = [outputs(*job) for job in jobs]
    json.dump(answers, sys.stdout)
