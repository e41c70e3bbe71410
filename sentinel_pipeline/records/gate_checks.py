"""Gates and gap proof of a recipe, checked before anything runs. What this module does not do: decide a gate."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadInput, did_you_mean
from .gap_spec import GapProof
from .gate_spec import GatePolicy
from .stages import REPORT_STAGES

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


def validate_gates(gates: dict[str, GatePolicy], suites: tuple[str, ...], path: Path) -> None:
    """Raises:
    BadInput: a gate's name, stage, suite, threshold or confidence cannot be, or the gap gate is switched off.
    """
    for name, policy in gates.items():
        _gate(name, policy, suites, path)
    if gates["capability_gap"].severity != "block":
        raise BadInput(
            "training never starts without it.",
            file=path,
            field="gates.capability_gap.severity",
            fix="Leave it at 'block'; change its threshold where you mean another bound.",
        )


def _gate(name: str, policy: GatePolicy, suites: tuple[str, ...], path: Path) -> None:
    def bad(message: str, key: str | None, fix: str) -> BadInput:
        return BadInput(
            message, file=path, field=f"gates.{name}.{key}" if key else f"gates.{name}", fix=fix
        )

    if not _NAME.fullmatch(name):
        raise bad("is no name for a gate.", None, "Use lower-case letters, digits and underscores.")
    for key, stage in (("stage", policy.stage), ("against", policy.against)):
        if stage is not None and stage not in REPORT_STAGES:
            raise bad(f"unknown stage {stage!r}.", key, did_you_mean(stage, REPORT_STAGES))
    lowest = -1 if policy.against else 0
    if not lowest < policy.threshold < 1 or not 0.5 < policy.confidence < 1:
        numbers = f"threshold {policy.threshold:g} and confidence {policy.confidence:g}"
        raise bad(
            f"{numbers}: expected both within ({lowest}, 1).",
            None,
            "A rate of 40 % is written 0.40.",
        )
    if not 0 < policy.effect < 1:
        raise bad(
            f"is {policy.effect:g}, expected within (0, 1).",
            "effect",
            "Ten points are written 0.10.",
        )
    order = REPORT_STAGES.index
    if policy.against and order(policy.against) >= order(policy.stage):
        raise bad(
            f"{policy.against!r} does not come before {policy.stage!r}.",
            "against",
            "Name an earlier stage.",
        )
    if policy.suite not in suites and policy.severity != "off":
        fix = f"Add it to bench.suites ({', '.join(suites)}), name another one, or set severity = 'off'."
        raise bad(f"suite {policy.suite!r} is not answered by this recipe.", "suite", fix)


def validate_gap(gap: GapProof, seed: int, suites: tuple[str, ...], path: Path) -> None:
    """Raises:
    BadInput: a suite or format that is not there, a bound outside (0, 1), or a peer that would be the base model again.
    """

    def bad(message: str, key: str, fix: str) -> BadInput:
        return BadInput(message, file=path, field=f"gap_proof.{key}", fix=fix)

    if gap.suite not in suites:
        raise bad(
            f"suite {gap.suite!r} is not answered by this recipe.",
            "suite",
            did_you_mean(gap.suite, suites),
        )
    if "chat" not in gap.formats or len(set(gap.formats)) != len(gap.formats):
        raise bad(
            f"is {list(gap.formats)}.", "formats", "Name each format once, 'chat' among them."
        )
    for key in ("max_base_rate", "min_instruct_rate", "p_below"):
        if not 0 < getattr(gap, key) < 1:
            raise bad(
                f"is {getattr(gap, key):g}, expected within (0, 1).",
                key,
                "A rate of 30 % is written 0.30.",
            )
    if gap.min_h <= 0 or gap.conversations < 1:
        raise bad(
            "min_h and conversations: expected more than 0.",
            "min_h",
            "Seed 003's bound is 0.5.",
        )
    for name in ("instruct", "alternative"):
        peer = getattr(gap, name)
        if peer.model.source == "embedded" and peer.seed == seed:
            raise bad(
                f"is {seed}, the recipe's own.",
                f"{name}.seed",
                "An embedded peer needs another seed.",
            )
    if gap.instruct.model.source == "embedded" and not gap.instruct.train:
        fix = "Say how many training tasks of each family, as in tasks.train."
        raise bad("an embedded instruct model is trained on nothing.", "instruct.train", fix)
