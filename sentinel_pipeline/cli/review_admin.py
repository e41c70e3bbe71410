"""``sentinel review user``, ``blind``, ``backup`` and ``restore``: what keeps the queue going."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from ..records.review_spec import Role
from ..store import find_home
from .console import AsJson, emit, err

if TYPE_CHECKING:
    from ..review.blind import Calibration
    from ..review.review_queue import ReviewQueue

user = typer.Typer(help="People who may review, and their tokens.", no_args_is_help=True)
blind = typer.Typer(help="Blind labelling: a judge against people.", no_args_is_help=True)


@contextmanager
def open_review_queue() -> Iterator[ReviewQueue]:
    """The queue of this home, or of ``SENTINEL_DATABASE_URL``."""
    from ..review.database import Database, database_url
    from ..review.review_queue import ReviewQueue

    database = Database(database_url(find_home().review))
    try:
        yield ReviewQueue(db=database)
    finally:
        database.close()


def backup(
    out: Annotated[Path, typer.Argument(help="File to write, such as queue.jsonl.gz.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole queue to one file while people work on; the file restores into SQLite or
    Postgres.

    Example:

        sentinel review backup queue.jsonl.gz
    """
    from ..review.backup import backup as write_backup

    with open_review_queue() as desk:
        counts = write_backup(desk, out)
    err.print(f"{sum(counts.values())} rows in {out}", highlight=False)
    if as_json:
        emit(counts)


def restore(
    path: Annotated[Path, typer.Argument(help="A backup.")], as_json: AsJson = False
) -> None:
    """Fill an empty queue from a backup.

    Example:

        SENTINEL_DATABASE_URL=postgresql://… sentinel review restore queue.jsonl.gz
    """
    from ..review.backup import restore as read_backup

    with open_review_queue() as desk:
        counts = read_backup(desk, path)
    err.print(f"{sum(counts.values())} rows restored", highlight=False)
    if as_json:
        emit(counts)


@user.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="Letters, digits, dots, dashes, underscores.")],
    role: Annotated[
        Role, typer.Option(help="A lead settles disputes and reads the whole trail.")
    ] = "reviewer",
    as_json: AsJson = False,
) -> None:
    """Add a reviewer and print their token, once.

    Example:

        sentinel review user add ann --role lead
    """
    from ..review.users import add_user

    with open_review_queue() as desk:
        token = add_user(desk, name, role)
    if as_json:
        emit({"name": name, "role": role, "token": token})
        return
    err.print(f"{name} ({role}) logs in with this token; it is shown once:", highlight=False)
    typer.echo(token)


@user.command("remove")
def user_remove(
    name: Annotated[str, typer.Argument(help="The reviewer.")], as_json: AsJson = False
) -> None:
    """Deactivate a reviewer at once; their decisions stay.

    Example:

        sentinel review user remove ann
    """
    from ..review.users import remove_user

    with open_review_queue() as desk:
        remove_user(desk, name)
    err.print(f"{name} is deactivated", highlight=False)
    if as_json:
        emit({"name": name, "active": False})


@user.command("list")
def user_list(as_json: AsJson = False) -> None:
    """List the reviewers.

    Example:

        sentinel review user list
    """
    from ..review.users import list_users

    with open_review_queue() as desk:
        users = list_users(desk)
    if as_json:
        emit(
            {
                "users": [
                    {"name": name, "role": role, "active": active} for name, role, active in users
                ]
            }
        )
        return
    table = Table("name", "role", "active")
    for name, role, active in users:
        table.add_row(name, role, "yes" if active else "no")
    err.print(table)


@blind.command("add")
def blind_add(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSONL rows of id, prompt_messages, response, judge (a label or null)."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the batch.")],
    purpose: Annotated[
        Literal["judge", "gap"], typer.Option(help="What the labels are for.")
    ] = "judge",
    subject: Annotated[str, typer.Option(help="Which judge or gap, for people.")] = "",
    sample: Annotated[
        int | None, typer.Option(min=1, help="Draw this many rows at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw and the order.")] = 17,
    as_json: AsJson = False,
) -> None:
    """Put a batch of outputs on the page, to be labelled good or bad without seeing the judge's
    label.

    Example:

        sentinel review blind add conversations.jsonl --name judge-v2 --sample 200
    """
    from ..review.blind import add_batch

    with open_review_queue() as desk:
        count = add_batch(
            desk, file, name=name, purpose=purpose, subject=subject, sample=sample, seed=seed
        )
    err.print(f"{count} items in {name}", highlight=False)
    if as_json:
        emit({"name": name, "items": count})


@blind.command("show")
def blind_show(
    name: Annotated[str, typer.Argument(help="A batch.")], as_json: AsJson = False
) -> None:
    """Agreement of people with the judge and with each other: Cohen's kappa with its interval.

    Example:

        sentinel review blind show judge-v2
    """
    from ..review.blind import calibration

    with open_review_queue() as desk:
        result = calibration(desk, name)
    if as_json:
        emit(_calibration_json(result))
        return
    table = Table("who", "labelled", "kappa against the judge", "95 %", "n")
    for who, n in result.labelled.items():
        a = result.against_judge[who]
        if a.kappa is None:
            table.add_row(who, str(n), "undefined", "", str(a.n))
        else:
            table.add_row(who, str(n), f"{a.kappa:.2f}", f"{a.low:.2f} to {a.high:.2f}", str(a.n))
    err.print(table)


def _calibration_json(result: Calibration) -> dict[str, object]:
    against = {who: agreement._asdict() for who, agreement in result.against_judge.items()}
    return result._asdict() | {
        "against_judge": against,
        "between_people": result.between_people._asdict(),
    }
