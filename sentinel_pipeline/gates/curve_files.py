"""Recorded curves: one JSON object a line with ``step`` and metrics; a measured one has
``NAME/low``, ``NAME/high`` and ``NAME/n`` beside it.

What this module does not do: record. Several rows may be of one step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..records.report import Interval
from ..store import read_jsonl
from .curve_rules import ERROR, Curve
from .measured import Measured

CURVES = "curves.jsonl"
"""The file's name in a training artifact."""
_BESIDE = ("/low", "/high", "/n")
_Z = 1.96
"""The recorded intervals are 95 % ones."""


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The rows in the order of their steps.

    Raises:
        BadInput: no such file, a row that is not a JSON object, or one without a whole ``step``.
    """
    if not path.is_file():
        raise BadInput(
            "no such file.", file=path, fix="Expected recorded curves, one JSON object a line."
        )
    rows = list(read_jsonl(path))
    for number, row in enumerate(rows, start=1):
        if type(row.get("step")) is not int:
            raise BadInput("expected a whole number.", file=path, line=number, field="step")
        wrong = next(
            (
                key
                for key, value in row.items()
                if value is not None and type(value) not in (int, float)
            ),
            None,
        )
        if wrong is not None:
            raise BadInput(
                f"expected a number, got {row[wrong]!r}.", file=path, line=number, field=wrong
            )
    return sorted(rows, key=lambda row: row["step"])


def curves_of(rows: Iterable[dict[str, Any]]) -> dict[str, Curve]:
    """Metric -> its (step, value) pairs; and of a measured one, under its name with ``ERROR``
    behind it, the (step, standard error) pairs that its intervals say."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name == "step" or value is None or name.endswith(_BESIDE):
                continue
            curves.setdefault(name, []).append((row["step"], float(value)))
            low, high = row.get(f"{name}/low"), row.get(f"{name}/high")
            if low is not None and high is not None:
                error = (row["step"], (float(high) - float(low)) / (2 * _Z))
                curves.setdefault(name + ERROR, []).append(error)
    return dict(curves)


def start_of(rows: Iterable[dict[str, Any]]) -> dict[str, Measured]:
    """The first value of every metric that has an interval and n, where it was measured before the
    first step: rows of step 0."""
    return evidence_of(row for row in rows if row["step"] == 0)


def evidence_of(rows: Iterable[dict[str, Any]]) -> dict[str, Measured]:
    """The latest value of every metric that has an interval and n."""
    latest: dict[str, Measured] = {}
    for row in rows:
        for name, value in row.items():
            low, high, n = (row.get(name + beside) for beside in _BESIDE)
            if (
                value is not None
                and low is not None
                and high is not None
                and n
                and math.isfinite(value)
            ):
                latest[name] = Measured(
                    metric=name,
                    value=float(value),
                    interval=Interval(float(low), float(high)),
                    n=int(n),
                )
    return latest
