"""Group ``review``: failures out to the people, corrections back in. The cycle is cut at the human:
no edge joins the two."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from ..records import Task
from ..records.stages import SFT
from ..store import Home, find_home, skipped_reason
from .jobs import build_mix
from .stage import RECIPES, Stage, recipe_asset

if TYPE_CHECKING:
    from ..review.review_queue import ReviewQueue


@contextmanager
def open_review_queue(home: Home) -> Iterator["ReviewQueue"]:
    """The queue: ``SENTINEL_DATABASE_URL``, else the SQLite file of this home."""
    from ..review.database import Database, database_url
    from ..review.review_queue import ReviewQueue

    database = Database(database_url(home.review))
    try:
        yield ReviewQueue(db=database)
    finally:
        database.close()


@recipe_asset(group="tasks", rooms=["review"], kinds={"python", "parquet"})
def human_corrections(stage: Stage) -> None:
    """The recipe's approved corrections as training rows. Its firewall retires their benchmark
    items, or exports no correction."""
    from ..review.exporting import release, write_export

    policy = stage.recipe.review.firewall
    with open_review_queue(stage.home) as desk, stage.making() as out:
        name = stage.recipe.name
        exported = release(desk, policy, actor=f"recipe:{name}", recipe=name)
        write_export(exported, out.folder)
        rows = (row.candidate().to_row() for row in exported.rows)
        out.metrics["corrections"] = out.table("candidates.parquet", rows, "candidates")
        out.metrics |= {
            "new": exported.new,
            "withheld": exported.withheld,
            "waiting": exported.waiting,
            "elsewhere": exported.elsewhere,
            "unassigned": exported.unassigned,
        }
    lines = [
        f"Policy **{policy}**: {len(exported.rows)} corrections, {exported.new} of them for the first time; "
        f"{exported.withheld} withheld, {exported.waiting} wait for a second opinion."
    ]
    if exported.elsewhere:
        lines.append(f"{exported.elsewhere} were left: they belong to other recipes.")
    if exported.unassigned:
        lines.append(
            f"{exported.unassigned} were left: they belong to no recipe "
            f"(`sentinel review assign --unassigned --recipe {name}` takes them in)."
        )
    stage.show("firewall", "\n\n".join(lines))


def without_retired(home: Home, tasks: list[Task]) -> tuple[list[Task], list[dict[str, object]]]:
    """The items that still judge, and those that a correction which left the queue has retired,
    each with why."""
    from ..review.firewall import released_corrections, retired_items

    with open_review_queue(home) as desk:
        retired = retired_items(tasks, released_corrections(desk))
    gone = {(row.suite, row.task_id) for row in retired}
    return [task for task in tasks if (task.suite, task.id) not in gone], [
        row._asdict() for row in retired
    ]


@recipe_asset(group="review", rooms=["review", "bench"], deps=[SFT.report], kinds={"python"})
def review_inbox(stage: Stage) -> None:
    """The report's failures, added to the review queue as cards; existing cards are not changed."""
    from ..bench.failures import CANDIDATES
    from ..review.importing import import_file
    from ..review.summary import summary
    from ..store import read_jsonl

    report = stage.parent(SFT.report)
    if reason := skipped_reason(report):
        stage.skip(reason, report)
        return
    path = report.path(f"logs/{CANDIDATES}")
    with open_review_queue(stage.home) as desk, stage.making(report) as out:
        name = stage.recipe.name
        counts = import_file(desk, path, actor=f"recipe:{name}", recipes=[name])
        found = summary(desk)
        names = ("id", "task_id", "task_type")
        out.jsonl(
            "inbox.jsonl", ({name: row[name] for name in names} for row in read_jsonl(Path(path)))
        )
        out.metrics |= counts._asdict()
    stage.show(
        "queue",
        "\n".join(
            [
                "| status | cards |",
                "|---|---|",
                *(f"| {k} | {n} |" for k, n in found.statuses.items()),
            ]
        ),
    )
    stage.show("plot", queue_plot(found.by["failure_class"]))


def queue_plot(by_class: dict[str, dict[str, int]]) -> str:
    """Cards of the whole queue by failure and status, as Markdown with one image."""
    from ..plots import stacked
    from ..records.sft_candidate import STATUSES

    return (
        stacked(dict(list(by_class.items())[:12]), STATUSES, "Cards by failure")
        if by_class
        else "The queue is empty."
    )


@dg.sensor(
    name="human_corrections_ready",
    job=build_mix,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def human_corrections_ready(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Proposes a new mix for every recipe whose ``review.rebuild_after`` approved corrections wait;
    it trains nothing."""
    from ..review.summary import approved_waiting

    home = find_home()
    reviews = {name: recipe.review for name, recipe in home.every_recipe().valid.items()}
    asking = {
        n: r.rebuild_after
        for n, r in reviews.items()
        if r.rebuild_after is not None and r.firewall == "retire"
    }
    if not asking:
        return dg.SkipReason("no recipe says review.rebuild_after")
    with open_review_queue(home) as desk:
        waiting = {name: approved_waiting(desk, name) for name in asking}
    ready = [name for name, least in asking.items() if waiting[name][0] >= least]
    if not ready:
        most = max(count for count, _ in waiting.values())
        return dg.SkipReason(f"{most} approved corrections wait; asked for: {json.dumps(asking)}")
    context.instance.add_dynamic_partitions(str(RECIPES.name), ready)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"{name}-{count}-{newest}", partition_key=name)
            for name in ready
            for count, newest in [waiting[name]]
        ]
    )
