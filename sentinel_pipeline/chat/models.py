"""The checkpoints that chat may offer: their clearance, asked again each time, and the processes of
those in use.

A model is named ``RECIPE/STAGE`` and is the current checkpoint of that stage: a newer one has
another hash, another probe and another process. What this module does not do: know HTTP, or decide
(``guard`` does).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import BadInput, GateRefused, did_you_mean
from ..generation.targets import Target, find_target
from ..records.stages import BASE, STAGE_NAMES
from ..store import Home
from ..store.address import find_stage, finished_stages
from ..store.marks import current_name, hidden
from ..worker.device import device_owner
from .guard import Clearance, decide
from .model_process import ModelProcess
from .probed import Probes
from .situation import situation

LOADED_AT_ONCE = 2
"""Models kept in memory: two stand side by side."""


class Opened(NamedTuple):
    """A model that may answer now."""

    session: ModelProcess
    target: Target
    clearance: Clearance


class Models:
    """``names`` are fixed, or None for whatever checkpoints there are. Safe to use from several
    threads."""

    def __init__(
        self,
        home: Home,
        names: tuple[str, ...] | None,
        *,
        experimental: bool,
        labelled: tuple[str, ...] = (),
    ) -> None:
        """``experimental`` opens every one without a passed probe, ``labelled`` those of these
        names."""
        self.home = home
        self._labelled = frozenset(full_name(home, name) for name in labelled)
        self._names = None if names is None else tuple(full_name(home, name) for name in names)
        self._experimental = experimental
        self._probes = Probes(home)
        self.sessions: dict[str, ModelProcess] = {}
        """By the checkpoint's hash, the last used at the end."""
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Names of what may be asked, in the order of recipes: the tuned checkpoints, then the base
        model to compare them with. Archived and superseded ones are offered only where somebody
        named them."""
        if self._names is not None:
            return list(self._names)
        names = []
        left_out = hidden(self.home)
        for recipe in self.home.recipe_names():
            stages = [
                stage
                for stage in finished_stages(self.home, recipe)
                if current_name(self.home, recipe, f"{stage}_checkpoint") not in left_out
            ]
            tuned = [stage for stage in stages if stage in STAGE_NAMES]
            base = [BASE] if tuned and BASE in stages else []
            names += [f"{recipe}/{stage}" for stage in (*tuned, *base)]
        return names

    def look(self, name: str) -> Clearance:
        """How things stand with a model now.

        Raises:
            BadInput: chat does not offer it.
        """
        return self._looks({name: self._target(name)})[name]

    def states(self) -> dict[str, Clearance]:
        """How things stand with every model, in the order of ``names``."""
        return self._looks({name: find_target(self.home, name) for name in self.names()})

    def _target(self, name: str) -> Target:
        names = self.names()
        if name not in names:
            hint = did_you_mean(name, names) if names else "Train one: sentinel run RECIPE."
            raise BadInput(f"no model {name[:80]!r}.", field="model", fix=hint)
        return find_target(self.home, name)

    def _looks(self, targets: Mapping[str, Target]) -> dict[str, Clearance]:
        looks = {}
        for name, probed in self._probes.of(targets).items():
            target = targets[name]
            assert target.folder is not None
            looks[name] = decide(
                situation(
                    self.home,
                    target.folder,
                    probed.state,
                    probe_reason=probed.reason,
                    allow_experimental=self._experimental or name in self._labelled,
                    loaded=target.model_hash in self.sessions,
                )
            )
        return looks

    def open(self, name: str) -> Opened:
        """The model, loaded, if the guard lets it answer now.

        Raises:
            BadInput: chat does not offer it, or its folder holds no model.
            GateRefused: the guard keeps it closed; says every reason.
            Infrastructure: its process, or the look at its probe, ended by itself.
        """
        with self._lock:
            target = self._target(name)
            clearance = self._looks({name: target})[name]
            if not clearance.open:
                self._rest()
                raise GateRefused(" ".join(clearance.reasons))
            session = self.sessions.pop(target.model_hash, None)
            if session is None or not session.alive:
                session = self._load(target)
            self.sessions[target.model_hash] = session
            return Opened(session, target, clearance)

    def _load(self, target: Target) -> ModelProcess:
        assert target.folder is not None
        while len(self.sessions) >= LOADED_AT_ONCE:
            self.sessions.pop(next(iter(self.sessions))).retire()
        return ModelProcess(target.folder, trust_remote_code=target.trust_remote_code)

    def rest(self) -> None:
        """Give the memory back while somebody trains."""
        with self._lock:
            self._rest()

    def _rest(self) -> None:
        if device_owner(self.home.device_lock):
            self._retire()

    def close(self) -> None:
        """End every model's process."""
        with self._lock:
            self._retire()

    def _retire(self) -> None:
        for session in self.sessions.values():
            session.retire()
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
