"""Rebalancing to shares: seeded sampling without replacement, no row twice, shortfalls reported and
never topped up.

Which rows are taken depends on their ids, their weights and the seed alone, not on their order. A
row that is larger than what is left of its quota is passed over for one that fits.
DuckDB sorts under the mix's memory limit; nothing is held a row. What this module does not do:
shuffle (trainers do, by seed), or read rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from ..records.data_spec import MixSpec
from ..store.catalog import Workbench
from .report import Quota


class Stratum(NamedTuple):
    """What can be taken of one category, in the mix's unit."""

    plain: float = 0.0
    repairs: float = 0.0

    def usable(self, repair_share: float, cap: float) -> float:
        """What the category can give at most, its repair traces and itself capped."""
        return min(self.plain + min(self.repairs, _repairs_beside(self.plain, repair_share)), cap)


_ELIGIBLE = """
create table eligible as
select * from (
    select pos, category, origin = 'repair' as repair, source, weight, draw from survey anti join duplicates using (pos)
    where left_out is null
    qualify row_number() over (partition by id order by pos) = 1
)
"""
_TAKEN = "create table {table} (pos bigint, category varchar, repair boolean, source varchar, weight double)"
_FILL = """
insert into {table} select pos, category, repair, source, weight from (
    select e.*, room, sum(weight) over (partition by {keys} order by draw, pos rows unbounded preceding) as upto
    from eligible e join (
        select {keys}, amount - coalesce(taken, 0) as room
        from {budgets} left join (select {keys}, sum(weight) as taken from {table} group by all) using ({keys})
    ) using ({keys}) anti join {table} using (pos)
    where weight <= room + 1e-9
) where upto <= room + 1e-9
"""
_ROUNDS = 100
"""Passes over the rows at most: each fills what the one before left, with rows that fit."""


def _fill(bench: Workbench, table: str, keys: str, budgets: str) -> None:
    """Fill ``table`` with eligible rows in the order of their draw, within the amount that
    ``budgets`` has for each value of ``keys``; a row that is larger than what is left is passed
    over, it does not end the category."""
    bench.run(_TAKEN.format(table=table))
    before = -1
    for _ in range(_ROUNDS):
        [(rows,)] = bench.rows(f"select count(*) from {table}")
        if rows == before:
            return
        before = rows
        bench.run(_FILL.format(table=table, keys=keys, budgets=budgets))


def draw_quotas(bench: Workbench, spec: MixSpec) -> tuple[float, tuple[Quota, ...]]:
    """Fill the workbench's tables ``eligible``, ``over_cap`` and ``chosen`` from ``survey`` and
    ``duplicates``.

    Returns:
        The size that quotas were made for, and one quota a category, in the order of
            ``spec.shares``.
    """
    bench.run(_ELIGIBLE)
    bench.run("create table source_caps (source varchar, amount double)")
    for source, most in spec.source_caps.items():
        bench.run("insert into source_caps values (?, ?)", [source, most])
    bench.run("create table over_cap (pos bigint)")
    if spec.source_caps:
        _fill(bench, "within_cap", "source", "source_caps")
        bench.run(
            "insert into over_cap select pos from eligible semi join source_caps using (source) "
            "anti join within_cap using (pos)"
        )
        bench.run("delete from eligible where pos in (select pos from over_cap)")
    strata = _strata(bench, spec)
    total = float(spec.size) if spec.size is not None else _most(strata, spec)
    amounts = _wanted(spec.shares, total, whole=spec.unit == "rows")
    bench.run("create table amounts (category varchar, repair boolean, amount double)")
    for name in spec.shares:
        plain, repairs = _amounts(
            strata[name], min(amounts[name], _cap(spec, name)), spec.repair_share
        )
        bench.run(
            "insert into amounts values (?, true, ?), (?, false, ?)", [name, repairs, name, plain]
        )
    _fill(bench, "chosen", "category, repair", "amounts")
    return total, _quotas(bench, spec, strata, amounts)


def _strata(bench: Workbench, spec: MixSpec) -> dict[str, Stratum]:
    sums = "sum(weight) filter (where not repair), sum(weight) filter (where repair)"
    strata = {
        name: Stratum(float(plain or 0), float(repairs or 0))
        for name, plain, repairs in bench.rows(
            f"select category, {sums} from eligible group by category"
        )
    }
    return {name: strata.get(name, Stratum()) for name in spec.shares}


def _cap(spec: MixSpec, name: str) -> float:
    return spec.category_caps.get(name, math.inf)


def _repairs_beside(plain: float, repair_share: float) -> float:
    return (
        math.inf
        if repair_share >= 1
        else math.floor(plain * repair_share / (1 - repair_share) + 1e-9)
    )


def _most(strata: Mapping[str, Stratum], spec: MixSpec) -> float:
    """The most that keeps the shares among the categories that can give anything."""
    usable = [
        (strata[name].usable(spec.repair_share, _cap(spec, name)), share)
        for name, share in spec.shares.items()
    ]
    most = min((amount / share for amount, share in usable if amount and share), default=0.0)
    return float(math.floor(most + 1e-9)) if spec.unit == "rows" else most


def _wanted(shares: Mapping[str, float], total: float, *, whole: bool) -> dict[str, float]:
    """``share * total``; whole rows by largest remainder, so that they sum to ``total``."""
    exact = {name: share * total for name, share in shares.items()}
    if not whole:
        return exact
    amounts = {name: float(math.floor(amount + 1e-9)) for name, amount in exact.items()}
    left = round(total - sum(amounts.values()))
    for name in sorted(exact, key=lambda name: amounts[name] - exact[name])[: max(left, 0)]:
        amounts[name] += 1
    return amounts


def _amounts(stratum: Stratum, amount: float, repair_share: float) -> tuple[float, float]:
    """Plain rows and repair traces: the latter in proportion to what there is, but at most
    ``repair_share`` of the category."""
    plain, repairs = stratum
    part = repairs / (plain + repairs) if repairs else 0.0
    for_repairs = min(math.floor(amount * min(part, repair_share) + 1e-9), repairs)
    if plain < amount - for_repairs:
        for_repairs = min(repairs, amount - plain, _repairs_beside(plain, repair_share))
    return amount - for_repairs, for_repairs


def _quotas(
    bench: Workbench, spec: MixSpec, strata: Mapping[str, Stratum], amounts: Mapping[str, float]
) -> tuple[Quota, ...]:
    counts = "sum(weight), count(*), count(*) filter (where repair)"
    taken = {
        name: rest
        for name, *rest in bench.rows(f"select category, {counts} from chosen group by category")
    }
    quotas = []
    for name, share in spec.shares.items():
        amount, rows, repairs = taken.get(name, (0, 0, 0))
        quotas.append(
            Quota(
                category=name,
                share=share,
                wanted=amounts[name],
                available=strata[name].usable(spec.repair_share, _cap(spec, name)),
                taken=float(amount),
                rows=rows,
                repairs=repairs,
            )
        )
    return tuple(quotas)
