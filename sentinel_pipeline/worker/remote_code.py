"""Whether this process may run Python files that come with a model.

A checkpoint or a data set can name Python files of its own, and Transformers asks on standard input
whether it may run them where nobody said so. Every call that could ask says it here, so an answer
that somebody piped in decides nothing. A recipe may allow it (``model.trust_remote_code``): a job
carries that, and the worker that runs the job sets it here, once, aloud. What this module does not
do: load anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_allowed: list[bool] = []


def allow_remote_code(say: Callable[[str], None]) -> None:
    """From now on this process runs such files."""
    _allowed.append(True)
    say(
        "WARNING: model.trust_remote_code = true: Python files that come with the model run in this "
        "process, with everything that this user may do"
    )


def trust_remote_code(source: Path | str, *, recipe_says: bool = False) -> bool:
    """What ``trust_remote_code`` is for a model's folder or a data set's name: False, but where the
    recipe allows it, for this call (``recipe_says``) or for the whole process."""
    return recipe_says or bool(_allowed)
