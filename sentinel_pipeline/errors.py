"""The error doctrine: one page, few boundary types.

What fails is named by *who has to act*, and every message says what was expected and what to do:

- ``BadInput``        the user's file, recipe, flag or row is wrong              -> exit code 2
- ``GateRefused``     the work was possible, the evidence forbids it             -> exit code 3
- ``Infrastructure``  ours or the machine's: worker died, disk full, device lost -> exit code 4

A bad *row* is data, not an exception: it is quarantined with file, line and reason
(``records.Quarantined``). A bad *completion* is data too: it is scored. Infrastructure is never a
score.

A message shows no secret: what an error quotes of a URL, a field or a row is masked whenever it is
read.

What this module does not do: catch anything. Exceptions are caught at the three front doors only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_GATE, EXIT_INFRASTRUCTURE = range(5)


class SentinelError(Exception):
    """Base of every error that this package raises on purpose; ``exit_code`` is the command's exit
    code."""

    exit_code = EXIT_FAILED

    def __str__(self) -> str:
        from .secrets import mask_error

        return mask_error(super().__str__())


class BadInput(SentinelError):
    """Input that a person wrote is wrong. Names file, line and field where they are known."""

    exit_code = EXIT_BAD_INPUT

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
        fix: str | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (file, line) if part is not None)
        where = ", ".join(part for part in (place, f"field {field!r}" if field else "") if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.file = file
        self.line = line
        self.field = field
        self.fix = fix
        if fix:
            self.add_note(fix)

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} {self.fix}" if self.fix else text


class GateRefused(SentinelError):
    """A gate's verdict is failed, missing or stale, so the work that depends on it does not
    start."""

    exit_code = EXIT_GATE


class Infrastructure(SentinelError):
    """Ours or the machine's fault, never the candidate's: may be retried, is never a score."""

    exit_code = EXIT_INFRASTRUCTURE


def did_you_mean(unknown: str, choices: Iterable[str]) -> str:
    """``"Did you mean 'x'? Known: …"``, the half-sentence that every unknown-name error ends
    with."""
    names = sorted(choices)
    near = difflib.get_close_matches(unknown, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."
