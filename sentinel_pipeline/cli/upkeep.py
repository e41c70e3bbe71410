"""``sentinel verify`` and ``gc``: keeping the house."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import EXIT_FAILED
from ..store import find_home
from ..store.retention import removable, remove
from ..store.verify import damage_of, database_damage, finished
from .console import AsJson, emit, err
from .mirror import open_mirror


def verify(
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Hash what lies on the mirror too (SENTINEL_MIRROR): all of it is read.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash every artifact again and name what does not match its manifest; check the databases. Exit code 1 on damage.

    Example:

        sentinel verify --json
    """
    home = find_home()
    folders = finished(home)
    damaged = [one for folder in folders for one in damage_of(home, folder)] + database_damage(home)
    for one in damaged:
        fix = "bring it back: sentinel mirror fetch" if one.artifact == "state" else "rebuild it"
        err.print(f"damaged: {one.artifact}/{one.file}: {fix}", markup=False, highlight=False)
    err.print(f"{len(folders)} artifacts, {len(damaged)} damaged files", highlight=False)
    said: dict[str, Any] = {
        "artifacts": len(folders),
        "damaged": [one._asdict() for one in damaged],
    }
    if mirrored:
        count, there = open_mirror(None).damage()
        for one in there:
            err.print(
                f"damaged on the mirror: {one.artifact}/{one.file}", markup=False, highlight=False
            )
        err.print(f"{count} artifacts on the mirror, {len(there)} damaged files", highlight=False)
        said["mirror"] = {"artifacts": count, "damaged": [one._asdict() for one in there]}
        damaged += there
    if as_json:
        emit(said)
    raise typer.Exit(EXIT_FAILED if damaged else 0)


def gc(
    keep: Annotated[
        int, typer.Option(min=1, help="Newest artifacts of each asset that always stay.")
    ] = 3,
    days: Annotated[float, typer.Option(min=0, help="Younger ones stay too.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old artifacts and forgotten drafts; never what a ledger entry or a release names, or what those newest were made of.

    Example:

        sentinel gc --keep 3 --days 30 --dry-run
    """
    home = find_home()
    doomed = removable(home, keep=keep, days=days)
    for one in doomed if dry_run else remove(doomed):
        where = one.folder.relative_to(home.runs)
        err.print(
            f"{'would go' if dry_run else 'gone'}: {where} ({one.bytes / 2**20:.1f} MiB): {one.why}",
            highlight=False,
        )
    freed = sum(one.bytes for one in doomed)
    err.print(f"{len(doomed)} folders, {freed / 2**20:.1f} MiB", highlight=False)
    if as_json:
        folders = [str(one.folder.relative_to(home.runs)) for one in doomed]
        emit({"removed": [] if dry_run else folders, "removable": folders, "bytes": freed})
