"""Numbers as people write them, Portuguese of Brazil first: ``4,5``, ``1.234,56``, ``R$ 1.234,50``,
``50%``.

What this module does not do: find where a number stands in JSON (``json_repair`` does), or guess:
what JSON reads as a number keeps JSON's reading (``1.234`` is one and a bit), unless a currency
says otherwise, and a form that nobody writes is none.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

DIGITS = 400
"""Longer numbers are refused: reading them takes quadratic time."""
_SPACES = "\u00a0\u202f"
FORM = re.compile(
    rf"(?P<before>[-+]?)(?:(?P<currency>R\$|US\$|\$|€)[ {_SPACES}]*(?P<after>[-+]?))?"
    rf"(?P<core>\d[\d.,{_SPACES}]*|\.\d+)(?P<exponent>[eE][-+]?\d+)?(?P<percent>[ {_SPACES}]?%)?"
)
"""A number with all that may belong to it; the core may take in separators that follow the
number."""
_PLAIN = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?")
_LOOSE = re.compile(r"(?:0|[1-9]\d*)\.|\.\d+")
_COMMA = re.compile(r"(0|[1-9]\d*),(\d+)")
_POINTS = re.compile(rf"([1-9]\d{{0,2}}(?:[.{_SPACES}]\d{{3}})+)(?:,(\d+))?")
_COMMAS = re.compile(r"([1-9]\d{0,2}(?:,\d{3})+)(?:\.(\d+))?")
_NOT_DIGITS = re.compile(r"\D")


class Number(NamedTuple):
    """A whole number is an ``int`` unless it is a percentage: ``50%`` is 0.5."""

    value: int | float
    leniencies: tuple[str, ...]
    """Any of ``decimal_comma``, ``thousands_separator``, ``currency``, ``percent``,
    ``loose_number``."""


def read_number(text: str) -> Number | None:
    """The number that the whole of ``text`` writes, or None."""
    form = FORM.fullmatch(text)
    return number_of(form, form["core"]) if form else None


def number_of(form: re.Match[str], core: str) -> Number | None:
    """The number of a match of ``FORM`` whose digits and separators are ``core``."""
    before, currency, after, _, exponent, percent = form.groups()
    if len(core) > DIGITS or len(exponent or "") > 5 or (before and after):
        return None
    match = _digits(core, currency)
    if match is None:
        return None
    digits, names = match
    sign = before or after or ""
    if sign == "+":
        names += ("loose_number",)
    if currency:
        names += ("currency",)
    if percent:
        real = float(Decimal(f"{sign}{digits}{exponent or ''}") / 100)
        return Number(real, (*names, "percent")) if isfinite(real) else None
    if not exponent and "." not in digits:
        return Number(int(sign + digits), names)
    real = float(f"{sign}{digits}{exponent or ''}")
    return Number(real, names) if isfinite(real) else None


def _digits(core: str, currency: str | None) -> tuple[str, tuple[str, ...]] | None:
    """The digits with a decimal point at most, and what was lenient about it."""
    foreign = currency in ("$", "US$")
    if _PLAIN.fullmatch(core) and not (currency in ("R$", "€") and _POINTS.fullmatch(core)):
        return core, ()
    commas = _COMMAS.fullmatch(core)
    if commas and (foreign or core.count(",") > 1 or commas[2]):
        return _joined(commas, ("thousands_separator",))
    comma = _COMMA.fullmatch(core)
    if comma:
        return f"{comma[1]}.{comma[2]}", ("decimal_comma",)
    points = _POINTS.fullmatch(core)
    if points and not foreign:
        return _joined(points, ("thousands_separator",) + (("decimal_comma",) if points[2] else ()))
    return (
        (f"0{core}0" if core[0] == "." else f"{core}0", ("loose_number",))
        if _LOOSE.fullmatch(core)
        else None
    )


def _joined(parts: re.Match[str], names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    whole = _NOT_DIGITS.sub("", parts[1])
    return (f"{whole}.{parts[2]}" if parts[2] else whole), names
