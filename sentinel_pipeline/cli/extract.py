"""``sentinel extract``: the one extractor over stored model outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..critic.outputs import Comparison, outputs, read_outputs
from ..errors import EXIT_BAD_INPUT
from .console import AsJson, emit, err


def extract(
    file: Annotated[
        Path, typer.Argument(help="JSONL of model outputs: objects, or JSON strings; .gz too.")
    ],
    field: Annotated[
        str | None,
        typer.Option(help="Field that holds the output; else completion, output, response, text …"),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare with json.loads instead of printing.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Close what was cut off, and mark it truncated.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the JSON value out of every model output of FILE, Portuguese numbers included, each leniency named.

    Prints one line {"value", "leniencies", "error"} for each row. With --compare: how many json.loads failed on, how many of these
    are read now, and whether any value changed; with --json as one object. Rows without an output are named (exit code 2).

    Examples:

        sentinel extract outputs.jsonl --field completion

        sentinel extract data/pairs/eval.jsonl --compare --json
    """
    seen = Comparison()
    for read in read_outputs(outputs(file, field), "repair" if repair else "mend"):
        seen.add(read)
        if not compare:
            sys.stdout.write(json.dumps(read.to_json(), ensure_ascii=True, allow_nan=False) + "\n")
    _print(seen, file)
    if compare and as_json:
        emit(seen.to_json())
    if seen.bad_rows:
        raise typer.Exit(EXIT_BAD_INPUT)


def _print(seen: Comparison, file: Path) -> None:
    table = Table("", "rows", title=f"{file.name}: {seen.rows} rows")
    for name, count in (
        ("read by json.loads", seen.read_before),
        ("read now", seen.read_now),
        ("failed before, read now", seen.gained),
        ("read before, failed now", seen.lost),
        ("changed value", seen.changed),
        ("rows without an output", seen.bad_rows),
    ):
        table.add_row(name, str(count))
    err.print(table)
    for title, counts in (("leniency", seen.leniencies), ("error", seen.errors)):
        for name, count in counts.most_common():
            err.print(f"{count:8} {title} {name}", markup=False, highlight=False)
    for one in seen.examples:
        err.print(
            f"{file}:{one['line']}: {one['error'] or one['value']!r}"[:200],
            markup=False,
            highlight=False,
        )
