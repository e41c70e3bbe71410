"""``sentinel review``: failures into the queue, corrections out of it, and the server in
between."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from ..errors import BadInput, did_you_mean
from ..ports import names, proxies, require_free, require_seconds, require_share
from ..rates import with_interval
from ..store import find_home
from .console import AsJson, emit, err, login_name, progress, say, warn
from .review_admin import backup, blind, open_review_queue, restore, user

if TYPE_CHECKING:
    from ..review.summary import RunSummary

review = typer.Typer(
    help="The review queue: failures become corrections, corrections become rows.",
    no_args_is_help=True,
)
review.add_typer(user, name="user")
review.add_typer(blind, name="blind")
review.command("backup")(backup)
review.command("restore")(restore)
Policy = Literal["retire", "withhold"]


def _me() -> str:
    return f"command:{login_name()}"


@review.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="sft_candidates.jsonl files, or folders that hold some.")
    ],
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="The recipe whose mixes may take the corrections; repeatable."),
    ] = None,
    trust_approved: Annotated[
        bool,
        typer.Option(
            "--trust-approved",
            help="Approve what the file calls approved, unseen by a person; the trail says so.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import failures: ours or another harness's. Running it again changes nothing.

    Lines that cannot be read are quarantined with their number; a known id with another content is
    reported and not overwritten. What the file calls approved comes in as a draft to look at.
    Further keys of a line are kept. Without --recipe, cards of another harness belong to no recipe
    until sentinel review assign says so.

    Examples:

        sentinel review import bench_results/ --recipe tiny

        sentinel review import corrected.jsonl --trust-approved
    """
    from ..review.importing import Imported, files_of, import_file
    from ..review.summary import quarantined, summary

    recipes = _recipes(recipe)
    files = [file for path in paths for file in files_of(path)]
    total = sum(file.stat().st_size for file in files)
    counts = Imported()
    before = 0
    with open_review_queue() as desk, progress("importing", "bytes") as bar:
        task = bar.add_task("", total=total)
        for file in files:
            done = before

            def show(size: int, _: Imported, done: int = done) -> None:
                bar.update(task, completed=done + size)

            counts = counts.plus(
                import_file(
                    desk,
                    file,
                    actor=_me(),
                    recipes=recipes,
                    trust_approved=trust_approved,
                    progress=show,
                )
            )
            before += file.stat().st_size
        bad = (
            quarantined(desk, min(20, counts.quarantined + counts.changed))
            if counts.quarantined + counts.changed
            else []
        )
        unassigned = summary(desk).unassigned
    for row in reversed(bad):
        err.print(
            f"{row['file']}:{row['line']}: {row['reason']}",
            markup=False,
            highlight=False,
            style="yellow",
        )
    say(
        f"{counts.imported} imported, {counts.duplicates} known already, {counts.changed} changed, "
        f"{counts.quarantined} quarantined"
    )
    if counts.joined:
        say(f"{counts.joined} of the known cards belong to {', '.join(recipes)} since this import")
    if counts.extra:
        say(f"{counts.extra} have further keys: kept with the card and in an export's lineage")
    if counts.drafts:
        say(
            f"{counts.drafts} are approved by the file only: they wait as drafts on the review "
            "page. If you trust the file: --trust-approved"
        )
    if counts.trusted:
        say(f"{counts.trusted} approved because the file says so; the trail names you")
    if unassigned and not recipes:
        say(
            f"{unassigned} cards of the queue belong to no recipe: no mix takes their corrections. "
            "Give them one: sentinel review assign --unassigned --recipe NAME"
        )
    for number, problem in (
        (counts.quarantined, "could not be read and are not in the queue"),
        (
            counts.changed,
            "say something else than the card of their id; the cards stay as they are",
        ),
    ):
        if number:
            warn(f"{number} of the lines {problem}. Reasons stand above.")
    if as_json:
        emit(counts._asdict())


@review.command()
def export(
    out: Annotated[
        Path, typer.Option(help="Folder for corrections.jsonl, .parquet and .lineage.jsonl.")
    ],
    policy: Annotated[
        Policy, typer.Option(help="retire the benchmark items, or withhold the corrections.")
    ] = "retire",
    recipe: Annotated[
        str | None, typer.Option(help="Only the corrections that belong to this recipe.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write approved corrections as conversations in TRL's format; the same corrections give the
    same bytes.

    With the policy retire, the benchmark items of exported corrections, and their near-duplicates,
    leave the suites.

    Example:

        sentinel review export --out corrections
    """
    from ..review.exporting import release, write_export

    _recipes([recipe] if recipe is not None else None)
    with open_review_queue() as desk:
        exported = release(desk, policy, actor=_me(), recipe=recipe)
    hashes = write_export(exported, out)
    counts = {
        "rows": len(exported.rows),
        "new": exported.new,
        "withheld": exported.withheld,
        "waiting": exported.waiting,
        "trusted": exported.trusted,
        "unseen": exported.unseen,
        "elsewhere": exported.elsewhere,
        "unassigned": exported.unassigned,
    }
    err.print(
        f"{counts['rows']} corrections in {out}; {counts['new']} left for the first time, {counts['withheld']} withheld, "
        f"{counts['waiting']} wait for a second opinion",
        highlight=False,
    )
    if exported.elsewhere or exported.unassigned:
        say(
            f"{exported.elsewhere} were left because they belong to other recipes, "
            f"{exported.unassigned} because they belong to none"
        )
    if exported.trusted:
        err.print(
            f"{exported.trusted} of them no person looked at: a file approved them, and its import trusted it",
            highlight=False,
        )
    if exported.unseen:
        err.print(
            f"{exported.unseen} kept back: only a file approved them. Decide them anew on the page, or import the file again "
            "with --trust-approved",
            highlight=False,
        )
    if as_json:
        emit({**counts, "policy": policy, "sha256": hashes})


@review.command("summary")
def summary_(
    run: Annotated[str, typer.Option(help="Only this benchmark run.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count the queue's cards by status, task, model and failure; and which models to drop for
    which task.

    Example:

        sentinel review summary
    """
    from ..review.summary import analytics, summary

    with open_review_queue() as desk:
        counts = summary(desk, run)
        models = analytics(desk)
    if as_json:
        emit(counts.to_json() | {"models": [row._asdict() for row in models]})
        return
    _print_summary(counts)
    table = Table("model", "task", "decided", "flagged", "discarded", "flagged share, 95 %", "")
    for row in models[:30]:
        share = with_interval(row.share, (row.low, row.high))
        table.add_row(
            row.model_id,
            row.task_type,
            str(row.n),
            str(row.rejected),
            str(row.discarded),
            share,
            "drop" if row.drop else "",
        )
    if models:
        err.print(table)


def _print_summary(queue: RunSummary) -> None:
    names = list(queue.statuses)
    table = Table(
        "", "", *(name.replace("_", " ") for name in names), title=f"{queue.total} candidates"
    )
    table.add_row("all", "", *(str(queue.statuses[name]) for name in names), end_section=True)
    for kind, values in queue.by.items():
        rows = list(values.items())[:12]
        for index, (value, counts) in enumerate(rows):
            last = index == len(rows) - 1
            label = kind.replace("_", " ") if index == 0 else ""
            table.add_row(
                label,
                value[:40],
                *(str(counts.get(name, 0) or "") for name in names),
                end_section=last,
            )
    err.print(table, markup=False)
    agreed = queue.agreement
    kappa = (
        "undefined"
        if agreed.kappa is None
        else f"{agreed.kappa:.2f} [{agreed.low:.2f}, {agreed.high:.2f}]"
    )
    err.print(
        f"{queue.released} exported (their items are retired), {queue.quarantined} lines quarantined; second opinions: "
        f"kappa {kappa}, n {agreed.n}",
        markup=False, highlight=False,
    )  # fmt: skip
    if queue.unassigned:
        say(
            f"{queue.unassigned} cards belong to no recipe: no mix takes their corrections "
            "(sentinel review assign)"
        )


@review.command("assign")
def assign_(
    cards: Annotated[list[str] | None, typer.Argument(help="Cards' ids.")] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="The recipe whose mixes may take the corrections; repeatable."),
    ] = None,
    run: Annotated[str, typer.Option(help="Only cards of this benchmark run.")] = "",
    model: Annotated[str, typer.Option(help="Only cards of this model.")] = "",
    unassigned: Annotated[
        bool, typer.Option("--unassigned", help="Only cards that belong to no recipe.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Let them belong to the recipes no longer.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the cards that would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let cards belong to recipes: a mix takes the corrections of its own recipe alone.

    Failures of a recipe's own models belong to it by themselves. The trail keeps who assigned what.

    Examples:

        sentinel review assign --unassigned --recipe tiny --dry-run

        sentinel review assign --run 1f0f2a52-0b7e-4a53-9d0c-7c8a0f8d2b10 --recipe tiny --recipe smollm2-135m
    """
    from ..review.belonging import assign

    # What is taken away may belong to a recipe whose file is gone.
    recipes = list(recipe or []) if remove else _recipes(recipe)
    if not recipes:
        raise BadInput("names no recipe.", field="--recipe", fix="Add --recipe NAME.")
    with open_review_queue() as desk:
        changed = assign(
            desk,
            recipes,
            actor=_me(),
            card_ids=cards or (),
            run=run,
            model=model,
            unassigned=unassigned,
            remove=remove,
            dry_run=dry_run,
        )
    tense = "would belong" if dry_run else "belong"
    say(f"{changed} cards {tense} to {', '.join(recipes)} {'no longer' if remove else 'now'}")
    if as_json:
        emit({"cards": changed, "recipes": recipes, "removed": remove, "dry_run": dry_run})


def _recipes(names: list[str] | None) -> list[str]:
    """
    Raises:
        BadInput: there is no recipe of one of the names.
    """
    there = find_home().recipe_names()
    for name in names or []:
        if name not in there:
            raise BadInput(
                f"there is no recipe {name[:80]!r}.",
                field="--recipe",
                fix=did_you_mean(name, there),
            )
    return list(dict.fromkeys(names or []))


@review.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="NAME:PORT as browsers will send it; repeatable.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network of a proxy whose X-Forwarded-For is believed; repeatable."
        ),
    ] = None,
    second_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of cards that two people decide.")
    ] = 0.0,
    lease_seconds: Annotated[
        float,
        typer.Option(
            min=5, help="Seconds without activity after which a reviewer's card is released."
        ),
    ] = 600.0,
) -> None:
    """Serve the review page. Add people first: sentinel review user add NAME.

    Example:

        sentinel review serve --port 8080
    """
    from ..review.users import list_users

    if host not in ("127.0.0.1", "localhost", "::1") and not name:
        raise BadInput(
            f"listening on {host} needs the names that the server goes by.",
            field="--name",
            fix="--name review.lan:8080",
        )
    names(name or [], port)
    proxies(trusted_proxy or [])
    require_share(second_share)
    require_seconds(lease_seconds)
    require_free(host, port)
    with open_review_queue() as desk:
        if not list_users(desk):
            err.print(
                "nobody may log in yet: sentinel review user add NAME",
                style="yellow",
                highlight=False,
            )
    shown = (name or [f"{host}:{port}"])[0]
    err.print(f"Review: http://{shown}   (Ctrl-C stops it)", highlight=False)
    options = [
        f"--port={port}",
        f"--host={host}",
        f"--second-share={second_share}",
        f"--lease-seconds={lease_seconds}",
    ]
    command = [
        sys.executable,
        "-m",
        "sentinel_pipeline.web",
        *options,
        *(f"--name={address}" for address in name or []),
        *(f"--trusted-proxy={address}" for address in trusted_proxy or []),
    ]
    os.execv(sys.executable, command)


@review.command("lineage")
def lineage_(
    card: Annotated[str, typer.Argument(help="A card's id.")], as_json: AsJson = False
) -> None:
    """Follow a correction: failure, card, row of a mix, checkpoint, and whether the item's siblings
    improved.

    Example:

        sentinel review lineage 7b0c6c0e-0d0e-4a7e-9a55-0d2f6a7d1c11
    """
    from ..review.lineage import lineage, lineage_markdown

    with open_review_queue() as desk:
        trail = lineage(desk, find_home(), card)
    if as_json:
        emit(trail.to_json())
        return
    err.print(lineage_markdown(trail), markup=False, highlight=False)
