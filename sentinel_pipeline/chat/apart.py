"""Work of the chat server in processes that end, so that what it loads is not kept; and errors on
their way between processes.

Scoring code, NumPy, SciPy and PyArrow take more memory than the server itself, and what it asks of
them is a few lines of text. What this module does not do: know what is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ..errors import BadInput, GateRefused, Infrastructure, SentinelError
from ..store import Home

PATIENCE_S = 180.0
"""How long an answer may take: the sandbox has its own, shorter limits."""


def ask(home: Home, module: str, question: Any) -> Any:
    """What ``module`` answers (``answer_once``) to ``question``; both are JSON.

    Raises:
        BadInput, GateRefused: as the module says.
        Infrastructure: as it says, or its process did not come to an end.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(question),
            env={**os.environ, "SENTINEL_HOME": str(home.root)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Infrastructure(f"{module} took more than {PATIENCE_S:g} s. Ask again.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Infrastructure(f"{module} failed (exit code {done.returncode}): {last}")
    message = json.loads(done.stdout)
    raise_error(message)
    return message["answer"]


def answer_once(answer: Callable[[Any], Any]) -> int:
    """The module's own side: one question on standard input, one answer on standard output."""
    try:
        message = {"answer": answer(json.load(sys.stdin))}
    except SentinelError as error:
        message = error_to_json(error, "")
    print(json.dumps(message))
    return 0


def error_to_json(error: Exception, what: str) -> dict[str, Any]:
    """An error as another process raises it again; of one that is not ours only the type is told:
    what a library quotes of a conversation stays here."""
    if isinstance(error, BadInput):
        text = Exception.__str__(error)
        if error.field:
            text = text.removeprefix(f"field {error.field!r}: ")
        return {"error": "BadInput", "text": text, "field": error.field, "fix": error.fix}
    if isinstance(error, SentinelError):
        return {"error": type(error).__name__, "text": str(error)}
    return {"error": "Infrastructure", "text": f"{what}: {type(error).__name__}."}


def raise_error(message: dict[str, Any]) -> None:
    """
    Raises:
        BadInput, GateRefused, Infrastructure: the message is that error.
    """
    kind = message.get("error")
    if kind is None:
        return
    if kind == "BadInput":
        raise BadInput(message["text"], field=message["field"], fix=message["fix"])
    if kind == "GateRefused":
        raise GateRefused(message["text"])
    raise Infrastructure(message["text"])
