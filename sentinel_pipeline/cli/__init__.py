"""The ``sentinel`` command: thin verbs over the domain.

Every verb prints for people on standard error and, with ``--json``, one JSON object on standard output. Exit codes:
0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure.
"""

from __future__ import annotations

import sys

import typer

from ..errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INFRASTRUCTURE, SentinelError
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

app = typer.Typer(
    name="sentinel",
    help="A closed post-training loop whose verdicts can be trusted. Exit codes: 0 done, 1 failed, 2 bad input, "
    "3 a gate refused, 4 infrastructure.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run)
app.command()(plan)
app.command()(parity)
app.command("next")(next_step)
app.command()(label)
app.command()(audit)
app.command()(mix)
app.command()(trace)
app.command()(grade)
app.command()(extract)
app.command()(bench)
app.command()(compare)
app.command()(power)
app.add_typer(gate, name="gate")
app.add_typer(review, name="review")
app.add_typer(alert, name="alert")
app.add_typer(judge, name="judge")
app.command()(verify)
app.command()(gc)
app.add_typer(mirror, name="mirror")
app.command()(doctor)
app.command()(ui)
app.command()(chat)
app.command()(release)


def main() -> None:
    """The console script: our errors become one line and their exit code; anything else is a bug and keeps its traceback."""
    try:
        app(standalone_mode=True)
    except SentinelError as error:
        err.print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        err.print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(EXIT_INFRASTRUCTURE)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


__all__ = ["EXIT_BAD_INPUT", "EXIT_FAILED", "app", "main"]
