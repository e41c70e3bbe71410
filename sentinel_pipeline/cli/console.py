"""Where output goes: people read standard error, programs read one JSON object on standard
output.

Whatever is printed here is text: no markup is read in it, and what would steer a terminal is shown
as an escape, in lines, tables, titles and progress alike. Colours are asked for by ``styled``. No
other module of the command makes a console or writes to a stream of its own.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..records.printable import visible, visible_json

if TYPE_CHECKING:
    from rich.progress import Progress, Task


class PlainConsole(Console):
    """A console that obeys nothing that stands in what it prints."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Before widths are measured, so that tables stay straight."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Last of all, whatever made the text; Rich's own control codes are marked as such.

        A table never cuts a word off: an address or a reason that is too long goes on below.
        """
        for column in getattr(renderable, "columns", ()):
            if not column.no_wrap:
                column.overflow = "fold"
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


err = PlainConsole(
    stderr=True, width=None if sys.stderr.isatty() or "COLUMNS" in os.environ else 120
)
"""Where people read; a log or a pipe has no width of its own."""

emitted: list[bool] = []
"""Whether this process has printed its JSON object."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
TokenLimit = Annotated[
    Literal["max_tokens", "max_completion_tokens"],
    typer.Option(help="Field that bounds an answer; OpenAI's reasoning models know the second."),
]
ReasoningEffort = Annotated[
    Literal["minimal", "low", "medium", "high"] | None,
    typer.Option(help="Sent to the server where it is given."),
]


def login_name() -> str:
    """Who runs this command, as the kernel has it: neither ``USER`` nor ``LOGNAME`` nor an option
    can say otherwise. Who changed the user after the login (``sudo``) is named by both, where the
    machine keeps the first."""
    name = _account(os.getuid())
    try:
        first = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return name
    unset = 2**32 - 1
    return name if first in (unset, os.getuid()) else f"{name} (logged in as {_account(first)})"


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def say(text: str) -> None:
    """A line for people; no line is broken."""
    err.print(text, soft_wrap=True)


def warn(text: str) -> None:
    """A line for people about what did not stop the command and is not as it should be."""
    err.print(styled(("warning:", "bold yellow"), f" {text}"), soft_wrap=True)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text in colours: each part is text, or text and its style."""
    return Text.assemble(
        *(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts)
    )


def emit(value: dict[str, Any]) -> None:
    """One JSON object on standard output, with escapes where the output's encoding lacks a
    character or a terminal would obey one; NaN and infinity, which JSON does not have, are
    refused."""
    text = visible_json(json.dumps(value, ensure_ascii=False, allow_nan=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    emitted.append(True)


def emit_error(message: str, kind: str, exit_code: int) -> None:
    """The JSON object of a command that ends with an error, unless one was printed already: who
    reads standard output finds one object either way."""
    if not emitted:
        emit({"error": {"kind": kind, "message": message, "exit_code": exit_code}})


def progress(what: str, unit: str) -> Progress:
    """A bar on standard error with count, rate and time left."""
    # Imported here: a third of what the smallest verb would import, and few verbs have a bar.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "")

    return Progress(
        TextColumn(what, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=err,
    )
