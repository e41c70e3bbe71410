"""Recipe sections about measurement: what is answered, and the gates that judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSpec:
    suites: tuple[str, ...] = ("heldout", "smoke")
    max_new_tokens: int = 128
    batch_size: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    """Answers to each item; more than one needs a temperature."""
    limit: int | None = None
    """Items of each suite, at most; a conversation is one item."""
    data: dict[str, str] = field(default_factory=dict)
    """Suite name -> its problem file, relative to the project's root, for suites whose file lies elsewhere."""
    engine: Literal["transformers", "vllm"] = "transformers"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A gate's policy: ``metric`` of the ``suite`` against ``threshold``, decided on the interval or on the point.

    With ``against`` the gate is paired: what is compared with ``threshold`` is the difference to that stage's answers to the same
    items. ``threshold = 0.0`` asks for a gain, ``0.1`` for ten points, ``-0.02`` for no loss of more than two.
    """

    metric: Literal["pass_at_1", "syntax_rate"]
    threshold: float
    stage: str = "sft"
    """Whose report is judged: ``base``, ``sft`` …"""
    suite: str = "heldout"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: the whole confidence interval must clear the threshold; between the two the gate is inconclusive."""
    confidence: float = 0.95
    """Of the interval; a gate that decides on it promotes by luck at most in 1 - ``confidence`` of all cases."""
    max_infra_share: float = 0.02
    """More infrastructure outcomes than this and the report is void: the gate is inconclusive."""
    severity: Literal["block", "warn", "off"] = "block"
    """``warn``: shown, never a reason to refuse (a smoke suite of 8 tasks decides nothing); ``off``: not decided."""
    against: str | None = None
    """The stage to compare with on the same items; absent: an absolute rate."""
    effect: float = 0.10
    """How far beyond the threshold the truth must lie for the gate's power to be stated."""


def with_defaults(gates: dict[str, Any], defaults: Mapping[str, GatePolicy]) -> dict[str, Any]:
    """A recipe's ``[gates]`` table laid over the default gates, key by key; what is no table is left for the reader to refuse."""
    merged: dict[str, Any] = {name: _table(policy) for name, policy in defaults.items()}
    for name, table in gates.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    return merged


def _table(policy: GatePolicy) -> dict[str, Any]:
    return {key: value for key, value in asdict(policy).items() if value is not None}
