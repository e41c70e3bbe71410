"""The ``sentinel`` command: thin verbs over the domain, in five panels.

Every verb prints for people on standard error and, with ``--json``, one JSON object on standard
output. Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure.
``docs/command.md`` is written from here by ``python -m sentinel_pipeline.cli.reference``.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated, Any

import typer

from ..errors import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INFRASTRUCTURE,
    BadInput,
    SentinelError,
)
from .alerts import alert
from .audit import audit
from .bench import bench
from .chat import chat
from .compare import compare, power
from .console import err
from .doctor import doctor
from .extract import extract
from .gates import gate
from .grade import grade
from .init import init
from .judge import judge
from .label import label
from .mirror import mirror
from .mix import mix, trace
from .next import next_step
from .parity import parity
from .plan import plan
from .release import release
from .review import review
from .run import run
from .ui import ui
from .upkeep import gc, verify

PANELS: dict[str, dict[str, Any]] = {
    "Run": {"init": init, "run": run, "plan": plan, "next": next_step, "release": release},
    "Data": {"label": label, "extract": extract, "mix": mix, "trace": trace},
    "Measure": {
        "bench": bench,
        "compare": compare,
        "power": power,
        "grade": grade,
        "parity": parity,
    },
    "Govern": {"audit": audit, "gate": gate, "judge": judge, "review": review},
    "Serve": {
        "ui": ui,
        "chat": chat,
        "alert": alert,
        "doctor": doctor,
        "verify": verify,
        "gc": gc,
        "mirror": mirror,
    },
}
"""Help panel -> its verbs, in the order in which ``--help`` shows them."""

app = typer.Typer(
    name="sentinel",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for _panel, _verbs in PANELS.items():
    for _name, _verb in _verbs.items():
        if isinstance(_verb, typer.Typer):
            app.add_typer(_verb, name=_name, rich_help_panel=_panel)
        else:
            app.command(_name, rich_help_panel=_panel)(_verb)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        sys.stdout.write(f"sentinel {version('sentinel-pipeline')}\n")
        raise typer.Exit


@app.callback()
def sentinel(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A closed post-training loop whose verdicts can be trusted.

    Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure.
    """


def main() -> None:
    """The console script: our errors become one line and their exit code; anything else is a bug
    and keeps its traceback."""
    if not sys.warnoptions:
        # What libraries say to their own callers is nothing that a person at a terminal can mend.
        warnings.simplefilter("ignore")
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        _require_text(sys.argv[1:])
        readable(typer.main.get_command(app))()
    except SentinelError as error:
        _print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        _print_error(error)
        sys.exit(EXIT_INFRASTRUCTURE)


def _require_text(arguments: list[str]) -> None:
    """Names go into tables, databases and JSON, none of which holds bytes that are no text.

    Raises:
        BadInput: an argument is not UTF-8.
    """
    for position, argument in enumerate(arguments, start=1):
        if not argument.isascii() and argument != argument.encode("utf-8", "replace").decode():
            fix = "Rename the file, or set a UTF-8 locale."
            raise BadInput(f"argument {position} is not text in UTF-8.", fix=fix)


def readable(command: Any) -> Any:
    """``command`` and everything below it with help texts as Rich should draw them.

    Docstrings are plain text: ``[judge]`` is a section of a recipe and no style, and a line of a
    paragraph ends where the terminal's does, not where the source's did. Indented lines (examples)
    stay as they are.
    """
    from inspect import cleandoc

    from rich.markup import escape

    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = escape(
        "\n\n".join(
            text if text.startswith("    ") else " ".join(text.split()) for text in paragraphs
        )
    )
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = escape(parameter.help)
    for child in getattr(command, "commands", {}).values():
        readable(child)
    return command


def _print_error(error: Exception) -> None:
    from rich.markup import escape

    from ..secrets import mask

    err.print(f"[bold red]error:[/] {escape(mask(str(error)))}", highlight=False, soft_wrap=True)


__all__ = ["EXIT_BAD_INPUT", "EXIT_FAILED", "PANELS", "app", "main"]
