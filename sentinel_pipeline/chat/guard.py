"""Whether chat may answer now: a pure decision over plain facts (the rules of the auto-critic
plan), asked again for every request.

What this module does not do: look at the machine (``situation`` does) or load a model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

SWITCH = "SENTINEL_WEB_CHAT_DISABLED"
HOW_TO_OPEN = "To talk to it all the same, under a loud label: --experimental, of sentinel chat RECIPE/STAGE or of sentinel ui."
Probe = Literal["pass", "fail", "inconclusive", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the decision stands on."""

    switch: str | None
    """The value of ``SENTINEL_WEB_CHAT_DISABLED``; chat is open only at ``0``, which somebody set
    on purpose."""
    training: str | None
    """Who holds the device; None when nobody does."""
    headroom_bytes: int
    """Memory free on the device (host memory where there is none)."""
    needed_bytes: int
    """Memory that the model and one conversation need."""
    probe: Probe
    """The format probe's verdict on exactly this checkpoint."""
    probe_reason: str = ""
    """What the probe measured, or what to do to have it taken."""
    allow_experimental: bool = False
    """Somebody asked for a checkpoint that has not passed its format probe, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """``open`` with ``experimental`` must be shown under a loud label."""

    open: bool
    experimental: bool
    reasons: tuple[str, ...]
    """Why it is closed, or why it is experimental; each says what to do."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"reasons": list(self.reasons)}


def decide(now: Situation) -> Clearance:
    """Closed at the first thing that forbids; all that forbid are named. A missing probe does not
    count as a pass."""
    closed = [reason for reason in (_switch(now), _training(now), _memory(now)) if reason]
    unproven = _unproven(now)
    if unproven and not now.allow_experimental:
        closed.append(f"{unproven} {HOW_TO_OPEN}")
    if closed:
        return Clearance(open=False, experimental=False, reasons=tuple(closed))
    return Clearance(
        open=True, experimental=bool(unproven), reasons=(unproven,) if unproven else ()
    )


def _switch(now: Situation) -> str | None:
    if now.switch == "0":
        return None
    state = "is not set" if now.switch is None else f"is {now.switch!r}"
    return f"{SWITCH} {state}: set it to 0 once no training is planned on this machine."


def _training(now: Situation) -> str | None:
    return (
        f"the device is in use by process {now.training}: wait for it to end."
        if now.training
        else None
    )


def _memory(now: Situation) -> str | None:
    if now.headroom_bytes >= now.needed_bytes:
        return None
    free = now.headroom_bytes / 2**30
    need = now.needed_bytes / 2**30
    return f"{free:.1f} GiB of memory are free and the model needs {need:.1f}: stop other work or choose a smaller model."


def _unproven(now: Situation) -> str | None:
    if now.probe == "pass":
        return None
    state = "has not been taken" if now.probe == "missing" else f"says {now.probe}"
    why = f" {now.probe_reason}" if now.probe_reason else ""
    return f"the format probe of this checkpoint {state}: its answers may not keep a format or may not stop.{why}"
