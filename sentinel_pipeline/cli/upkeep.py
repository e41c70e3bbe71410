"""``sentinel verify`` and ``gc``: artifacts, databases and chains checked, and old artifacts
deleted."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import EXIT_FAILED, BadInput, Infrastructure, did_you_mean
from ..store import Home, Ledger, find_home
from ..store.chain import ChainState
from ..store.label_cache import LabelCache
from ..store.retention import removable, remove
from ..store.verify import damage_of, database_damage, finished
from .console import AsJson, emit, err, say
from .mirror import open_mirror
from .review_admin import open_review_queue

CHAINS = ("ledger", "review")
DATABASE_VARIABLE = "SENTINEL_DATABASE_URL"


def verify(
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Also hash every file on the mirror (SENTINEL_MIRROR); all of it is read.",
        ),
    ] = False,
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COUNT:HASH",
            help="A head that an earlier verify printed and you kept elsewhere: the chain must go through it; repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hash every artifact again, check the databases, and find verdicts, approvals and signatures
    that were changed.

    Ledger and review trail are hash chains. The first broken record is named. Records of before the
    chain are held from the day that it began. Keep the heads that are printed somewhere else: with
    --head they also show that the end was cut off, or all of it written anew. Exit code 1 on damage
    or a broken chain.

    Examples:

        sentinel verify --json

        sentinel verify --head ledger=12:5c1f…e0
    """
    home = find_home()
    heads = _heads(head or [])
    folders = finished(home)
    damaged = [damage for folder in folders for damage in damage_of(home, folder)]
    damaged += database_damage(home)
    for damage in damaged:
        fix = "rebuild it"
        if damage.artifact == "state":
            fix = "bring it back: sentinel mirror fetch"
        say(f"damaged: {damage.artifact}/{damage.file}: {fix}")
    err.print(f"{len(folders)} artifacts, {len(damaged)} damaged files", highlight=False)
    chains = _chains(home, heads)
    for chain in chains:
        say(_chain_line(chain))
    result: dict[str, Any] = {
        "artifacts": len(folders),
        "damaged": [damage._asdict() for damage in damaged],
        "chains": [chain._asdict() for chain in chains],
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
    whole = not damaged and all(chain.broken is None for chain in chains)
    raise typer.Exit(0 if whole else EXIT_FAILED)


def _heads(words: list[str]) -> dict[str, str]:
    """
    Raises:
        BadInput: one is not ``ledger=COUNT:HASH`` or ``review=COUNT:HASH``.
    """
    heads = {}
    for word in words:
        name, _, head = word.partition("=")
        if name not in CHAINS:
            raise BadInput(
                f"unknown chain {name!r}.", field="--head", fix=did_you_mean(name, CHAINS)
            )
        if not re.fullmatch(r"[1-9]\d*:[0-9a-f]{64}", head):
            fix = "Copy it from an earlier `sentinel verify`."
            raise BadInput(f"{head!r} is not COUNT:HASH.", field="--head", fix=fix)
        heads[name] = head
    return heads


def _chains(home: Home, heads: dict[str, str]) -> list[ChainState]:
    """The ledger's chain, and the review trail's where there is a queue."""
    ledger = Ledger(home.ledger).check(head=heads.get("ledger"))
    chains = [ledger._replace(name="ledger")]
    if os.environ.get(DATABASE_VARIABLE) or home.review.is_file() or "review" in heads:
        from sqlalchemy.exc import DBAPIError

        from ..review.trail import check_trail

        try:
            with open_review_queue() as desk:
                trail = check_trail(desk.db, head=heads.get("review"))
        except (Infrastructure, DBAPIError) as error:
            trail = ChainState("review", 0, 0, 0, None, "", f"the queue cannot be opened: {error}")
        chains.append(trail._replace(name="review"))
    return chains


def _chain_line(chain: ChainState) -> str:
    if chain.broken is not None:
        return f"broken: {chain.name}: {chain.broken}"
    if not chain.head:
        if chain.unchained:
            return (
                f"{chain.name}: {chain.unchained} records, not chained yet: the chain begins with "
                "the next one"
            )
        return f"{chain.name}: nothing recorded yet"
    before = ""
    if chain.adopted:
        day = (chain.since or "")[:10]
        before = f", {chain.adopted} of them not chained before {day}"
    return f"{chain.name}: {chain.records} chained records are whole{before}; head {chain.head}"


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
    """Delete old artifacts, abandoned drafts, recipes of runs that are gone, and cached labels of
    other scorer versions.

    What a ledger entry or a release names stays, and what the newest artifacts were made of. What
    is archived stays as well; what is superseded is not among the newest (sentinel archive).

    Example:

        sentinel gc --keep 3 --days 30 --dry-run
    """
    home = find_home()
    folders = removable(home, keep=keep, days=days)
    for folder in folders if dry_run else remove(folders):
        where = _shown(home, folder.folder)
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
        names = [_shown(home, folder.folder) for folder in folders]
        emit(
            {
                "removed": [] if dry_run else names,
                "removable": names,
                "bytes": freed,
                "labels": labels,
            }
        )


def _shown(home: Home, path: Path) -> str:
    """A path as people read it: from the folder of runs, or of the state, on."""
    inside = path.is_relative_to(home.runs)
    return str(path.relative_to(home.runs if inside else home.state.parent))
