"""The checkpoints that chat may offer: their clearance, asked again each time, and the sessions of
those in use.

A model is named ``RECIPE/STAGE`` and is the current checkpoint of that stage: a newer one has
another hash, another probe and another session. What this module does not do: know HTTP, or decide
(``guard`` does).
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from ..errors import BadInput, GateRefused, did_you_mean
from ..generation.targets import Target, find_target
from ..records.stages import STAGE_NAMES
from ..store import Home
from ..store.address import find_stage, finished_stages
from ..worker.device import device_owner
from .guard import Clearance, decide
from .probe import probe
from .session import Session
from .situation import situation

LOADED_AT_ONCE = 2
"""Sessions kept in memory: two stand side by side."""


class Opened(NamedTuple):
    """A model that may answer now."""

    session: Session
    target: Target
    clearance: Clearance


class Models:
    """``names`` are fixed, or None for whatever fine-tuned checkpoints there are. Safe to use from
    several threads."""

    def __init__(self, home: Home, names: tuple[str, ...] | None, *, experimental: bool) -> None:
        self.home = home
        self._names = None if names is None else tuple(full_name(home, name) for name in names)
        self._experimental = experimental
        self.sessions: dict[str, Session] = {}
        """By the checkpoint's hash, the last used at the end."""
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Names of what may be asked, in the order of recipes and stages."""
        if self._names is not None:
            return list(self._names)
        return [
            f"{recipe}/{stage}"
            for recipe in self.home.recipe_names()
            for stage in finished_stages(self.home, recipe)
            if stage in STAGE_NAMES
        ]

    def look(self, name: str) -> Clearance:
        """How things stand with a model now.

        Raises:
            BadInput: chat does not offer it.
        """
        return self._look(name, self._target(name))

    def _target(self, name: str) -> Target:
        names = self.names()
        if name not in names:
            hint = did_you_mean(name, names) if names else "Train one: sentinel run RECIPE."
            raise BadInput(f"no model {name[:80]!r}.", field="model", fix=hint)
        return find_target(self.home, name)

    def _look(self, name: str, target: Target) -> Clearance:
        recipe, _, stage = name.partition("/")
        state, reason, _ = probe(self.home, self.home.recipe(recipe), stage, target)
        assert target.folder is not None
        return decide(
            situation(
                self.home,
                target.folder,
                state,
                probe_reason=reason,
                allow_experimental=self._experimental,
                loaded=target.model_hash in self.sessions,
            )
        )

    def open(self, name: str) -> Opened:
        """The model, loaded, if the guard lets it answer now.

        Raises:
            BadInput: chat does not offer it, or its folder holds no model.
            GateRefused: the guard keeps it closed; says every reason.
        """
        with self._lock:
            target = self._target(name)
            clearance = self._look(name, target)
            if not clearance.open:
                self._rest()
                raise GateRefused(" ".join(clearance.reasons))
            session = self.sessions.pop(target.model_hash, None) or self._load(target)
            self.sessions[target.model_hash] = session
            return Opened(session, target, clearance)

    def _load(self, target: Target) -> Session:
        assert target.folder is not None
        while len(self.sessions) >= LOADED_AT_ONCE:
            del self.sessions[next(iter(self.sessions))]
        return Session(target.folder)

    def rest(self) -> None:
        """Give the memory back while somebody trains."""
        with self._lock:
            self._rest()

    def _rest(self) -> None:
        if device_owner(self.home.device_lock):
            self.sessions.clear()


def full_name(home: Home, address: str) -> str:
    """``RECIPE/STAGE`` of an address; a recipe's name alone means the last of its tuned
    checkpoints.

    Raises:
        BadInput: no such recipe, stage or checkpoint, or a model that no recipe trained.
    """
    stage = find_stage(home, address, defaults=STAGE_NAMES)
    if stage is None:
        fix = f"Chat serves RECIPE/STAGE. {did_you_mean(address, home.recipe_names())}"
        raise BadInput(f"no recipe has the checkpoint {address!r}.", field="model", fix=fix)
    return str(stage)
