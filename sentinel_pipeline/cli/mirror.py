"""``sentinel mirror push`` and ``fetch``: finished artifacts and the ledger to and from an object
store."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ..errors import EXIT_FAILED, BadInput
from ..store import find_home
from ..store.mirror import VARIABLE, Copied, Mirror
from ..store.verify import Damage
from .console import AsJson, emit, err

mirror = typer.Typer(help="Artifacts and the ledger on an object store.", no_args_is_help=True)
Url = Annotated[
    str | None, typer.Option(help=f"An fsspec URL, as s3://bucket/folder; else {VARIABLE}.")
]


def open_mirror(url: str | None) -> Mirror:
    """
    Raises:
        BadInput: no address was given, or none that is known.
    """
    address = url or os.environ.get(VARIABLE)
    if not address:
        raise BadInput(
            "no address of a mirror.", field="--url", fix=f"Name one, or set {VARIABLE}."
        )
    return Mirror(address)


@mirror.command()
def push(url: Url = None, as_json: AsJson = False) -> None:
    """Copy every finished artifact that is not there yet, and the ledger. Exit code 1 when one here
    is damaged: it is not copied.

    Example:

        sentinel mirror push --url s3://bucket/sentinel
    """
    _report(open_mirror(url).push(find_home()), "copied", as_json)


@mirror.command()
def fetch(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe's artifacts.")] = None,
    url: Url = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Believe what is not signed: its artifacts and verdicts count here."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring back every artifact that is not here, and the newest ledger where there is none. Exit
    code 1 when one there is damaged or not signed.

    What comes counts as evidence here, so it has to be signed: push and fetch with the same
    SENTINEL_MIRROR_KEY. Without a key, --trust says that the mirror is yours.

    Examples:

        sentinel mirror fetch tiny --url s3://bucket/sentinel

        sentinel mirror fetch --trust
    """
    _report(open_mirror(url).fetch(find_home(), recipe, trust=trust), "brought back", as_json)


def _problem(damage: Damage) -> str:
    return "not signed" if damage.file.endswith(".sig") else "damaged"


def _report(done: Copied, word: str, as_json: bool) -> None:
    for damage in done.damaged:
        err.print(
            f"{_problem(damage)}, not {word}: {damage.artifact}/{damage.file}",
            markup=False,
            highlight=False,
        )
    ledger = f", ledger {done.ledger}" if done.ledger else ""
    err.print(f"{len(done.artifacts)} artifacts {word}{ledger}", highlight=False)
    if as_json:
        damaged = [damage._asdict() for damage in done.damaged]
        emit({"artifacts": done.artifacts, "damaged": damaged, "ledger": done.ledger})
    raise typer.Exit(EXIT_FAILED if done.damaged else 0)
