"""``sentinel verify`` and ``gc``: artifacts and databases checked, and old artifacts deleted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import EXIT_FAILED
from ..store import find_home
from ..store.label_cache import LabelCache
from ..store.retention import removable, remove
from ..store.verify import damage_of, database_damage, finished
from .console import AsJson, emit, err, say
from .mirror import open_mirror


def verify(
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Also hash every file on the mirror (SENTINEL_MIRROR); all of it is read.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash every artifact again and list what does not match its manifest; check the databases.

    Exit code 1 on damage.

    Example:

        sentinel verify --json
    """
    home = find_home()
    folders = finished(home)
    damaged = [damage for folder in folders for damage in damage_of(home, folder)]
    damaged += database_damage(home)
    for damage in damaged:
        fix = "rebuild it"
        if damage.artifact == "state":
            fix = "bring it back: sentinel mirror fetch"
        say(f"damaged: {damage.artifact}/{damage.file}: {fix}")
    err.print(f"{len(folders)} artifacts, {len(damaged)} damaged files", highlight=False)
    result: dict[str, Any] = {
        "artifacts": len(folders),
        "damaged": [damage._asdict() for damage in damaged],
    }
    if mirrored:
        count, on_mirror = open_mirror(None).damage()
        for damage in on_mirror:
            err.print(
                f"damaged on the mirror: {damage.artifact}/{damage.file}",
                markup=False,
                highlight=False,
            )
        err.print(
            f"{count} artifacts on the mirror, {len(on_mirror)} damaged files", highlight=False
        )
        result["mirror"] = {
            "artifacts": count,
            "damaged": [damage._asdict() for damage in on_mirror],
        }
        damaged += on_mirror
    if as_json:
        emit(result)
    raise typer.Exit(EXIT_FAILED if damaged else 0)


def gc(
    keep: Annotated[
        int, typer.Option(min=1, help="Newest artifacts of each asset that always stay.")
    ] = 3,
    days: Annotated[float, typer.Option(min=0, help="Younger ones stay too.")] = 30.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be deleted; delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old artifacts, abandoned drafts, and cached labels of other scorer versions.

    What a ledger entry or a release names stays, and what the newest artifacts were made of.

    Example:

        sentinel gc --keep 3 --days 30 --dry-run
    """
    home = find_home()
    folders = removable(home, keep=keep, days=days)
    for folder in folders if dry_run else remove(folders):
        where = folder.folder.relative_to(home.runs)
        err.print(
            f"{'would delete' if dry_run else 'deleted'}: {where} ({folder.bytes / 2**20:.1f} MiB): {folder.why}",
            highlight=False,
        )
    freed = sum(folder.bytes for folder in folders)
    say(f"{len(folders)} folders, {freed / 2**20:.1f} MiB")
    labels = 0
    if home.label_cache.is_file() and not dry_run:
        from ..critic.version import label_version

        with LabelCache(home.label_cache) as cache:
            labels = cache.forget_others([label_version()])
        say(f"{labels} cached labels of other scorer versions")
    if as_json:
        names = [str(folder.folder.relative_to(home.runs)) for folder in folders]
        emit(
            {
                "removed": [] if dry_run else names,
                "removable": names,
                "bytes": freed,
                "labels": labels,
            }
        )
