"""The grader's interface over a Ray cluster: the same programs give the same results, in the same
order, as on one machine.

Each Ray process keeps one warm grader. Every node probes its own isolation and refuses below what
is required. What this module does not do: start a cluster, or ship this package to it; every node
needs the same version of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from ..cluster import map_batches
from .grader import Grader, infrastructure
from .isolation import Level
from .outcomes import DEFAULT_LIMITS, Limits, Program, Result

_SIZE = 32
"""Programs in a batch: a fraction of a second of work against the milliseconds that a task
costs."""


class RayGrader:
    """Grades on the cluster that ``RAY_ADDRESS`` names. Nothing is held between batches but what
    the nodes keep warm."""

    def __init__(
        self, *, limits: Limits = DEFAULT_LIMITS, require_isolation: Level | None = None
    ) -> None:
        self.limits = limits
        self.require_isolation = require_isolation

    def __enter__(self) -> RayGrader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """As ``Grader.close``: the workers end with the Ray processes that hold them."""

    def grade(self, programs: Iterable[Program]) -> Iterator[Result]:
        """As ``Grader.grade``; a batch whose node died is graded again.

        Raises:
            BadInput: Ray is not installed, or no cluster is named.
            GateRefused: a node isolates less than is required.
            Infrastructure: the cluster is gone.
        """
        work = partial(_grade_here, self.limits, self.require_isolation)
        yield from map_batches(work, programs, size=_SIZE, lost=infrastructure)


_KEPT: dict[tuple[Limits, Level | None], Grader] = {}
"""This Ray process's warm grader: at most one."""


def _grade_here(limits: Limits, least: Level | None, programs: list[Program]) -> list[Result]:
    """In a Ray process, one task at a time."""
    key = limits, least
    if key not in _KEPT:
        for other in _KEPT.values():
            other.close()
        _KEPT.clear()
        _KEPT[key] = Grader(workers=1, limits=limits, require_isolation=least)
    return list(_KEPT[key].grade(programs))
