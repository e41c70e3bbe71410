"""Benchmark suites by name: ``smoke``, ``heldout``, ``commerce``, ``humaneval``, ``mbpp``, ``multipl_e``, or a user's own
JSONL file.

``load_suite`` reads and checks; it answers and scores nothing. The public ones come, in this order, from ``data``, from the
folder that ``SENTINEL_BENCHMARKS`` names, or from the hub. A new suite is one file, and one line below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from sentinel_pipeline.errors import BadInput, Infrastructure, did_you_mean
from sentinel_pipeline.records import Task
from sentinel_pipeline.store import read_parquet

from ..commerce import HELDOUT
from ..task_bank import build
from . import humaneval, mbpp, multipl_e, own, smoke
from .rows import SuiteRow, read_rows

SUITES = ("smoke", "heldout", "commerce", "humaneval", "mbpp", "multipl_e")
ENVIRONMENT = "SENTINEL_BENCHMARKS"
COMMERCE_SEED = 2
"""Of the suite ``commerce``: 148 tasks of held-out compositions, the same for every recipe."""

__all__ = ["SUITES", "load_suite"]


def load_suite(name: str, *, data: Path | None = None) -> list[Task]:
    """The tasks of a suite, in the order of their file.

    Args:
        name: one of ``SUITES``, or any other name for the user's own suite in ``data``.
        data: the suite's file. ``heldout`` needs one: the task bank's table. A path in ``name`` works as well.

    Raises:
        BadInput: an unknown name, no file, a malformed line (file, line and field are named), or a task id twice.
        Infrastructure: neither a file nor the hub can be reached.
    """
    if name == "smoke":
        tasks = smoke.tasks()
    elif name == "heldout":
        tasks = list(_from_bank(data))
    elif name == "commerce":
        tasks = list(build(COMMERCE_SEED, {}, HELDOUT).heldout)
    elif name == "humaneval":
        tasks = [humaneval.task(row) for row in _rows(humaneval, data)]
    elif name == "mbpp":
        tasks = [mbpp.task(row) for row in _rows(mbpp, data)]
    elif name == "multipl_e":
        tasks = [multipl_e.task(row) for row in _rows(multipl_e, data)]
    else:
        tasks = _own(name, data)
    if not tasks:
        raise BadInput(f"suite {name!r} has no task.", file=data, fix="A score of nothing is no score: add items.")
    return _unique(tasks, data)


def _from_bank(data: Path | None) -> Iterator[Task]:
    if data is None:
        raise BadInput(
            "the held-out suite is part of a recipe's task bank, and none was given.",
            fix="Run `sentinel run RECIPE --until task_bank`, or pass the bank's file with --data.",
        )
    if not data.is_file():
        raise BadInput("is no file.", file=data, fix="Expected the task bank's Parquet table or JSONL rows.")
    if data.suffix == ".parquet":
        try:
            yield from (Task.from_row(row) for row in read_parquet(data))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"is no table of tasks: {error}.", file=data) from error
        return
    for row in read_rows(data):
        try:
            yield Task.from_row(row.fields)
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"is no task: {error!r}.", file=data, line=row.line) from error


def _own(name: str, data: Path | None) -> list[Task]:
    path = data if data is not None else Path(name)
    if not path.is_file():
        known = did_you_mean(name, SUITES)
        raise BadInput(f"unknown suite {name!r}. {known}", fix="Your own suite: give its JSONL file with --data.")
    suite = name if data is not None else path.name.removesuffix(".gz").removesuffix(".jsonl")
    return [own.task(row, suite) for row in read_rows(path)]


def _unique(tasks: list[Task], data: Path | None) -> list[Task]:
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise BadInput(f"task id {task.id!r} stands twice.", file=data, field="task_id", fix="Make ids unique.")
        seen.add(task.id)
    return tasks


def _rows(suite: ModuleType, data: Path | None) -> Iterator[SuiteRow]:
    if data is not None:
        return read_rows(data)
    folder = os.environ.get(ENVIRONMENT)
    if folder:
        path = Path(folder) / suite.FILE
        if not path.is_file():
            raise BadInput("is not there.", file=path, fix=f"{ENVIRONMENT} must name a folder that holds {suite.FILE}.")
        return read_rows(path)
    return _hub_rows(suite.HUB, suite.FILE)


def _hub_rows(name: str, file: str) -> Iterator[SuiteRow]:
    """Every row of every split, in the order of the task ids' splits as the hub lists them; ``name`` is ``DATASET:CONFIGURATION``
    where the data set has several."""
    fix = f"Set {ENVIRONMENT} to a folder that holds {file}, or pass the file with --data."
    try:
        from datasets import load_dataset

        load: Callable[..., dict[str, Iterable[dict[str, object]]]] = load_dataset
        splits = load(*name.split(":"))
    except Exception as error:
        raise Infrastructure(f"{name} could not be fetched from the hub ({type(error).__name__}). {fix}") from error
    rows = (dict(row) for split in splits.values() for row in split)
    return (SuiteRow(row, f"hub:{name}", number) for number, row in enumerate(rows, start=1))
