"""What a benchmark says: scored samples, a report per suite, a paired comparison of two reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


class Interval(NamedTuple):
    """A two-sided confidence interval; ``level`` is its nominal coverage."""

    low: float
    high: float
    level: float = 0.95


Outcome = Literal["pass", "fail", "infra"]
Metric = Literal["pass_at_1", "syntax_rate"]
MAX_INFRA_SHARE = 0.02
"""More infrastructure outcomes than this share and what was measured is void: the fault is ours,
and they are not random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScore:
    """One answered and scored item."""

    task_id: str
    category: str
    family: str
    completion: str
    outcome: Outcome
    reason: str
    syntax_ok: bool | None
    """None where syntax does not apply to the item, or infrastructure failed."""
    stopped: bool
    """The model ended by itself (stop token), not by the length limit."""
    tokens: int
    seconds: float
    trust: Literal["separate", "shared"] = "separate"
    """Where its tests ran: ``shared`` is beside the program, which can forge such a verdict."""
    item_hash: str = ""
    """Hash of the item's content (``Task.content_hash``), by which two models' answers are paired;
    empty in samples from elsewhere."""

    def value(self, metric: Metric) -> bool | None:
        """Whether it counts for ``metric``; None where infrastructure failed or the metric does not
        apply."""
        if self.outcome == "infra":
            return None
        return self.outcome == "pass" if metric == "pass_at_1" else self.syntax_ok


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReport:
    """A model's result on one suite. ``n`` counts scored items: infrastructure is apart and never a
    score."""

    stage: str
    suite: str
    model: str
    model_hash: str
    n: int
    passed: int
    pass_at_1: float | None
    """``passed / n``; None when nothing was scored: no evidence is not zero."""
    interval: Interval | None
    syntax_n: int
    syntax_passed: int
    syntax_rate: float | None
    syntax_interval: Interval | None
    infra: int
    scorer_version: str
    decoding: dict[str, Any]
    by_family: dict[str, dict[str, Any]]
    seconds: float
    tokens: int
    retired: int = 0
    """Items of the suite that were skipped, because a human correction of them, or of their like,
    is a training row."""
    effective: float | None = None
    """How many independent answers the ``n`` are worth: fewer where items were answered several
    times; None: ``n``."""
    syntax_effective: float | None = None
    """The same of the ``syntax_n``."""
    shared: int = 0
    """Verdicts among the ``n`` whose tests ran beside the program (``trust: shared``)."""
    suite_hash: str = ""
    """Hash of the contents of the suite's items (``records.task.suite_hash``); empty in reports of
    before suites were hashed."""

    def summary(self) -> dict[str, Any]:
        """The keys that ``sentinel run --json`` prints for a suite."""
        return {
            "n": self.n,
            "pass_at_1": self.pass_at_1,
            "interval": list(self.interval[:2]) if self.interval else None,
            "syntax_rate": self.syntax_rate,
            "infra": self.infra,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Two models on the same items of one suite."""

    from_stage: str
    to_stage: str
    suite: str
    n: int
    """Items; of several answers an item, answers."""
    gained: int
    """Items that only the second model passes."""
    lost: int
    """Items that only the first model passes."""
    difference: float
    interval: Interval
    p: float
    """Exact two-sided McNemar; of several answers an item its generalisation,
    ``gates.clustered.randomisation_p``."""
