"""Looking again at the same weights and items: each further look is paid from the gate's error
budget.

A gate promises that it passes by chance in at most 1 - ``confidence`` of all cases. Its interval is
two-sided, so that the first look spends a little more than half of that; each further look spends a
third of what the one before spent: however many there are, all of them together stay within the
promise. What this module does not do: count the looks (``store.Ledger.look``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ..records.gate_spec import GatePolicy
from .reward import RewardPolicy

PolicyT = TypeVar("PolicyT", GatePolicy, RewardPolicy)


def at_look(policy: PolicyT, look: int) -> PolicyT:
    """``policy`` as it decides at its ``look``-th look, counted from 1: at the confidence that is
    left. From the twentieth on it no longer rises: what is spent there is nothing."""
    return replace(policy, confidence=1 - (1 - policy.confidence) / 3 ** min(look - 1, 20))
