"""The ``sentinel`` command: thin verbs over the domain, in five panels.

Every verb prints for people on standard error and, with ``--json``, one JSON object on standard
output. Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure.
A verb's module is imported when that verb is used, and ``--help`` imports none: the lines of its
screen stand here, and a test holds them to the verbs. ``docs/command.md`` is written from here by
``python -m sentinel_pipeline.cli.reference``.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INFRASTRUCTURE,
    BadInput,
    SentinelError,
)

if TYPE_CHECKING:
    import typer


class Verb(NamedTuple):
    """Where a verb is, as ``module:function`` of this room, and what ``--help`` says of it."""

    place: str
    line: str


PANELS: dict[str, dict[str, Verb]] = {
    "Run": {
        "init": Verb(
            "init:init",
            "Write a project into FOLDER: recipes, Dagster's files, a README.",
        ),
        "run": Verb(
            "run:run",
            "Run the loop of RECIPE: tasks, candidates, critic, mix, training, reports, "
            "comparison.",
        ),
        "plan": Verb(
            "plan:plan",
            "Show what RECIPE will do and cost: rows, steps, learning rates, tokens, "
            "parameters, memory, hours; no weights are loaded.",
        ),
        "next": Verb(
            "next:next_step",
            "Show what RECIPE's decision points said about its reports, and the recommended "
            "next step.",
        ),
        "model": Verb("model:model", "Look at models."),
        "release": Verb("release:release", "Bundle a checkpoint with its model card and evidence."),
    },
    "Data": {
        "label": Verb(
            "label:label",
            "Label every row of FILES with the critic's seven labels; tests run in the sandbox.",
        ),
        "extract": Verb(
            "extract:extract",
            "Read the JSON value out of every model output of FILE, Portuguese numbers "
            "included, each leniency named.",
        ),
        "families": Verb(
            "families:families", "Measure how hard generated tasks are, level by level."
        ),
        "mix": Verb(
            "mix:mix",
            "The newest mix of RECIPE: shares wanted and taken, what was left out and why, "
            "what decontamination found and missed.",
        ),
        "trace": Verb(
            "mix:trace",
            "Where ROW came from and went: file and line, labels with reasons, duplicates, "
            "mixes, checkpoints that trained on it.",
        ),
    },
    "Measure": {
        "report": Verb(
            "report:report",
            "Show what the newest run came to: rates before and after, gates, and what to do next.",
        ),
        "bench": Verb(
            "bench:bench",
            "Let MODEL answer suites and keep a report of each: Pass@1 with its interval, "
            "pass@k, syntax rate, a reason for every sample.",
        ),
        "compare": Verb(
            "compare:compare",
            "Compare model B with model A on the items that both answered: paired, with "
            "artifact detectors.",
        ),
        "power": Verb(
            "compare:power",
            "Plan a comparison before anything is answered: exact McNemar on the same items.",
        ),
        "grade": Verb(
            "grade:grade",
            "Grade SAMPLES in the sandbox: pass@k with its interval, and a reason for every "
            "sample.",
        ),
        "parity": Verb(
            "parity:parity",
            "Compare the adapter, the merged model and a re-saved copy of MODEL: logits and "
            "greedy answers.",
        ),
    },
    "Govern": {
        "audit": Verb(
            "audit:audit",
            "Examine every scorer on gold, known-bad and cheating answers, and record its "
            "licence in the ledger.",
        ),
        "gate": Verb("gates:gate", "Gates and their verdicts, from the ledger."),
        "judge": Verb("judge:judge", "Language models as judges, and their licences."),
        "review": Verb(
            "review:review",
            "The review queue: failures become corrections, corrections become rows.",
        ),
    },
    "Serve": {
        "ui": Verb(
            "ui:ui",
            "Start Dagster (web server and daemon), the review pages, chat and a landing "
            "page on this machine's loopback address.",
        ),
        "chat": Verb("chat:chat", "Serve the chat page and /v1/chat/completions."),
        "alert": Verb(
            "alerts:alert",
            "Alerts: try the channels of data/alerts.toml, and list the alerts.",
        ),
        "doctor": Verb(
            "doctor:doctor",
            "Check what is ready on this machine, and show how to fix the rest.",
        ),
        "verify": Verb(
            "upkeep:verify",
            "Hash every artifact again, check the databases, and find verdicts, approvals and "
            "signatures that were changed.",
        ),
        "gc": Verb(
            "upkeep:gc",
            "Delete old artifacts, abandoned drafts, recipes of runs that are gone, and cached labels of other scorer versions.",
        ),
        "archive": Verb(
            "archive:archive",
            "Mark artifacts as archived or superseded, with a reason; undo it; list the marks.",
        ),
        "mirror": Verb("mirror:mirror", "Artifacts and the ledger on an object store."),
    },
}
"""Help panel -> its verbs, in the order in which ``--help`` shows them."""
_PLACES = {name: verb.place for verbs in PANELS.values() for name, verb in verbs.items()}
_PANEL_OF = {name: panel for panel, verbs in PANELS.items() for name in verbs}
ABOUT = """A closed post-training loop whose verdicts can be trusted.

Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure."""
OPTIONS = {
    "--version": "Print the version and exit.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
    "--help": "Show this message and exit.",
}


def build(*names: str) -> typer.Typer:
    """The command with these verbs."""
    from typing import Annotated

    import typer

    command = typer.Typer(
        name="sentinel",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    for name in names:
        module, _, attribute = _PLACES[name].partition(":")
        verb = getattr(import_module(f".{module}", __name__), attribute)
        if isinstance(verb, typer.Typer):
            command.add_typer(verb, name=name, rich_help_panel=_PANEL_OF[name])
        else:
            command.command(name, rich_help_panel=_PANEL_OF[name])(verb)

    def sentinel(version: bool = False) -> None:
        pass

    sentinel.__doc__ = ABOUT
    sentinel.__annotations__["version"] = Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help=OPTIONS["--version"]
        ),
    ]
    command.callback()(sentinel)
    return command


def __getattr__(name: str) -> Any:
    """``app``: the command with every verb."""
    if name == "app":
        globals()["app"] = build(*_PLACES)
        return globals()["app"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _print_version(requested: bool) -> None:
    if requested:
        import typer

        sys.stdout.write(_version_line())
        raise typer.Exit


def _version_line() -> str:
    from importlib.metadata import version

    return f"sentinel {version('sentinel-pipeline')}\n"


def screen(width: int) -> str:
    """What ``sentinel --help`` shows, in the look of the other screens."""
    from textwrap import wrap

    def box(title: str, rows: dict[str, str]) -> list[str]:
        column = max(map(len, rows)) + 2
        lines = [f"╭─ {title} {'─' * (width - len(title) - 5)}╮"]
        for name, text in rows.items():
            first, *others = wrap(text, width - column - 4) or [""]
            lines.append(f"│ {name:<{column}}{first:<{width - column - 4}} │")
            lines += [f"│ {'':<{column}}{other:<{width - column - 4}} │" for other in others]
        return [*lines, f"╰{'─' * (width - 2)}╯"]

    lines = ["", " Usage: sentinel [OPTIONS] COMMAND [ARGS]...", ""]
    for paragraph in ABOUT.split("\n\n"):
        lines += [*(f" {line}" for line in wrap(paragraph, width - 2)), ""]
    lines += box("Options", OPTIONS)
    for panel, verbs in PANELS.items():
        lines += box(panel, {name: verb.line for name, verb in verbs.items()})
    return "\n".join(lines) + "\n\n"


def main() -> None:
    """The console script: our errors become one line and their exit code, and with ``--json`` one
    object on standard output; anything else is a bug and keeps its traceback."""
    arguments = sys.argv[1:]
    if arguments == ["--help"]:
        from shutil import get_terminal_size

        text = screen(max(50, get_terminal_size((80, 24)).columns))
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            sys.stdout.write(text.translate(_PLAIN))
        sys.exit(0)
    if arguments == ["--version"]:
        sys.stdout.write(_version_line())
        sys.exit(0)
    if not sys.warnoptions:
        import logging
        import warnings

        # What libraries say to their own callers is nothing that a person at a terminal can mend.
        warnings.simplefilter("ignore")
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        _require_text(arguments)
        names = [arguments[0]] if arguments and arguments[0] in _PLACES else [*_PLACES]
        if "_SENTINEL_COMPLETE" in os.environ:
            names = [*_PLACES]
        # Modules make many objects and drop few: looking for garbage among them finds nothing.
        gc.disable()
        import typer

        command = readable(typer.main.get_command(build(*names)))
        gc.enable()
        command()
    except SentinelError as error:
        _print_error(error)
        _fail(str(error), type(error).__name__.lower(), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        _print_error(error)
        # Only a person types a name that no file system takes.
        too_long = error.errno == errno.ENAMETOOLONG
        kind = "badinput" if too_long else "infrastructure"
        _fail(str(error), kind, EXIT_BAD_INPUT if too_long else EXIT_INFRASTRUCTURE)
    except SystemExit as end:
        # Typer has printed what is wrong with the arguments.
        if end.code == EXIT_BAD_INPUT:
            _fail("wrong usage: see the message on standard error.", "usage", EXIT_BAD_INPUT)
        raise


def _fail(message: str, kind: str, code: int) -> NoReturn:
    """End with ``code``; who asked for JSON gets the error as JSON, too."""
    if "--json" in sys.argv[1:]:
        from ..secrets import mask
        from .console import emit_error

        emit_error(str(mask(message)), kind, code)
    sys.exit(code)


_PLAIN = str.maketrans("╭╮╰╯─│", "++++-|")
"""For a terminal whose encoding has no boxes."""


def _require_text(arguments: list[str]) -> None:
    """Names go into tables, databases and JSON, none of which holds bytes that are no text.

    Raises:
        BadInput: an argument is not UTF-8, or holds what would steer a terminal that shows it.
    """
    for position, argument in enumerate(arguments, start=1):
        if not argument.isascii() and argument != argument.encode("utf-8", "replace").decode():
            fix = "Rename the file, or set a UTF-8 locale."
            raise BadInput(f"argument {position} is not text in UTF-8.", fix=fix)
        if any(
            (ord(mark) < 32 and mark not in "\n\t") or 127 <= ord(mark) < 160 for mark in argument
        ):
            fix = "Leave it out, or rename the file."
            raise BadInput(f"argument {position} holds a control character.", fix=fix)


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
    from ..secrets import mask_error
    from .console import err, styled

    err.print(styled(("error:", "bold red"), f" {mask_error(str(error))}"), soft_wrap=True)


__all__ = ["EXIT_BAD_INPUT", "EXIT_FAILED", "PANELS", "app", "main"]
