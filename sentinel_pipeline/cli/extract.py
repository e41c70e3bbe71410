"""``sentinel extract``: the one extractor over stored model outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import EXIT_BAD_INPUT
from .console import AsJson, emit, err, say


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
    """Read the JSON value out of every model output of FILE, Portuguese numbers included, each
    leniency named.

    Prints one line {"value", "leniencies", "error"} for each row. With --compare: how many
    json.loads failed on, how many of these are read now, and whether any value changed; with --json
    as one object. Rows without an output are named (exit code 2).

    Examples:

        sentinel extract outputs.jsonl --field completion

        sentinel extract data/pairs/eval.jsonl --compare --json
    """
    from ..critic.outputs import Comparison, outputs, read_outputs

    comparison = Comparison()
    for read in read_outputs(outputs(file, field), "repair" if repair else "mend"):
        comparison.add(read)
        if not compare:
            sys.stdout.write(json.dumps(read.to_json(), ensure_ascii=True, allow_nan=False) + "\n")
    table = Table("", "rows", title=f"{file.name}: {comparison.rows} rows")
    for name, count in (
        ("read by json.loads", comparison.read_before),
        ("read now", comparison.read_now),
        ("failed before, read now", comparison.gained),
        ("read before, failed now", comparison.lost),
        ("changed value", comparison.changed),
        ("rows without an output", comparison.bad_rows),
    ):
        table.add_row(name, str(count))
    err.print(table)
    for title, counts in (("leniency", comparison.leniencies), ("error", comparison.errors)):
        for name, count in counts.most_common():
            say(f"{count:8} {title} {name}")
    for example in comparison.examples:
        say(f"{file}:{example['line']}: {example['error'] or example['value']!r}"[:200])
    if compare and as_json:
        emit(comparison.to_json())
    if comparison.bad_rows:
        raise typer.Exit(EXIT_BAD_INPUT)
