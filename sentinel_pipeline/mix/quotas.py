"""Rebalancing to shares: seeded sampling without replacement, no row twice, shortfalls reported and never topped up.

Which rows are taken depends on their ids and the seed alone, not on their order; they come out in input order. Two passes over
the input: about 20 bytes a row are kept between them. What this module does not do: shuffle (trainers do, by seed), weigh
quality, or hold rows.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadInput
from ..records import Row
from .report import MixReport, Quota

if TYPE_CHECKING:
    import numpy as np


class Rebalanced(NamedTuple):
    """``rows`` may be iterated again and again."""

    rows: Iterable[Row]
    report: MixReport


def rebalance(
    rows: Iterable[Row],
    shares: Mapping[str, float],
    *,
    size: int | None,
    seed: int,
    repair_share: float = 1.0,
    weigh: Callable[[Row], int] | None = None,
) -> Rebalanced:
    """Take rows so that the categories stand to each other as ``shares``.

    Args:
        rows: an iterable that can be iterated again; a one-shot iterator is held in memory.
        shares: category -> share; they sum to 1.
        size: how much is wanted in all, in rows (or in what ``weigh`` counts). None: the most that keeps the shares among the
            categories that have rows; a category without any is short, and is reported so.
        seed: same seed and ids, same rows.
        repair_share: the largest part of a category that may be repair traces.
        weigh: a row's weight, its tokens for instance, at least 1; None counts rows. Quotas are then never exceeded.

    Raises:
        BadInput: shares that are negative, not finite, or do not sum to 1; a size below 0.
    """
    _check(shares, size, repair_share)
    source = list(rows) if isinstance(rows, Iterator) else rows
    survey = _survey(source, list(shares), seed, weigh)
    total = float(size) if size is not None else _most(survey, shares, repair_share, whole=weigh is None)
    wanted = _wanted(shares, total, whole=weigh is None)
    chosen = bytearray(survey.size)
    quotas = [
        _choose(survey, index, name, shares[name], wanted[name], repair_share, chosen)
        for index, name in enumerate(shares)
    ]
    report = MixReport(
        seed=seed,
        unit="rows" if weigh is None else "tokens",
        size=size,
        total=total,
        quotas=tuple(quotas),
        repeated_ids=survey.repeated,
        outside=dict(sorted(survey.outside.items())),
    )
    return Rebalanced(_Chosen(source, chosen), report)


def _check(shares: Mapping[str, float], size: int | None, repair_share: float) -> None:
    total = math.fsum(shares.values())
    if not shares or any(not math.isfinite(share) or share < 0 for share in shares.values()) or abs(total - 1) > 1e-6:
        raise BadInput(
            f"shares sum to {total:g}, expected 1 with none negative.", field="shares", fix="Adjust the shares."
        )
    if size is not None and size < 0:
        raise BadInput(f"is {size}, expected 0 or more.", field="size")
    if not 0 <= repair_share <= 1:
        raise BadInput(f"is {repair_share:g}, expected 0 to 1.", field="repair_share")


class _Chosen:
    """The chosen rows of a source, in its order, read again at each iteration."""

    def __init__(self, source: Iterable[Row], chosen: bytearray) -> None:
        self._source, self._chosen = source, chosen

    def __iter__(self) -> Iterator[Row]:
        return (row for row, take in zip(self._source, self._chosen, strict=True) if take)

    def __len__(self) -> int:
        return sum(self._chosen)


class _Survey(NamedTuple):
    """What is known of the input after the first pass: one entry a stratum, positions in the order of the draw."""

    size: int
    """Rows seen."""
    strata: dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]]
    """(category index, is a repair) -> positions and weights, in drawing order."""
    repeated: int
    outside: Counter[str]

    def available(self, index: int, *, repair: bool) -> float:
        return float(self.strata[index, repair][1].sum())


def _survey(source: Iterable[Row], names: list[str], seed: int, weigh: Callable[[Row], int] | None) -> _Survey:
    import numpy as np

    indices = {name: index for index, name in enumerate(names)}
    keys, weights, places = array("Q"), array("I"), array("h")
    outside: Counter[str] = Counter()
    for row in source:
        index = indices.get(row.category, -1)
        if index < 0:
            outside[row.category] += 1
        keys.append(_key(seed, row.id))
        weights.append(1 if weigh is None else max(1, weigh(row)))
        places.append(index * 2 + (row.origin == "repair") if index >= 0 else -1)
    key, weight, place = np.array(keys, np.uint64), np.array(weights, np.int64), np.array(places, np.int16)
    _, first = np.unique(key, return_index=True)
    strata = {}
    for index in range(len(names)):
        for repair in (False, True):
            order = first[place[first] == index * 2 + repair]
            strata[index, repair] = (order, weight[order])
    return _Survey(len(key), strata, len(key) - len(first), outside)


def _key(seed: int, name: str) -> int:
    return int.from_bytes(blake2b(f"{seed}|{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _usable(survey: _Survey, index: int, repair_share: float) -> float:
    """What a category can give at most, its repair traces capped."""
    plain, repairs = survey.available(index, repair=False), survey.available(index, repair=True)
    return plain + min(repairs, _repairs_beside(plain, repair_share))


def _repairs_beside(plain: float, repair_share: float) -> float:
    return math.inf if repair_share >= 1 else math.floor(plain * repair_share / (1 - repair_share) + 1e-9)


def _most(survey: _Survey, shares: Mapping[str, float], repair_share: float, *, whole: bool) -> float:
    usable = [(_usable(survey, index, repair_share), share) for index, share in enumerate(shares.values())]
    most = min((amount / share for amount, share in usable if amount and share), default=0.0)
    return float(math.floor(most + 1e-9)) if whole else most


def _wanted(shares: Mapping[str, float], total: float, *, whole: bool) -> dict[str, float]:
    """``share * total``; whole rows by largest remainder, so that they sum to ``total``."""
    exact = {name: share * total for name, share in shares.items()}
    if not whole:
        return exact
    wanted = {name: float(math.floor(amount + 1e-9)) for name, amount in exact.items()}
    left = round(total - sum(wanted.values()))
    for name in sorted(exact, key=lambda name: wanted[name] - exact[name])[: max(left, 0)]:
        wanted[name] += 1
    return wanted


def _choose(
    survey: _Survey, index: int, name: str, share: float, wanted: float, repair_share: float, chosen: bytearray
) -> Quota:
    """Mark a category's rows: repair traces in proportion to what there is, but at most ``repair_share`` of it."""
    plain, repairs = survey.available(index, repair=False), survey.available(index, repair=True)
    part = repairs / (plain + repairs) if repairs else 0.0
    for_repairs = min(math.floor(wanted * min(part, repair_share) + 1e-9), repairs)
    if plain < wanted - for_repairs:
        for_repairs = min(repairs, wanted - plain, _repairs_beside(plain, repair_share))
    repair_rows, repair_taken = _mark(survey.strata[index, True], for_repairs, chosen)
    plain_rows, plain_taken = _mark(survey.strata[index, False], wanted - repair_taken, chosen)
    return Quota(
        category=name,
        share=share,
        wanted=wanted,
        available=_usable(survey, index, repair_share),
        taken=plain_taken + repair_taken,
        rows=plain_rows + repair_rows,
        repairs=repair_rows,
    )


def _mark(stratum: tuple[np.ndarray, np.ndarray], amount: float, chosen: bytearray) -> tuple[int, float]:
    """Mark rows in drawing order while they fit into ``amount``; the rows marked and their weight."""
    positions, weights = stratum
    ends = weights.cumsum()
    count = int(ends.searchsorted(amount + 1e-9, side="right"))
    for position in positions[:count]:
        chosen[position] = 1
    return count, float(ends[count - 1]) if count else 0.0
