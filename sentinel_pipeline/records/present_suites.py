"""Public suites that a recipe answers where their files are at hand: in the folder that
``SENTINEL_BENCHMARKS`` names.

A recipe that everybody can run may so be measured on data that does not come with it. Where a file
is missing, its suite is left out and the gates on it are off; nothing is fetched. What this module
does not do: read a suite.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ENVIRONMENT = "SENTINEL_BENCHMARKS"


def is_present(file: str) -> bool:
    """Whether the folder of benchmarks holds ``file``."""
    folder = os.environ.get(ENVIRONMENT)
    return bool(folder) and (Path(str(folder)).expanduser() / file).is_file()


def add_present(data: dict[str, Any]) -> None:
    """Add to ``bench.suites`` those of ``bench.where_present`` that are there, and switch off the
    gates on the others. What is of another shape is left for the reader to refuse."""
    bench = data.get("bench")
    files = bench.get("where_present") if isinstance(bench, dict) else None
    if not isinstance(bench, dict) or not isinstance(files, dict):
        return
    suites = bench.get("suites")
    if not isinstance(suites, list):
        return
    present = [name for name, file in files.items() if isinstance(file, str) and is_present(file)]
    bench["suites"] = [*suites, *(name for name in present if name not in suites)]
    gates = data.get("gates")
    for table in gates.values() if isinstance(gates, dict) else ():
        if isinstance(table, dict) and table.get("suite") in files.keys() - set(present):
            table["severity"] = "off"
