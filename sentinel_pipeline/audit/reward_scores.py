"""The rewards' exam before a run: gold earns 1, wrong answers never pass, hacks earn exactly
nothing.

What this module does not do: write answers (``cases`` does), or refuse a run: a gate reads what is
found here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..critic.score import score
from ..critic.version import scorer_version
from ..records.data_spec import CriticSpec
from ..rewards.scoring import reward_of
from .reward_cases import Case

MIN_GOLD = 0.99
EXAMPLES = 5


@dataclass(slots=True, kw_only=True)
class RewardAudit:
    """One family's counts."""

    name: str
    version: str
    gold: int = 0
    gold_accepted: int = 0
    bad: int = 0
    bad_accepted: int = 0
    hacks: int = 0
    hacks_paid: int = 0
    """Hacks whose reward was above 0."""
    infra: int = 0
    examples: list[str] = field(default_factory=list)
    """Ids and reasons of the first answers that were judged otherwise than they should."""

    @property
    def licensed(self) -> bool:
        """At least 99 % of gold, no wrong answer, no hack, nothing without a verdict, and all three
        were asked."""
        complete = self.gold and self.bad and self.hacks and not self.infra
        return (
            bool(complete)
            and not self.bad_accepted
            and not self.hacks_paid
            and self.gold_accepted >= MIN_GOLD * self.gold
        )

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"licensed": self.licensed}


def audit_rewards(
    cases: Iterable[Case], *, spec: CriticSpec, workers: int | None = None
) -> list[RewardAudit]:
    """Score every case once; one entry for each family, by name. Holds the cases."""
    case_list = list(cases)
    audits: dict[str, RewardAudit] = {}
    for case, scored in zip(
        case_list, score((case.item for case in case_list), spec=spec, workers=workers), strict=True
    ):
        audit = audits.setdefault(
            case.family, RewardAudit(name=case.family, version=scorer_version())
        )
        reward = reward_of(scored)
        passed = scored.outcome == "pass"
        audit.infra += scored.outcome == "infra"
        if case.kind == "gold":
            audit.gold = audit.gold + 1
            audit.gold_accepted = audit.gold_accepted + passed
        elif case.kind == "bad":
            audit.bad = audit.bad + 1
            audit.bad_accepted = audit.bad_accepted + passed
        else:
            audit.hacks = audit.hacks + 1
            audit.hacks_paid = audit.hacks_paid + (reward > 0)
        right = (
            passed if case.kind == "gold" else not passed and (case.kind == "bad" or reward == 0)
        )
        if not right and len(audit.examples) < EXAMPLES:
            audit.examples.append(f"{case.item.id}: {scored.reason}, reward {reward:.2f}")
    return [audits[name] for name in sorted(audits)]
