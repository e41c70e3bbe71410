"""The four commerce tasks of the V4.1 handoff as a suite: 148 generated tasks of held-out
compositions, the same for every recipe.

What this module does not do: generate the data (``tasks.commerce`` does).
"""

from __future__ import annotations

from dataclasses import replace

from ...records import Task

SEED = 2


def tasks() -> list[Task]:
    """In the proportions of ``bench.commerce.HELDOUT``."""
    # Imported here: Dagster's definitions import the suites, and every family's compositions would
    # be drawn each time that they are loaded.
    from ..commerce import HELDOUT
    from ..task_bank import build

    return [replace(task, suite="commerce") for task in build(SEED, {}, HELDOUT).heldout]
