"""What a mix says of itself: wanted, available, taken and short, for each category; what was left out and why.

What this module does not do: soften a shortfall.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..plots import shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One category. ``wanted``, ``available`` and ``taken`` are rows, or the unit of the report (tokens)."""

    category: str
    share: float
    wanted: float
    available: float
    """After duplicates are out and repair traces are capped."""
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
    """A mix's account of itself."""

    seed: int
    unit: str
    size: int | None
    """As asked; None: the most that the shares allow."""
    total: float
    """The size that the quotas were made for: what ``wanted`` sums to."""
    quotas: tuple[Quota, ...]
    repeated_ids: int = 0
    outside: dict[str, int] = field(default_factory=dict)
    """Rows of categories that have no share (held-back ones among them): none was taken."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Duplicates left out, by kind."""
    stands_for: dict[str, int] = field(default_factory=dict)
    """Row id -> how many duplicates it stands for."""
    banned: int = 0
    """Rows left out because they overlap a benchmark."""

    @property
    def rows(self) -> int:
        return sum(quota.rows for quota in self.quotas)

    @property
    def shortfall(self) -> float:
        return sum(quota.short for quota in self.quotas)

    def leaving_out(self, *, duplicates: dict[str, int], stands_for: dict[str, int], banned: int) -> MixReport:
        """The same report with what was left out before the quotas."""
        return replace(self, duplicates=duplicates, stands_for=stands_for, banned=banned)

    def to_json(self) -> dict[str, Any]:
        quotas = [asdict(quota) | {"short": quota.short} for quota in self.quotas]
        return asdict(self) | {"quotas": quotas, "rows": self.rows, "shortfall": self.shortfall}

    def to_markdown(self) -> str:
        lines = [
            f"| category | share | wanted | available | taken | short | share taken | repairs | ({self.unit})",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        taken = sum(quota.taken for quota in self.quotas)
        for quota in self.quotas:
            part = quota.taken / taken if taken else 0
            lines.append(
                f"| {quota.category} | {quota.share:.1%} | {quota.wanted:g} | {quota.available:g} | {quota.taken:g}"
                f" | {quota.short:g} | {part:.1%} | {quota.repairs} | |"
            )
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.duplicates.items())) or "none"
        outside = ", ".join(f"{count} {name}" for name, count in sorted(self.outside.items())) or "none"
        lines += ["", f"Duplicates left out: {kinds}. Without a share: {outside}. Benchmark overlap: {self.banned}."]
        return "\n".join(lines)

    def to_plot(self) -> str:
        """Shares of what was available, of what was taken and as wanted; Markdown with one image."""
        available = sum(quota.available for quota in self.quotas) or 1
        taken = sum(quota.taken for quota in self.quotas) or 1
        return shares(
            {quota.category: quota.available / available for quota in self.quotas},
            {quota.category: quota.taken / taken for quota in self.quotas},
            {quota.category: quota.share for quota in self.quotas},
            "The mix, before and after",
        )
