"""Recipe section ``[[grpo.questions]]``: what people want to know from a run, asked of its recorded
curves when it has ended.

A question decides nothing; what follows from a run is the business of ``[[decisions]]``. What this
module does not do: answer (``gates.questions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import CountOrZero
from .decode import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about one measured curve."""

    name: str
    ask: str
    """The question in words, printed above its answer."""
    test: Literal["at_step", "rises_after", "lowest", "at_end"]
    """``at_step``: has ``metric`` reached ``threshold`` at the first window from ``step`` on?
    ``rises_after``: is it higher at the end than at the last window up to ``step``, by more than
    ``threshold``? ``lowest``: which task's own metric is the lowest at the end? ``at_end``: has
    ``metric`` reached ``threshold`` at the end?"""
    metric: str = "eval/mean_reward"
    step: CountOrZero = 0
    threshold: float = 0.0
    from_start: bool = False
    """Of ``at_step`` and ``at_end``: the threshold counts from the value before the first step."""
    before: float | None = None
    """What an earlier run measured, shown beside the answer."""
    if_yes: str = ""
    """What a yes means, for people."""
    if_no: str = ""

    def check(self) -> None:
        if self.test in ("at_step", "rises_after") and not self.step:
            raise Fault(f"a question of the kind {self.test} needs a step", "step", "Say which.")
        if self.from_start and self.test not in ("at_step", "at_end"):
            raise Fault(f"{self.test} has no level", "from_start", "Leave it out.")
