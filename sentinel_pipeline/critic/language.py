"""Which language a text is in: one question, answered in the text's favour where the text is too
short to tell.

What this module does not do: detect mixtures; the whole text is one answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

MIN_LETTERS = 20
"""Shorter texts could be anything: they are taken for the language that is asked, as IFEval takes
what its detector refuses."""
MAX_CHARS = 20_000


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


@cache
def known_languages() -> frozenset[str]:
    """The two-letter codes (ISO 639-1) that can be told apart."""
    return frozenset(str(label) for label in _identifier().labels)


def is_language(text: str, code: str) -> bool:
    """Whether ``text`` is in the language of an ISO 639-1 code; case plays no part."""
    if sum(char.isalpha() for char in text) < MIN_LETTERS:
        return True
    return bool(
        _identifier().classify(text[:MAX_CHARS].casefold())[0] == code.partition("-")[0].casefold()
    )
