"""``sentinel archive``: artifacts that are kept out of sight, or that others replace."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ..errors import BadInput
from ..records.mark import MarkState
from ..store import Artifact, Ledger, find_home
from ..store.marks import FORMS, find_artifacts, mark, name_of
from .console import AsJson, emit, err, login_name, say

archive = typer.Typer(
    help="Mark artifacts as archived or superseded, with a reason; undo it; list the marks.",
    no_args_is_help=True,
)
Addresses = Annotated[list[str], typer.Argument(metavar="ARTIFACT...", help=f"{FORMS}.")]
Run = Annotated[str, typer.Option(help="Only the artifacts of this run; its id may be shortened.")]
Reason = Annotated[str, typer.Option(help="Why, in one line.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List what would be marked; record nothing.")
]


@archive.command("add")
def add(
    artifacts: Addresses,
    reason: Reason,
    run: Run = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Archive artifacts: gc never deletes them, nor what they were made from; lists and
    leaderboards leave them out.

    Example:

        sentinel archive add tiny --run 3f2a9c0d --reason "evidence of the July report"
    """
    _mark(artifacts, run, "archived", reason, None, dry_run, as_json)


@archive.command("supersede")
def supersede(
    artifacts: Addresses,
    reason: Reason,
    by: Annotated[
        str | None, typer.Option(help="The artifact that takes their place: RECIPE/ASSET/RUN_ID.")
    ] = None,
    run: Run = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Say that artifacts are not to be used any more: nothing new is built on them, and gc deletes
    them once they are old.

    No release is made of them, nor of what was made from them. What a release or a kept artifact
    was made from stays on disk nevertheless.

    Example:

        sentinel archive supersede tiny/rebalanced_mix/3f2a9c0d --by tiny/rebalanced_mix/8b1e77aa --reason "wrong template"
    """
    _mark(artifacts, run, "superseded", reason, by, dry_run, as_json)


@archive.command("undo")
def undo(
    artifacts: Addresses,
    reason: Reason,
    run: Run = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take marks back; that they were made stays in the ledger.

    Example:

        sentinel archive undo tiny/rebalanced_mix/3f2a9c0d --reason "it is needed after all"
    """
    _mark(artifacts, run, "active", reason, None, dry_run, as_json)


@archive.command("list")
def list_(
    history: Annotated[
        bool, typer.Option("--history", help="Also marks that were undone or replaced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the marked artifacts: state, who, when, why, and by what they were replaced.

    Example:

        sentinel archive list --json
    """
    home = find_home()
    ledger = Ledger(home.ledger)
    marks = ledger.mark_history() if history else list(ledger.marks().values())
    table = Table("artifact", "state", "by", "when (UTC)", "reason")
    for row in marks:
        there = (home.runs / row.artifact / "manifest.json").is_file()
        state = row.state if there else f"{row.state}, deleted"
        reason = f"{row.reason}; replaced by {row.replaced_by}" if row.replaced_by else row.reason
        table.add_row(row.artifact, state, row.marked_by, row.recorded_at[:16], reason)
    if marks:
        err.print(table)
    else:
        say("Nothing is marked.")
    if as_json:
        emit({"marks": [asdict(row) for row in marks]})


def _mark(
    addresses: list[str],
    run: str,
    state: MarkState,
    reason: str,
    by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    home = find_home()
    artifacts: dict[str, Artifact] = {}
    for address in addresses:
        for artifact in find_artifacts(home, address, run):
            artifacts[name_of(home, artifact)] = artifact
    replacing = None
    if by is not None:
        matches = find_artifacts(home, by)
        if len(matches) != 1:
            fix = "Write the whole address: RECIPE/ASSET/RUN_ID."
            raise BadInput(f"{by} names {len(matches)} artifacts.", field="--by", fix=fix)
        replacing = matches[0]
    changed = mark(
        home,
        list(artifacts.values()),
        state,
        reason,
        marked_by=f"command:{login_name()}",
        replaced_by=replacing,
        dry_run=dry_run,
    )
    names = [name_of(home, artifact) for artifact in changed]
    words = "no longer marked" if state == "active" else state
    for name in names:
        say(f"{'would be ' if dry_run else ''}{words}: {name}")
    unchanged = len(artifacts) - len(names)
    say(f"{len(names)} artifacts" + (f"; {unchanged} were so already" if unchanged else ""))
    if as_json:
        emit({"state": state, "changed": names, "unchanged": unchanged, "dry_run": dry_run})
