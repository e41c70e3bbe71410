"""Where output goes: people read standard error, programs read one JSON object on standard
output."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

err = Console(stderr=True, width=None if sys.stderr.isatty() or "COLUMNS" in os.environ else 120)
"""Where people read; a log or a pipe has no width of its own."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def say(text: str) -> None:
    """A line for people, printed as it is: what a model or a file wrote is never read as markup,
    and no line is broken."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def emit(value: dict[str, Any]) -> None:
    """One JSON object on standard output, with escapes where the output's encoding lacks a
    character; NaN and infinity, which JSON does not have, are refused."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "")


def progress(what: str, unit: str) -> Progress:
    """A bar on standard error with count, rate and time left."""
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
        console=err,
    )
