"""``dagster dev`` as ``sentinel ui`` starts it: ``python -m sentinel_pipeline.defs.dev_server dev
...``.

Dagster warns there that the project's ``dagster.yaml`` is not used, since ``DAGSTER_HOME`` is
another folder; that folder holds a link to it, so it is. What this module does not do: anything
else than Dagster's own command.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


def is_true(record: logging.LogRecord) -> bool:
    """Whether a line of Dagster's is to be shown: not the one about a ``dagster.yaml`` that
    ``DAGSTER_HOME`` links to."""
    text = record.getMessage()
    if not text.startswith("Found a dagster instance configuration"):
        return True
    linked = Path(os.environ.get("DAGSTER_HOME", "")) / "dagster.yaml"
    here = Path.cwd() / "dagster.yaml"
    return not (linked.is_file() and here.is_file() and linked.samefile(here))


def main() -> None:
    """Dagster's command, with this process's arguments."""
    from dagster._cli import main as dagster

    logging.getLogger("dagster").addFilter(is_true)
    sys.argv[0] = "dagster"
    dagster()


if __name__ == "__main__":
    main()
