"""What one evaluation while training showed. What this module does not do: evaluate
(``training.windows``) or judge (``gates``)."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """One evaluation while training. Rates are None when nothing was scored: no evidence is not
    zero."""

    step: int
    n: int
    """Items scored; infrastructure outcomes are apart."""
    passed: int
    pass_at_1: float | None
    syntax_n: int
    syntax_rate: float | None
    infra: int
    stopped: int
    """Answers that the model ended by itself."""
