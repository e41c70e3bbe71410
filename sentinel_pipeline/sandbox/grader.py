"""The door: programs in, results out (being written)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType

from .isolation import Level
from .outcomes import Limits, Program, Result


class Grader:
    """Workers kept warm between batches; a context manager."""

    def __init__(
        self, *, workers: int | None = None, limits: Limits = Limits(), require_isolation: Level | None = None
    ) -> None:
        self.workers, self.limits, self.require_isolation = workers, limits, require_isolation

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; harmless when called again."""

    def grade(self, programs: Iterable[Program]) -> Iterator[Result]:
        """Grade in input order, streaming."""
        raise NotImplementedError


def grade(
    programs: Iterable[Program],
    *,
    workers: int | None = None,
    limits: Limits = Limits(),
    require_isolation: Level | None = None,
) -> Iterator[Result]:
    """Grade ``programs`` in input order, streaming, on all cores by default."""
    with Grader(workers=workers, limits=limits, require_isolation=require_isolation) as grader:
        yield from grader.grade(programs)
