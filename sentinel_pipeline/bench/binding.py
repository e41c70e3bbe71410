"""What a gate's verdict is bound to: the checkpoint that answered, the items' content and the
decoding, from a report for who decides, and as they are now for who goes on.

What this module does not do: decide, or read the ledger.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ..gates.keys import Bound, decoding_text
from ..records import BenchmarkReport, Task
from ..records.recipe import Recipe
from ..records.task import suite_hash
from ..store import Artifact, read_parquet
from .evaluate import recipe_decoding


def bound_by(report: BenchmarkReport) -> Bound:
    """What a report was answered by, on and with."""
    return Bound(report.model_hash, report.suite_hash, decoding_text(report.decoding))


def bound_now(recipe: Recipe, suite: str, checkpoint: Artifact, bank: Artifact) -> Bound:
    """What a verdict must be about for ``checkpoint`` to be gone on from: these weights, the suite
    as the task bank holds it now, the decoding that the recipe says."""
    path = bank.path(f"suites/{suite}.parquet")
    return Bound(checkpoint.hash, _suite_hash(path), decoding_text(recipe_decoding(recipe, suite)))


@lru_cache(maxsize=64)
def _suite_hash(path: Path) -> str:
    """Of a suite's table in a finished artifact, which is never written again."""
    return suite_hash(Task.from_row(row).content_hash for row in read_parquet(path))
