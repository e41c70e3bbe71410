"""The format probes of checkpoints as the chat server asks for them: each is looked at in a process
that ends (``apart``), and looked at again only when something that it stands on has changed.

What this module does not do: decide (``probe`` does).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..generation.targets import Target, find_target
from ..records.stages import report_of
from ..store import Artifact, Home, Store, find_home
from .apart import answer_once, ask
from .guard import Probe


class Probed(NamedTuple):
    state: Probe
    reason: str


class Probes:
    """Safe to use from several threads: the first one looks, the others wait for what it sees."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._looked: dict[str, tuple[Any, Probed]] = {}
        """Name -> what the look stood on, and what it came to."""

    def of(self, targets: Mapping[str, Target]) -> dict[str, Probed]:
        """The verdict on each target, by ``RECIPE/STAGE``; whatever must be looked at is looked at
        by one process.

        Raises:
            BadInput: a recipe is wrong.
            Infrastructure: the process did not come to an end.
        """
        with self._lock:
            # Asked before the look: what changes meanwhile is looked at the next time.
            grounds = {name: _grounds(self._home, name, each) for name, each in targets.items()}
            old = [
                name
                for name in targets
                if name not in self._looked or self._looked[name][0] != grounds[name]
            ]
            if old:
                for name, row in ask(self._home, __name__, old).items():
                    model_hash, state, reason = row
                    if model_hash == targets[name].model_hash:
                        self._looked[name] = (grounds[name], Probed(state, reason))
                    else:
                        self._looked.pop(name, None)
            again = Probed("missing", "It changed while it was looked at: ask again.")
            return {
                name: self._looked[name][1] if name in self._looked else again for name in targets
            }


def _grounds(home: Home, name: str, target: Target) -> tuple[Any, ...]:
    """What a verdict stands on, told without reading any of it: the recipe, the weights, the
    reports there are, and the ledger with the scorers' licences."""
    recipe, _, stage = name.partition("/")
    reports: list[Artifact] = [
        *Store.reading(home, recipe).history(report_of(stage)),
        *Store.reading(home, "bench").history(target.slug),
    ]
    current = Store.reading(home, recipe).find(report_of(stage))
    ledger = [home.ledger, home.ledger.with_name(f"{home.ledger.name}-wal")]
    return (
        home.recipe(recipe).sha256(),
        target.model_hash,
        tuple(report.hash for report in reports),
        current.hash if current is not None else None,
        tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in ledger if file.exists()),
    )


def main(names: Sequence[str]) -> dict[str, tuple[str, Probe, str]]:
    """Name -> hash of the weights, the probe's state and its reason."""
    from .probe import probe

    home = find_home()
    rows = {}
    for name in names:
        recipe, _, stage = name.partition("/")
        target = find_target(home, name)
        state, reason, _ = probe(home, home.recipe(recipe), stage, target)
        rows[name] = (target.model_hash, state, reason)
    return rows


if __name__ == "__main__":
    raise SystemExit(answer_once(main))
