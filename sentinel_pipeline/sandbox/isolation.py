"""Which layers of isolation this machine gives: probed once per process, in throw-away children.

What this module does not do: confine anything. The level names what *all* candidates on this
machine run under; each missing layer says why, so that ``doctor`` can tell a person what to change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import GateRefused, Infrastructure
from .guest import layers as names

NAMESPACES = names.NAMESPACES
EVERY_LAYER = names.LAYERS
"""The one list is in ``guest.layers``, which a bare interpreter can read too."""
_GUEST = Path(__file__).parent / "guest"
_BOOT = (
    "import sys, types; package = types.ModuleType('guest'); package.__path__ = [sys.argv.pop()]; "
    "sys.modules['guest'] = package; from guest.{module} import main; main()"
)
"""Loads the guest folder as a package of its own: a bare interpreter sees neither this package nor
installed ones."""
_PROBE_SECONDS = 180.0
"""A backstop: the probe takes a fifth of a second of CPU time, which may take long on a loaded
machine."""


def guest_command(module: str, *config: str) -> list[str]:
    """Runs ``main`` of a module of ``guest`` in a bare interpreter; ``config`` is its
    ``argv[1]``."""
    boot = _BOOT.format(module=module)
    return [sys.executable, "-P", "-s", "-S", "-c", boot, *config, str(_GUEST)]


class Level(StrEnum):
    """How well candidates are held, weakest first."""

    NONE = "none"
    """A process of its own, and no more."""
    RLIMITS = "rlimits"
    """And resource limits."""
    SECCOMP = "seccomp"
    """And a system call filter without a way to new privileges, as an unprivileged user: no
    processes, no network; and files bounded by a private root or by Landlock."""
    NAMESPACES = "namespaces"
    """And namespaces with a root of its own."""
    FULL = "full"
    """And Landlock: every layer."""

    @property
    def rank(self) -> int:
        """0 for the weakest."""
        return list(Level).index(self)


_FILES = ("private_root", "landlock")
_NEEDS: dict[Level, tuple[str | tuple[str, ...], ...]] = {
    Level.RLIMITS: ("rlimits",),
    Level.SECCOMP: ("rlimits", "seccomp", "no_new_privileges", "unprivileged_user", _FILES),
    Level.NAMESPACES: tuple(name for name in EVERY_LAYER if name != "landlock"),
    Level.FULL: EVERY_LAYER,
}
"""What a level takes: layers, and groups of layers of which any one does."""
_DEPENDS = {
    **dict.fromkeys(NAMESPACES[1:], ("user_namespace",)),
    "private_root": ("user_namespace", "mount_namespace"),
    "landlock": ("no_new_privileges",),
    "seccomp": ("no_new_privileges", "unprivileged_user"),
}
"""What a layer cannot be had without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What was probed."""

    level: Level
    layers: dict[str, bool]
    """Every layer by name."""
    missing: dict[str, str]
    """Why, for each layer that is not there."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "level": self.level.value,
            "layers": dict(self.layers),
            "missing": dict(self.missing),
        }

    @property
    def active(self) -> list[str]:
        """The layers to apply."""
        return [name for name, there in self.layers.items() if there]

    def demand(self, least: Level) -> None:
        """Raise GateRefused where this machine gives less than ``least``."""
        if self.level.rank >= least.rank:
            return
        needed = [name for group in _lacking(least, self.layers) for name in group]
        why = "; ".join(f"{name}: {self.missing.get(name) or 'not there'}" for name in needed)
        raise GateRefused(
            f"isolation level {least.value!r} is required, this machine gives {self.level.value!r} ({why}). "
            f"Nothing was run. Provide the missing layers, or ask for a lower level on a machine that you can lose."
        )


def _lacking(level: Level, layers: dict[str, bool]) -> list[tuple[str, ...]]:
    """The groups of which no layer is there."""
    groups = [(need,) if isinstance(need, str) else need for need in _NEEDS[level]]
    return [group for group in groups if not any(layers.get(name) for name in group)]


def from_probe(layer_reasons: dict[str, str]) -> Isolation:
    """The level for a probe's answer, layer -> reason ("" where it works)."""
    layer_reasons = dict(layer_reasons)
    for name, needed in _DEPENDS.items():
        for other in needed:
            if layer_reasons.get(other, "not probed"):
                layer_reasons[name] = layer_reasons.get(name) or f"needs {other}"
    layers = {name: layer_reasons.get(name, "not probed") == "" for name in EVERY_LAYER}
    reached = Level.NONE
    for level in _NEEDS:
        if _lacking(level, layers):
            break
        reached = level
    return Isolation(
        level=reached,
        layers=layers,
        missing={
            name: layer_reasons.get(name, "not probed") for name in EVERY_LAYER if not layers[name]
        },
    )


@cache
def isolation() -> Isolation:
    """Probe each layer of this machine (some 0.2 s, then cached for the process).

    Raises:
        Infrastructure: the probe itself cannot be run.
    """
    try:
        done = subprocess.run(
            guest_command("probe"),
            env={},
            cwd="/",
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        layer_reasons: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Infrastructure(f"cannot probe the isolation of this machine: {error}") from error
    return from_probe(layer_reasons)
