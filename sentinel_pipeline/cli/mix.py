"""``sentinel mix`` and ``sentinel trace``: what a mix is made of, and where a row came from and
went."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from ..errors import BadInput
from ..rates import percent, with_interval
from ..store import Artifact, Home, Store, find_home
from ..store.retention import lineage
from .console import AsJson, emit, err, say

_MOST = 10
"""Lines of a list that people are shown; ``--json`` has all."""


def mix(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe; the one whose mix is newest, when absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The newest mix of RECIPE: shares wanted and taken, what was left out and why, what
    decontamination found and missed.

    A mix is made by: sentinel run RECIPE --until rebalanced_mix

    Example:

        sentinel mix tiny --json
    """
    home = find_home()
    artifact = _newest(home, recipe)
    report: dict[str, Any] = artifact.json("mix.json")
    name = artifact.manifest.recipe
    clean = Store.reading(home, name).origin(artifact, "decontamination_report").json("report.json")
    identity = {
        "recipe": name,
        "run_id": artifact.manifest.run_id,
        "content_hash": artifact.hash,
        "folder": str(artifact.folder),
    }
    keys = ("rows", "tasks", "suites", "by_kind", "by_suite", "items_hit", "measured")
    result = (
        identity
        | report
        | {
            "decontamination": {key: clean[key] for key in keys}
            | {"contaminated": len(clean["hits"])},
            "corrections": _corrections(home, artifact),
        }
    )
    _print_mix(result)
    if as_json:
        emit(result)


def _corrections(home: Home, mix: Artifact) -> dict[str, int]:
    """Corrections that people approved: how many went into this mix's candidates, and why others
    did not."""
    made_from = lineage(home, mix)
    people = [each for each in made_from if each.manifest.asset == "human_corrections"]
    metrics = people[-1].manifest.metrics if people else {}
    names = ("corrections", "withheld", "waiting", "elsewhere", "unassigned")
    return {name: int(metrics.get(name, 0)) for name in names}


def _newest(home: Home, recipe: str | None) -> Artifact:
    if recipe is not None:
        home.recipe(recipe)
        return Store.reading(home, recipe).get("rebalanced_mix")
    mixes = [
        artifact
        for name in home.recipe_names()
        if (artifact := Store.reading(home, name).find("rebalanced_mix"))
    ]
    if not mixes:
        raise BadInput(
            "no recipe has a mix yet.", fix="Make one: sentinel run RECIPE --until rebalanced_mix."
        )
    return max(mixes, key=lambda artifact: artifact.manifest.created_at)


def _print_mix(result: dict[str, Any]) -> None:
    table = Table(
        "category",
        "share",
        "wanted",
        "taken",
        "short",
        "rows",
        title=f"{result['recipe']}: {result['rows']} rows",
    )
    for quota in result["quotas"]:
        amounts = (f"{quota[key]:.10g}" for key in ("wanted", "taken", "short"))
        table.add_row(quota["category"], percent(quota["share"]), *amounts, str(quota["rows"]))
    err.print(table)
    left = (
        ", ".join(f"{count} {reason}" for reason, count in result["left_out"].items()) or "nothing"
    )
    say(f"Of {result['seen']} rows left out: {left}")
    if result["held_back"]:
        say(
            "Held back or without a share: "
            + ", ".join(f"{n} {name}" for name, n in result["held_back"].items())
        )
    # A mix of an earlier version does not say it.
    if result.get("qualities"):
        counts = ", ".join(f"{n} {name}" for name, n in result["qualities"].items())
        say(f"Evidence: {counts}; minimum_quality = {result['minimum_quality']}")
    if result["shortfall"]:
        say(
            f"Short by {result['shortfall']:.10g} {result['unit']}; nothing was repeated to fill a gap"
        )
    people = result["corrections"]
    if any(people.values()):
        say(
            f"Corrections by people: {people['corrections']} among the candidates; left: "
            f"{people['elsewhere']} of other recipes, {people['unassigned']} of none, "
            f"{people['withheld']} withheld, {people['waiting']} wait for a second opinion"
        )
    clean = result["decontamination"]
    say(
        f"{clean['contaminated']} of {clean['rows']} rows overlapped {clean['items_hit']} of {clean['tasks']} benchmark items"
    )
    if clean["measured"]:
        rates = (f"{name} {_rate(clean['measured'][name])}" for name in ("recall", "precision"))
        say(f"Measured on planted contaminations: {', '.join(rates)}")


def _rate(rate: dict[str, Any]) -> str:
    if not rate["n"]:
        return "not measured (n = 0)"
    return f"{with_interval(rate['rate'], rate['interval'])} of {rate['n']}"


def trace(
    row: Annotated[
        str | None, typer.Argument(help="A row's id, as in rows.parquet or labels.parquet.")
    ] = None,
    item: Annotated[
        str | None, typer.Option(help="A benchmark item instead, SUITE/ID: its nearest rows.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Look in this recipe's artifacts only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Where ROW came from and went: file and line, labels with reasons, duplicates, mixes,
    checkpoints that trained on it.

    With --item, the rows of the newest mix that are nearest to a benchmark item, and how the item
    was answered.

    Examples:

        sentinel trace 3f2a9c0d11e4b7a8

        sentinel trace --item humaneval/HumanEval/12 --recipe tiny --json
    """
    home = find_home()
    if (row is None) == (item is None):
        raise BadInput(
            "expected a row's id or --item SUITE/ID, one of the two.",
            fix="See sentinel trace --help.",
        )
    result = (
        _trace_row(home, recipe, row) if row is not None else _trace_item(home, recipe, str(item))
    )
    if as_json:
        emit(result)


def _trace_row(home: Home, recipe: str | None, row: str) -> dict[str, Any]:
    from ..mix.trace import trace_row

    if recipe is not None:
        home.recipe(recipe)
    names = [recipe] if recipe is not None else home.recipe_names()
    trails = [trail for name in names if (trail := trace_row(home, name, row)) is not None]
    if not trails:
        where = f"recipe {names[0]}" if len(names) == 1 else f"any of {len(names)} recipes"
        raise BadInput(
            f"no artifact of {where} has a row {row!r}.", fix="Ids are in the mix's rows.parquet."
        )
    result = max(trails, key=lambda trail: max((mix["made"] for mix in trail["mixes"]), default=""))
    _print_row(result)
    return result


def _print_row(trail: dict[str, Any]) -> None:
    place = f"{trail['file']}:{trail['line']}" if trail["file"] else "made in the pipeline"
    say(f"{trail['origin']} {trail['id']} of recipe {trail['recipe']}")
    say(
        f"from      {trail['source']}, {place}"
        + (f", task {trail['task_id']}" if trail["task_id"] else "")
    )
    if trail["repair"]:
        say(
            f"repairs   {trail['repair']['failed_id']} by {trail['repair']['accepted_id']}: {trail['repair']['reason']}"
        )
    for name, label in trail["labels"].items():
        say(f"{name:17} {label['value']!s:6} {label['reason']}")
    for hit in trail["overlaps"]:
        say(f"overlaps  {hit['suite']}/{hit['task_id']} ({hit['kind']}, {hit['score']:.2f})")
    for mix in trail["mixes"]:
        stands = f" of {mix['stood_for_by']}" if mix.get("stood_for_by") else ""
        fate = (
            f"taken as {mix['category']}" if mix["taken"] else f"left out: {mix['reason']}{stands}"
        )
        say(f"mix       {mix['run_id']}: {fate}")
        for other in mix["stood_for"][:_MOST]:
            say(f"          stood for {other['id']} ({other['kind']}, {other['similarity']:.2f})")
    for checkpoint in trail["checkpoints"]:
        say(f"trained   {checkpoint['asset']} of run {checkpoint['run_id']}")
    if not trail["checkpoints"]:
        say("trained   no checkpoint")


def _trace_item(home: Home, recipe: str | None, item: str) -> dict[str, Any]:
    from ..mix.trace import trace_item

    suite, slash, name = item.partition("/")
    if not slash or not name:
        raise BadInput(
            f"is {item!r}.",
            field="--item",
            fix="Expected SUITE/ID, such as humaneval/HumanEval/12.",
        )
    artifact = _newest(home, recipe)
    result = trace_item(home, artifact.manifest.recipe, suite, name)
    say(f"item {result['item']}, mix of recipe {result['recipe']}, run {result['mix']['run_id']}")
    for outcome in result["outcomes"]:
        say(f"{outcome['report']}: {outcome['outcome']}, {outcome['reason']}")
    for near in result["nearest"]:
        place = f"{near['file']}:{near['line']}" if near["file"] else near["source"]
        say(
            f"\n{near['id']}  prompt {percent(near['prompt'], 0)}, answer {percent(near['answer'], 0)} alike  "
            f"{near['category']}  {place}"
        )
        say(f"  asked     {near['asked'][:200]!r}\n  answered  {near['answered'][:200]!r}")
    return result
