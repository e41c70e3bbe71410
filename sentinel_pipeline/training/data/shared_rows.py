"""Training rows that several processes read from one folder.

What this module does not do: divide the rows among the processes; their trainers do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...worker import ranks


def shared_rows(rows: Any, folder: Path) -> Any:
    """The same rows for all processes, in one folder: rank 0 leaves the reference's
    log-probabilities beside them."""
    if ranks.world() == 1:
        return rows
    from datasets import load_from_disk

    if ranks.is_main():
        rows.save_to_disk(folder)
    ranks.barrier()
    return load_from_disk(folder)
