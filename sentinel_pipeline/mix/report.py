"""What a mix says of itself: wanted, available, taken and short, for each category; what was left
out and why.

What this module does not do: soften a shortfall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ..markdown import cell
from ..plots import shares
from ..rates import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One category. ``wanted``, ``available`` and ``taken`` are rows, or the unit of the report
    (tokens)."""

    category: str
    share: float
    wanted: float
    available: float
    """After duplicates and all else are out, and repair traces, sources and the category are
    capped."""
    taken: float
    rows: int
    repairs: int
    """Of ``rows``, how many are repair traces."""

    @property
    def short(self) -> float:
        """What is missing to the wanted amount; 0 when the quota was met."""
        return max(self.wanted - self.taken, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixReport:
    """A mix's account of itself. Every row seen is in ``rows`` or counted once in ``left_out``."""

    seed: int
    unit: str
    size: int | None
    """As asked; None: the most that the shares allow."""
    total: float
    """The size that the quotas were made for: what ``wanted`` sums to."""
    seen: int
    """Candidates and repair traces together."""
    before: dict[str, float]
    """Category -> all that was seen of it, in ``unit``, before anything was left out."""
    quotas: tuple[Quota, ...]
    left_out: dict[str, int]
    """Why -> rows: ``benchmark``, ``held_back``, ``no_share``, ``quality``, ``exact``,
    ``normalised``, ``near``, ``same_id``, ``source_cap``, ``not_drawn``."""
    held_back: dict[str, int] = field(default_factory=dict)
    """Category -> rows held back or without a share: none was taken."""
    sources: dict[str, int] = field(default_factory=dict)
    """Source -> rows in the mix."""
    qualities: dict[str, int] = field(default_factory=dict)
    """``verified``, ``parsed``, ``unverified`` -> rows in the mix."""
    minimum_quality: str = "unverified"
    """The least that the recipe takes."""

    @property
    def rows(self) -> int:
        return sum(quota.rows for quota in self.quotas)

    @property
    def shortfall(self) -> float:
        return sum(quota.short for quota in self.quotas)

    @property
    def empty(self) -> tuple[str, ...]:
        """Categories that were to have a share and have no row at all."""
        return tuple(quota.category for quota in self.quotas if quota.share and not quota.available)

    @property
    def usable(self) -> float:
        """What all categories could give, in ``unit``."""
        return sum(quota.available for quota in self.quotas if quota.share)

    @property
    def limited_by(self) -> str | None:
        """The category that holds a mix without a size to what it is: it has the least for its
        share."""
        having = [quota for quota in self.quotas if quota.share and quota.available]
        if self.size is not None or not having:
            return None
        return min(having, key=lambda quota: quota.available / quota.share).category

    def to_json(self) -> dict[str, Any]:
        quotas = [asdict(quota) | {"short": quota.short} for quota in self.quotas]
        fields = {
            "quotas": quotas,
            "rows": self.rows,
            "shortfall": self.shortfall,
            "empty": list(self.empty),
            "usable": self.usable,
            "limited_by": self.limited_by,
        }
        return asdict(self) | fields

    def to_markdown(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.rows} of {self.seen} rows, in {self.unit}; seed {self.seed}."
        yield from (
            "",
            "| category | share | wanted | available | taken | short | share taken | repairs |",
        )
        yield "|---|---|---|---|---|---|---|---|"
        taken = sum(quota.taken for quota in self.quotas)
        for quota in self.quotas:
            part = quota.taken / taken if taken else 0
            yield (
                f"| {cell(quota.category)} | {percent(quota.share)} | {quota.wanted:.10g} | {quota.available:.10g}"
                f" | {quota.taken:.10g} | {quota.short:.10g} | {percent(part)} | {quota.repairs} |"
            )
        yield ""
        if self.shortfall:
            missing = ", ".join(
                f"{quota.category} {quota.short:.10g}" for quota in self.quotas if quota.short
            )
            yield f"**Short** by {self.shortfall:.10g} {self.unit}: {missing}. Nothing was repeated to fill a gap.\n"
        if self.empty:
            yield f"**No row at all** of {', '.join(self.empty)}.\n"
        if self.limited_by and taken < self.usable:
            used = percent(taken / self.usable)
            yield f"{self.limited_by} has the least for its share and holds the mix to {used} of the usable {self.unit}.\n"
        yield f"Left out: {_counts(self.left_out)}. Held back or without a share: {_counts(self.held_back)}."
        yield f"Evidence: {_counts(self.qualities)}; taken from `{self.minimum_quality}` on."
        if below := self.left_out.get("quality"):
            yield f"{below} rows have less evidence: `minimum_quality` decides."
        yield f"Sources: {_counts(self.sources)}."

    def to_plot(self) -> str:
        """Shares of all that was seen, of the mix and as wanted; Markdown with one image."""
        before = sum(self.before.values()) or 1
        taken = sum(quota.taken for quota in self.quotas) or 1
        target = {quota.category: quota.share for quota in self.quotas}
        others = sorted(set(self.before) - set(target), key=lambda name: -self.before[name])[:5]
        return shares(
            {name: amount / before for name, amount in self.before.items()},
            {quota.category: quota.taken / taken for quota in self.quotas},
            target | dict.fromkeys(others, 0.0),
            f"The mix, before and after ({self.unit})",
        )


def _counts(numbers: dict[str, int]) -> str:
    return (
        ", ".join(f"{count} {name}" for name, count in sorted(numbers.items()) if count) or "none"
    )
