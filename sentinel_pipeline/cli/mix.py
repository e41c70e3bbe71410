"""``sentinel mix`` and ``sentinel trace``: what a mix is made of, and where a row came from and went."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from ..errors import BadInput
from ..mix.trace import trace_item, trace_row
from ..store import Artifact, Home, Store, find_home
from .console import AsJson, emit, err

_MOST = 10
"""Lines of a list that people are shown; ``--json`` has all."""


def mix(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe; the one whose mix is newest, when absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The newest mix of RECIPE: shares wanted and taken, what was left out and why, what decontamination found and missed.

    A mix is made by [bold]sentinel run RECIPE --until rebalanced_mix[/].

    Example:

        sentinel mix tiny --json
    """
    home = find_home()
    made = _newest(home, recipe)
    result = _mix_json(home, made)
    _print_mix(result)
    if as_json:
        emit(result)


def _newest(home: Home, recipe: str | None) -> Artifact:
    if recipe is not None:
        home.recipe(recipe)
        return Store.reading(home, recipe).get("rebalanced_mix")
    found = [
        made
        for name in home.recipe_names()
        if (made := Store.reading(home, name).find("rebalanced_mix"))
    ]
    if not found:
        raise BadInput(
            "no recipe has a mix yet.", fix="Make one: sentinel run RECIPE --until rebalanced_mix."
        )
    return max(found, key=lambda made: made.manifest.created_at)


def _mix_json(home: Home, made: Artifact) -> dict[str, Any]:
    report = made.json("mix.json")
    name = made.manifest.recipe
    clean = Store.reading(home, name).origin(made, "decontamination_report").json("report.json")
    own = {
        "recipe": name,
        "run_id": made.manifest.run_id,
        "content_hash": made.hash,
        "folder": str(made.folder),
    }
    keys = ("rows", "tasks", "suites", "by_kind", "by_suite", "items_hit", "measured")
    return (
        own
        | report
        | {
            "decontamination": {key: clean[key] for key in keys}
            | {"contaminated": len(clean["hits"])}
        }
    )


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
        table.add_row(quota["category"], f"{quota['share']:.1%}", *amounts, str(quota["rows"]))
    err.print(table)
    left = (
        ", ".join(f"{count} {reason}" for reason, count in result["left_out"].items()) or "nothing"
    )
    _say(f"Of {result['seen']} rows left out: {left}")
    if result["held_back"]:
        _say(
            "Held back or without a share: "
            + ", ".join(f"{n} {name}" for name, n in result["held_back"].items())
        )
    if result["shortfall"]:
        _say(
            f"Short by {result['shortfall']:.10g} {result['unit']}; nothing was repeated to fill a gap"
        )
    clean = result["decontamination"]
    _say(
        f"{clean['contaminated']} of {clean['rows']} rows overlapped {clean['items_hit']} of {clean['tasks']} benchmark items"
    )
    if clean["measured"]:
        said = (f"{name} {_rate(clean['measured'][name])}" for name in ("recall", "precision"))
        _say(f"Measured on planted contaminations: {', '.join(said)}")


def _rate(rate: dict[str, Any]) -> str:
    if not rate["n"]:
        return "not measured (n = 0)"
    low, high = rate["interval"]
    return f"{rate['rate']:.1%} [{low:.1%}, {high:.1%}] of {rate['n']}"


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
    """Where ROW came from and went: file and line, labels with reasons, duplicates, mixes, checkpoints that trained on it.

    With --item, the rows of the newest mix that are nearest to a benchmark item, and how the item was answered.

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
    if recipe is not None:
        home.recipe(recipe)
    names = [recipe] if recipe is not None else home.recipe_names()
    found = [one for name in names if (one := trace_row(home, name, row)) is not None]
    if not found:
        where = f"recipe {names[0]}" if len(names) == 1 else f"any of {len(names)} recipes"
        raise BadInput(
            f"no artifact of {where} has a row {row!r}.", fix="Ids stand in the mix's rows.parquet."
        )
    result = max(found, key=lambda one: max((mix["made"] for mix in one["mixes"]), default=""))
    _print_row(result)
    return result


def _print_row(found: dict[str, Any]) -> None:
    place = f"{found['file']}:{found['line']}" if found["file"] else "made in the pipeline"
    _say(f"{found['origin']} {found['id']} of recipe {found['recipe']}")
    _say(
        f"from      {found['source']}, {place}"
        + (f", task {found['task_id']}" if found["task_id"] else "")
    )
    if found["repair"]:
        _say(
            f"repairs   {found['repair']['failed_id']} by {found['repair']['accepted_id']}: {found['repair']['reason']}"
        )
    for name, label in found["labels"].items():
        _say(f"{name:17} {label['value']!s:6} {label['reason']}")
    for hit in found["overlaps"]:
        _say(f"overlaps  {hit['suite']}/{hit['task_id']} ({hit['kind']}, {hit['score']:.2f})")
    for mix in found["mixes"]:
        stands = f" of {mix['stood_for_by']}" if mix.get("stood_for_by") else ""
        fate = (
            f"taken as {mix['category']}" if mix["taken"] else f"left out: {mix['reason']}{stands}"
        )
        _say(f"mix       {mix['run_id']}: {fate}")
        for other in mix["stood_for"][:_MOST]:
            _say(f"          stood for {other['id']} ({other['kind']}, {other['similarity']:.2f})")
    for made in found["checkpoints"]:
        _say(f"trained   {made['asset']} of run {made['run_id']}")
    if not found["checkpoints"]:
        _say("trained   no checkpoint")


def _trace_item(home: Home, recipe: str | None, item: str) -> dict[str, Any]:
    suite, slash, name = item.partition("/")
    if not slash or not name:
        raise BadInput(
            f"is {item!r}.",
            field="--item",
            fix="Expected SUITE/ID, such as humaneval/HumanEval/12.",
        )
    made = _newest(home, recipe)
    result = trace_item(home, made.manifest.recipe, suite, name)
    _say(f"item {result['item']}, mix of recipe {result['recipe']}, run {result['mix']['run_id']}")
    for outcome in result["outcomes"]:
        _say(f"{outcome['report']}: {outcome['outcome']}, {outcome['reason']}")
    for near in result["nearest"]:
        place = f"{near['file']}:{near['line']}" if near["file"] else near["source"]
        _say(
            f"\n{near['id']}  prompt {near['prompt']:.0%}, answer {near['answer']:.0%} alike  {near['category']}  {place}"
        )
        _say(f"  asked     {near['asked'][:200]!r}\n  answered  {near['answered'][:200]!r}")
    return result


def _say(text: str) -> None:
    """Text that may hold what a model wrote: printed as it is, never as markup."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)
