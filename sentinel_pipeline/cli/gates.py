"""``sentinel gate``: the ledger, for a morning reader."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ..bench.report import with_interval
from ..errors import BadInput, did_you_mean
from ..store import Ledger, find_home
from .console import AsJson, emit, err

gate = typer.Typer(help="Gates and their verdicts, from the ledger.", no_args_is_help=True)
_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


@gate.command("list")
def list_verdicts(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verdicts, oldest first.

    Example:

        sentinel gate list tiny
    """
    home = find_home()
    if recipe is not None:
        home.recipe(recipe)
    verdicts = Ledger(home.ledger).verdicts(recipe=recipe)
    if as_json:
        emit({"gates": [asdict(verdict) for verdict in verdicts]})
        return
    table = Table("gate", "subject", "verdict", "measured [interval]", "n", "threshold")
    for one in verdicts:
        verdict = f"[{_COLOURS[one.verdict]}]{one.verdict}[/]"
        table.add_row(
            one.name,
            one.subject,
            verdict,
            with_interval(one.measured, one.interval),
            str(one.n),
            f"{one.threshold:.0%}",
        )
    err.print(table)


@gate.command()
def explain(
    name: Annotated[str, typer.Argument(help="A gate, such as pass_at_1.")],
    recipe: Annotated[str, typer.Argument(help="The recipe.")],
    as_json: AsJson = False,
) -> None:
    """The newest verdict of one gate: the numbers, the rule, and what it was decided on.

    Example:

        sentinel gate explain pass_at_1 tiny
    """
    home = find_home()
    home.recipe(recipe)
    verdicts = Ledger(home.ledger).verdicts(recipe=recipe)
    found = [verdict for verdict in verdicts if verdict.name == name]
    if not found:
        known = {verdict.name for verdict in verdicts}
        fix = did_you_mean(name, known) if known else f"Run it first: sentinel run {recipe}."
        raise BadInput(f"gate {name!r} has no verdict for {recipe}.", fix=fix)
    newest = found[-1]
    if as_json:
        emit(asdict(newest))
        return
    err.print(f"[{_COLOURS[newest.verdict]}]{newest.verdict}[/]  {newest.name} on {newest.subject}", highlight=False)
    err.print(newest.reason, markup=False, highlight=False)
    err.print(
        f"content {newest.subject_hash}\nscorer {newest.scorer_version}\npolicy {newest.policy_hash}", highlight=False
    )
