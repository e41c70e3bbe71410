"""The scorers' own exam: gold answers must pass, known-bad ones must not, and twice the same question gives the same answer.

What this module does not do: make gold or bad answers (``bench`` and ``candidates`` do), or decide what an unlicensed
scorer may not do (the gates do).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..records.data_spec import CriticSpec
from .score import DEFAULTS, Scorable, score
from .version import scorer_version

MIN_GOLD = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerAudit:
    """One scorer's counts; a scorer is named by its verifier's kind."""

    name: str
    version: str
    gold: int
    gold_accepted: int
    bad: int
    bad_accepted: int
    infra: int
    stable: bool
    """Every repeat gave the same outcomes and reason codes."""
    examples: tuple[str, ...] = ()
    """Up to five ids with reasons: gold that failed, bad that passed."""

    @property
    def licensed(self) -> bool:
        """At least 99 % of gold accepted, no bad one, stable, none left open, and some of both were asked."""
        asked = self.gold > 0 and self.bad > 0 and not self.infra
        return asked and self.stable and not self.bad_accepted and self.gold_accepted >= MIN_GOLD * self.gold

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"licensed": self.licensed}


def audit(
    gold: Iterable[Scorable],
    bad: Iterable[Scorable],
    *,
    repeats: int = 2,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
) -> list[ScorerAudit]:
    """Score gold and known-bad answers ``repeats`` times; one entry for each kind of verifier, by name. Holds the answers."""
    items = [(item, True) for item in gold] + [(item, False) for item in bad]
    rounds = [list(score((item for item, _ in items), spec=spec, workers=workers)) for _ in range(repeats)]
    kinds = sorted({item.verifier.kind for item, _ in items})
    return [_audit_kind(kind, items, rounds) for kind in kinds]


def _audit_kind(kind: str, items: list[tuple[Scorable, bool]], rounds: list[list[Any]]) -> ScorerAudit:
    counts: Counter[str] = Counter()
    examples: list[str] = []
    stable = True
    for index, (item, is_gold) in enumerate(items):
        if item.verifier.kind != kind:
            continue
        scores = [one[index] for one in rounds]
        stable &= len({(each.outcome, each.reason.partition(":")[0]) for each in scores}) == 1
        side, passed = "gold" if is_gold else "bad", scores[0].outcome == "pass"
        counts[side] += 1
        counts[f"{side}_accepted"] += passed
        counts["infra"] += scores[0].outcome == "infra"
        if passed != is_gold and len(examples) < 5:
            examples.append(f"{item.id}: {scores[0].reason}")
    return ScorerAudit(
        name=kind,
        version=scorer_version(),
        gold=counts["gold"],
        gold_accepted=counts["gold_accepted"],
        bad=counts["bad"],
        bad_accepted=counts["bad_accepted"],
        infra=counts["infra"],
        stable=stable,
        examples=tuple(examples),
    )
