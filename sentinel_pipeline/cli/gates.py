"""``sentinel gate``: reading gate results from the ledger."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ..errors import BadInput, did_you_mean
from ..gates import policy_hash
from ..gates.keys import suite_file_hash
from ..gates.simulation import error_rates
from ..rates import percent, with_interval
from ..records import GateVerdict, VerdictKey
from ..records.recipe import Recipe
from ..store import Home, Ledger, find_home
from .console import AsJson, emit, err
from .sign_off import sign_off

gate = typer.Typer(help="Gates and their verdicts, from the ledger.", no_args_is_help=True)
gate.command("sign-off")(sign_off)
OLD_AFTER = dt.timedelta(days=90)
"""A verdict, licence or signature that was given longer ago is shown as old: scorers, judges and
people have seen other things since."""
_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


@gate.command("list")
def list_verdicts(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List verdicts, oldest first.

    Example:

        sentinel gate list tiny
    """
    home = find_home()
    if recipe is not None:
        home.recipe(recipe)
    entries = Ledger(home.ledger).entries(recipe=recipe)
    recipes = {
        name: home.recipe(name)
        for name in {entry.recipe for entry in entries} & set(home.recipe_names())
    }
    stale = [_stale(home, entry.verdict, recipes.get(entry.recipe)) for entry in entries]
    if as_json:
        rows = zip(entries, stale, strict=True)
        emit(
            {
                "gates": [
                    asdict(entry.verdict)
                    | {
                        "recorded_at": entry.recorded_at,
                        "stale": reason,
                        "old": _age(entry.recorded_at) > OLD_AFTER,
                    }
                    for entry, reason in rows
                ]
            }
        )
        return
    table = Table()
    for name in (
        "recorded (UTC)",
        "gate",
        "subject",
        "verdict",
        "measured [interval]",
        "n",
        "threshold",
    ):
        table.add_column(name, overflow="fold")
    for entry, reason in zip(entries, stale, strict=True):
        verdict = entry.verdict
        shown = f"[{_COLOURS[verdict.verdict]}]{verdict.verdict}[/]"
        if _age(entry.recorded_at) > OLD_AFTER:
            shown += " [dim](old)[/]"
        table.add_row(
            entry.recorded_at[5:16].replace("T", " "),
            verdict.name,
            verdict.subject,
            f"{shown} [dim](stale)[/]" if reason else shown,
            with_interval(verdict.measured, verdict.interval),
            str(verdict.n),
            percent(verdict.threshold, 0),
        )
    err.print(table)


@gate.command()
def explain(
    name: Annotated[str, typer.Argument(help="A gate, such as pass_at_1.")],
    recipe: Annotated[str, typer.Argument(help="The recipe.")],
    as_json: AsJson = False,
) -> None:
    """The newest verdict of one gate: the numbers, the rule, how often this gate is wrong, and what
    it was decided on.

    Example:

        sentinel gate explain pass_at_1 tiny
    """
    home = find_home()
    recipe_file = home.recipe(recipe)
    entries = Ledger(home.ledger).entries(recipe=recipe)
    matches = [entry for entry in entries if entry.verdict.name == name]
    if not matches:
        names = {entry.verdict.name for entry in entries}
        fix = did_you_mean(name, names) if names else f"Run it first: sentinel run {recipe}."
        raise BadInput(f"gate {name!r} has no verdict for {recipe}.", fix=fix)
    newest = matches[-1].verdict
    age = _age(matches[-1].recorded_at)
    policy = recipe_file.gates.get(name)
    rates = error_rates(policy, newest.n) if policy and newest.n else None
    old = _stale(home, newest, recipe_file)
    if as_json:
        emit(
            asdict(newest)
            | {
                "recorded_at": matches[-1].recorded_at,
                "stale": old,
                "old": age > OLD_AFTER,
                "error_rates": rates._asdict() if rates else None,
            }
        )
        return
    err.print(
        f"[{_COLOURS[newest.verdict]}]{newest.verdict}[/]  {newest.name} on {newest.subject}",
        highlight=False,
    )
    for part in newest.reason.split("; "):
        err.print(f"  {part}", markup=False, highlight=False, soft_wrap=True)
    if rates:
        err.print(f"  this gate {rates.text()}", markup=False, highlight=False, soft_wrap=True)
    if old:
        err.print(f"  [yellow]stale:[/] {old}", highlight=False)
    when = f"decided {matches[-1].recorded_at[:16].replace('T', ' ')} UTC, {age.days} days ago, run {matches[-1].run_id}"
    if age > OLD_AFTER:
        when += f": old, decide it again (after {OLD_AFTER.days} days)"
    err.print(f"  {when}", markup=False, highlight=False)
    bound = {
        "content": newest.subject_hash,
        "against": newest.against_hash,
        "checkpoint": newest.checkpoint_hash,
        "suite": newest.suite_hash,
        "decoding": newest.decoding,
        "scorer": newest.scorer_version,
        "policy": newest.policy_hash,
        "look": f"{newest.look} at these weights and items" if newest.checkpoint_hash else "",
    }
    lines = [f"{part:<10} {value}" for part, value in bound.items() if value]
    err.print("\n".join(lines), style="dim", markup=False, highlight=False, soft_wrap=True)


def _age(recorded_at: str) -> dt.timedelta:
    return dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(recorded_at)


def _stale(home: Home, verdict: GateVerdict, recipe: Recipe | None) -> str | None:
    """Why a verdict lets nothing go on any more, or None."""
    from ..critic.version import scorer_version

    policy = recipe.gates.get(verdict.name) if recipe is not None else None
    suite = suite_file_hash(home, recipe, policy.suite) if recipe is not None and policy else None
    key = VerdictKey(
        name=verdict.name,
        subject=verdict.subject,
        subject_hash=verdict.subject_hash,
        scorer_version=scorer_version(),
        policy_hash=policy_hash(policy) if policy else verdict.policy_hash,
        suite_file=suite,
    )
    return verdict.stale(key)
