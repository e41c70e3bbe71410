"""``sentinel verify`` and ``gc``: keeping the house."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import EXIT_FAILED
from ..store import Artefact, find_home
from ..store.manifest import read_manifest
from ..store.retention import removable, remove
from .console import AsJson, emit, err


def verify(as_json: AsJson = False) -> None:
    """Hash every artefact again and name what does not match its manifest. Exit code 1 when anything is damaged.

    Example:

        sentinel verify --json
    """
    home = find_home()
    manifests = sorted(path for path in home.runs.glob("*/*/*/manifest.json") if path.parent.name[0] != ".")
    damaged: list[dict[str, str]] = []
    for path in manifests:
        try:
            names = Artefact(path.parent, read_manifest(path.parent)).damage()
        except (ValueError, KeyError, TypeError):
            names = ["manifest.json"]
        damaged += [{"artefact": str(path.parent.relative_to(home.runs)), "file": name} for name in names]
    for row in damaged:
        err.print(f"damaged: {row['artefact']}/{row['file']}: rebuild it", markup=False, highlight=False)
    err.print(f"{len(manifests)} artefacts, {len(damaged)} damaged files", highlight=False)
    if as_json:
        emit({"artefacts": len(manifests), "damaged": damaged})
    raise typer.Exit(EXIT_FAILED if damaged else 0)


def gc(
    keep: Annotated[int, typer.Option(min=1, help="Newest artefacts of each asset that always stay.")] = 3,
    days: Annotated[float, typer.Option(min=0, help="Younger ones stay too.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old artefacts and forgotten drafts; never what a ledger entry or a release names, or what those newest were made of.

    Example:

        sentinel gc --keep 3 --days 30 --dry-run
    """
    home = find_home()
    doomed = removable(home, keep=keep, days=days)
    for one in doomed if dry_run else remove(doomed):
        where = one.folder.relative_to(home.runs)
        err.print(
            f"{'would go' if dry_run else 'gone'}: {where} ({one.bytes / 2**20:.1f} MiB): {one.why}", highlight=False
        )
    freed = sum(one.bytes for one in doomed)
    err.print(f"{len(doomed)} folders, {freed / 2**20:.1f} MiB", highlight=False)
    if as_json:
        folders = [str(one.folder.relative_to(home.runs)) for one in doomed]
        emit({"removed": [] if dry_run else folders, "removable": folders, "bytes": freed})
