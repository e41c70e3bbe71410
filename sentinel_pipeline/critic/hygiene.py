"""Two questions of hygiene about a row: does it carry a secret, does it repeat or fill? Answers are
reasons, never quotes.

What this module does not do: decide what becomes of the row (``labels``), or look at how rows
relate (``mix``).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ..records import Label
from ..secrets import Credential, find_credentials
from .repetition import filler, invalid_text, repetition

MAX_CHARS = 1_000_000
REPEATED_CHARS = 2000
"""Characters, at most, of a prompt that is remembered: the same request, and the same system turn,
stands before many answers."""


def no_secret(text: str, prompts: Iterable[str] = ()) -> Label:
    """False with ``secret: KIND at character N`` for the first credential-like string of completion
    or prompt."""
    for place, part in (("", text), *((" of the prompt", prompt) for prompt in prompts)):
        if len(part) > MAX_CHARS:
            return Label(False, f"too_large: {len(part)} characters are not searched")
        credential = _again(part) if place and len(part) <= REPEATED_CHARS else _first(part)
        if credential:
            return Label(False, f"secret: {credential.kind} at character {credential.start}{place}")
    return Label(True, "ok")


def _first(text: str) -> Credential | None:
    return next(find_credentials(text), None)


_again = lru_cache(maxsize=1024)(_first)


def no_repetition(text: str, *, code: bool = False, prompt: str = "") -> Label:
    """False for invalid characters, loops, filler, stubs and boilerplate, each with its own code.

    Args:
        text: an answer.
        code: whether it is a program or data.
        prompt: what was asked: a skeleton that is asked for is not a stub.
    """
    if len(text) > MAX_CHARS:
        return Label(False, f"too_large: {len(text)} characters are not searched")
    problem = (
        invalid_text(text, code=code)
        or repetition(text, code=code, prompt=prompt)
        or filler(text, code=code, prompt=prompt)
    )
    return Label(True, "ok") if problem is None else Label(False, problem)
