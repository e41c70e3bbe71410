"""Benchmark suites by name, or a user's own JSONL file. A new suite is one file, and one line
below.

``load_suite`` reads and checks; it answers and scores nothing. The public ones come, in this order,
from ``data``, from the folder that ``SENTINEL_BENCHMARKS`` names, or from the hub; the generated
ones are made on the spot, always the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...errors import BadInput, Infrastructure, did_you_mean
from ...records import Task
from ...records.conversation import conversation_of
from ...store.foreign import TooLarge, foreign_rows
from ...worker.remote_code import trust_remote_code
from . import (
    bfcl,
    commerce,
    conversations,
    diffs,
    format_probe,
    humaneval,
    ifeval,
    json_records,
    long_form,
    mbpp,
    multipl_e,
    nl2bash,
    own,
    plus,
    safety_probe,
    sentinels,
    smoke,
    system_prompts,
    tables,
)
from .rows import MAX_LINE_BYTES, SuiteRow, read_rows


class Public(NamedTuple):
    """A published suite: how a row becomes a task, its file under ``SENTINEL_BENCHMARKS``, and its
    name on the hub."""

    task: Callable[[SuiteRow], Task]
    file: str
    hub: str


class Files(NamedTuple):
    """A published suite whose file is read as a whole; not to be had from the hub."""

    tasks: Callable[[Path], Iterator[Task]]
    file: str


HELDOUT = "heldout"
GENERATED: dict[str, Callable[[], list[Task]]] = {
    "smoke": smoke.tasks,
    "commerce": commerce.tasks,
    "diffs": diffs.tasks,
    "json_records": json_records.tasks,
    "format_probe": format_probe.tasks,
    "safety_probe": safety_probe.tasks,
    "sentinels": sentinels.tasks,
    "conversations": conversations.tasks,
    "conversations_judged": conversations.judged,
    "system_prompts": system_prompts.tasks,
    "tables": tables.tasks,
    "long_form": long_form.tasks,
}
PUBLIC: dict[str, Public | Files] = {
    "humaneval": Public(humaneval.task, humaneval.FILE, humaneval.HUB),
    "humaneval_plus": Public(
        plus.humaneval_plus, "evalplus/HumanEvalPlus.jsonl.gz", "evalplus/humanevalplus"
    ),
    "mbpp": Public(mbpp.task, mbpp.FILE, mbpp.HUB),
    "mbpp_plus": Public(plus.mbpp_plus, "evalplus/MbppPlus.jsonl.gz", "evalplus/mbppplus"),
    "multipl_e": Public(multipl_e.task, multipl_e.FILE, multipl_e.HUB),
    "ifeval": Public(ifeval.task, ifeval.FILE, ifeval.HUB),
    "bfcl": Files(bfcl.tasks, bfcl.FILE),
    "nl2bash": Files(nl2bash.tasks, nl2bash.FILE),
}
SUITES = ("smoke", HELDOUT, *(name for name in (*GENERATED, *PUBLIC) if name != "smoke"))
PROMPT_FORMATS: dict[str, Literal["chat", "cue", "raw"]] = {"sentinels": "raw"}
"""Suites that are asked in one format only, whatever the recipe asks: the sentinels are raw prompts
or they prove nothing."""
ENVIRONMENT = "SENTINEL_BENCHMARKS"

__all__ = ["PROMPT_FORMATS", "SUITES", "as_items", "first_items", "load_suite"]


def load_suite(name: str, *, data: Path | None = None) -> list[Task]:
    """The tasks of a suite, in the order of their file.

    Args:
        name: one of ``SUITES``, or any other name for the user's own suite in ``data``.
        data: the suite's file. ``heldout`` needs one: the task bank's table. A path in ``name``
            works as well.

    Raises:
        BadInput: an unknown name, no file, a malformed line (file, line and field are named), or a
            duplicate task id.
        Infrastructure: neither a file nor the hub can be reached.
    """
    if name == HELDOUT:
        tasks = list(_from_bank(data))
    elif name in GENERATED:
        if data is not None:
            problem = f"suite {name!r} is generated and takes no file."
            raise BadInput(problem, file=data, fix="Leave out its data.")
        tasks = GENERATED[name]()
    elif name in PUBLIC:
        tasks = _public(PUBLIC[name], data)
    else:
        tasks = _own(name, data)
    if not tasks:
        fix = "Add items: nothing cannot be scored."
        raise BadInput(f"suite {name!r} has no task.", file=data, fix=fix)
    return _unique(tasks, data)


def first_items(tasks: list[Task], limit: int | None) -> list[Task]:
    """``limit`` items, all when None: of each family its first ones, as many as its share of the
    suite (largest remainders), in the suite's order; a conversation is one item and is never
    cut."""
    families: dict[str, list[str]] = {}
    for task in tasks:
        items = families.setdefault(task.family, [])
        name = conversation_of(task.id)
        if not items or items[-1] != name:
            items.append(name)
    total = sum(map(len, families.values()))
    if limit is None or limit >= total:
        return tasks
    exact = {family: limit * len(items) / total for family, items in families.items()}
    counts = {family: int(share) for family, share in exact.items()}
    rest = limit - sum(counts.values())
    for family in sorted(exact, key=lambda name: counts[name] - exact[name])[:rest]:
        counts[family] += 1
    names = {name for family, items in families.items() for name in items[: counts[family]]}
    return [task for task in tasks if conversation_of(task.id) in names]


def as_items(tasks: list[Task]) -> list[Task]:
    """One task for each item of a report: a conversation's last turn stands for the whole."""
    return list(
        {
            conversation_of(task.id): replace(task, id=conversation_of(task.id)) for task in tasks
        }.values()
    )


def _public(suite: Public | Files, data: Path | None) -> list[Task]:
    path = data or _local(suite.file)
    if isinstance(suite, Files):
        if path is None:
            fix = f"Set {ENVIRONMENT} to a folder that holds {suite.file}, or pass the file with --data."
            raise BadInput(f"{suite.file} was not found.", fix=fix)
        return list(suite.tasks(path))
    rows = read_rows(path) if path is not None else _hub_rows(suite.hub, suite.file)
    return [suite.task(row) for row in rows]


def _from_bank(data: Path | None) -> Iterator[Task]:
    if data is None:
        problem = "the held-out suite is part of a recipe's task bank, and none was given."
        fix = "Run `sentinel run RECIPE --until task_bank`, or pass the bank's file with --data."
        raise BadInput(problem, fix=fix)
    if not data.is_file():
        raise BadInput(
            "not a file.", file=data, fix="Expected the task bank's Parquet table or JSONL rows."
        )
    if data.suffix == ".parquet":
        import pyarrow as pa

        try:
            for foreign in foreign_rows(data, MAX_LINE_BYTES):
                if foreign.data is None:
                    raise TooLarge(f"a row of {foreign.size} bytes, the most is {MAX_LINE_BYTES}")
                yield Task.from_row(foreign.data.to_pylist()[0])
        except (ValueError, KeyError, TypeError, OSError, pa.ArrowException) as error:
            raise BadInput(f"not a table of tasks: {error}.", file=data) from error
        return
    for row in read_rows(data):
        try:
            yield Task.from_row(row.fields)
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"not a task: {error!r}.", file=data, line=row.line) from error


def _own(name: str, data: Path | None) -> list[Task]:
    path = data if data is not None else Path(name)
    if not path.is_file():
        suggestion = did_you_mean(name, SUITES)
        problem = f"unknown suite {name!r}. {suggestion}"
        raise BadInput(problem, fix="Your own suite: give its JSONL file with --data.")
    suite = name if data is not None else path.name.removesuffix(".gz").removesuffix(".jsonl")
    return [own.task(row, suite) for row in read_rows(path)]


def _unique(tasks: list[Task], data: Path | None) -> list[Task]:
    ids: set[str] = set()
    for task in tasks:
        if task.id in ids:
            problem = f"duplicate task id {task.id!r}."
            raise BadInput(problem, file=data, field="task_id", fix="Make ids unique.")
        ids.add(task.id)
    return tasks


def _local(file: str) -> Path | None:
    """The file in the folder that the environment names; None where it names none."""
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    path = Path(folder) / file
    if not path.is_file():
        raise BadInput(
            "is not there.", file=path, fix=f"{ENVIRONMENT} must name a folder that holds {file}."
        )
    return path


def _hub_rows(name: str, file: str) -> Iterator[SuiteRow]:
    """Every row of every split, in the order of the task ids' splits as the hub lists them;
    ``name`` is ``DATASET:CONFIGURATION`` where the data set has several."""
    fix = f"Set {ENVIRONMENT} to a folder that holds {file}, or pass the file with --data."
    try:
        from datasets import load_dataset

        path, _, configuration = name.partition(":")
        splits: Any = load_dataset(
            path, configuration or None, trust_remote_code=trust_remote_code(path)
        )
    except Exception as error:
        raise Infrastructure(
            f"{name} could not be fetched from the hub ({type(error).__name__}). {fix}"
        ) from error
    rows = (dict(row) for split in splits.values() for row in split)
    return (SuiteRow(row, f"hub:{name}", number) for number, row in enumerate(rows, start=1))
