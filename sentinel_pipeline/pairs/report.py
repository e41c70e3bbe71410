"""What became of the answers that pairs were to be made of: counts, kinds against quotas, and how
long either side is.

What this module does not do: decide anything; every number is counted by ``pairs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..plots import shares
from ..rates import percent
from ..records import REJECTION_KINDS, PreferencePair
from ..records.training_spec import PairsSpec

_WITHOUT = {
    "none_rejected": "every answer was accepted",
    "none_accepted": "no answer was accepted and no reference stood in",
    "rarely_accepted": "too few answers were accepted for one to be more than luck",
    "within_margin": "the two sides were too close",
    "nothing_scored": "infrastructure left every answer open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsReport:
    """Counts of tasks, answers and pairs."""

    tasks: int
    answers: int
    accepted: int
    """Answers that the critic accepted."""
    infra: int
    """Answers that infrastructure left open: in no pair."""
    solved: int
    """Tasks with an accepted answer: best of N."""
    without: dict[str, int]
    """Why tasks gave no pair, by reason."""
    offered: dict[str, int]
    """Kind of rejection -> pairs before quotas."""
    pairs: dict[str, int]
    """Kind of rejection -> pairs kept."""
    max_shares: dict[str, float]
    families: dict[str, int]
    by_reference: int
    """Pairs whose chosen side is the task's reference."""
    chosen_chars: float
    rejected_chars: float
    """Mean lengths: a model that is taught length alone would show here first."""
    chosen_longer: int
    """Pairs whose chosen side is the longer one."""

    @classmethod
    def of(
        cls,
        tally: Counter[str],
        offered: Sequence[PreferencePair],
        pairs: Sequence[PreferencePair],
        spec: PairsSpec,
    ) -> PairsReport:
        n = max(len(pairs), 1)
        return cls(
            **{name: tally[name] for name in ("tasks", "answers", "accepted", "infra", "solved")},
            without={name: tally[name] for name in _WITHOUT},
            offered=_by_kind(offered),
            pairs=_by_kind(pairs),
            max_shares=dict(spec.max_shares),
            families=dict(sorted(Counter(pair.family for pair in pairs).items())),
            by_reference=sum(pair.chosen_source == "reference" for pair in pairs),
            chosen_chars=round(sum(len(pair.chosen) for pair in pairs) / n, 1),
            rejected_chars=round(sum(len(pair.rejected) for pair in pairs) / n, 1),
            chosen_longer=sum(len(pair.chosen) > len(pair.rejected) for pair in pairs),
        )

    @property
    def total(self) -> int:
        return sum(self.pairs.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """Where the tasks went, in one line."""
        parts = [
            f"{count} tasks: {_WITHOUT[name]}" for name, count in self.without.items() if count
        ]
        cut = sum(self.offered.values()) - self.total
        parts += [f"{cut} pairs beyond the quotas {self.max_shares}"] if cut else []
        return "; ".join(parts) or "none was offered"

    def to_markdown(self) -> str:
        lines = [
            f"{self.total} pairs of {self.tasks} tasks with {self.answers} answers: {self.accepted} answers accepted, "
            f"{self.solved} tasks solved by one of their answers, {self.infra} answers left open by infrastructure.",
            "",
            f"The chosen side is the task's reference in {self.by_reference} pairs, the model's own answer in the others; "
            f"mean length {self.chosen_chars:g} characters against {self.rejected_chars:g}, "
            f"chosen longer in {self.chosen_longer}.",
            "",
            "| kind of rejection | offered | kept | share | quota |",
            "|---|---|---|---|---|",
        ]
        for kind in REJECTION_KINDS:
            share = self.pairs[kind] / self.total if self.total else 0.0
            quota = percent(self.max_shares[kind], 0) if kind in self.max_shares else "–"
            word = "**none seen**" if not self.offered[kind] else str(self.offered[kind])
            lines.append(f"| {kind} | {word} | {self.pairs[kind]} | {percent(share)} | {quota} |")
        lines += ["", "| tasks without a pair | |", "|---|---|"]
        lines += [f"| {_WITHOUT[name]} | {count} |" for name, count in self.without.items()]
        return "\n".join(lines) + "\n"

    def to_plot(self) -> str:
        quotas: dict[str, float] = {
            kind: self.max_shares.get(kind, 1.0) for kind in REJECTION_KINDS
        }
        return shares(
            _shares(self.offered),
            _shares(self.pairs),
            quotas,
            "Kinds of rejection, and their quotas",
        )


def _by_kind(pairs: Sequence[PreferencePair]) -> dict[str, int]:
    counts = Counter(pair.kind for pair in pairs)
    return {kind: counts[kind] for kind in REJECTION_KINDS}


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {kind: count / total if total else 0.0 for kind, count in counts.items()}
