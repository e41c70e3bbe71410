"""``sentinel gate``: reading gate results from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ..errors import BadInput, did_you_mean
from ..gates.simulation import error_rates
from ..rates import percent, with_interval
from ..store import Ledger, find_home
from ..store.ledger import OLD_AFTER, Entry
from .console import AsJson, emit, err, styled
from .sign_off import sign_off

gate = typer.Typer(help="Gates and their verdicts, from the ledger.", no_args_is_help=True)
gate.command("sign-off")(sign_off)
_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}


@gate.command("list")
def list_verdicts(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List verdicts, oldest first: the gates of models, and apart from them the audits of scorers.

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
    from ..audit.staleness import is_licence, why_stale

    stale = [why_stale(home, entry.verdict, recipes.get(entry.recipe)) for entry in entries]
    # An audit of a scorer is no gate of a model: its n counts questions that it was asked.
    rows = list(zip(entries, stale, strict=True))
    gates = [row for row in rows if not is_licence(row[0].verdict)]
    audits = [row for row in rows if is_licence(row[0].verdict)]
    if as_json:
        emit(
            {
                name: [
                    asdict(entry.verdict)
                    | {
                        "recorded_at": entry.recorded_at,
                        "stale": reason,
                        "old": entry.old,
                    }
                    for entry, reason in some
                ]
                for name, some in (("gates", gates), ("audits", audits))
            }
        )
        return
    err.print(_table(gates, "gate", "n"))
    if audits:
        err.print(_table(audits, "audit", "questions", title="Audits of the scorers"))


def _table(
    rows: Sequence[tuple[Entry, str | None]], what: str, count: str, title: str | None = None
) -> Table:
    columns = ("recorded (UTC)", what, "subject", "verdict", "measured [interval]", count)
    table = Table(*columns, "threshold", title=title)
    for entry, reason in rows:
        verdict = entry.verdict
        shown: list[tuple[str, str]] = [(verdict.verdict, _COLOURS[verdict.verdict])]
        if entry.old:
            shown.append((" (old)", "dim"))
        if reason:
            shown.append((" (stale)", "dim"))
        table.add_row(
            entry.recorded_at[5:16].replace("T", " "),
            verdict.name,
            verdict.subject,
            styled(*shown),
            with_interval(verdict.measured, verdict.interval),
            str(verdict.n),
            percent(verdict.threshold, 0),
        )
    return table


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
    age = matches[-1].age
    policy = recipe_file.gates.get(name)
    rates = error_rates(policy, newest.n) if policy and newest.n else None
    from ..audit.staleness import why_stale

    old = why_stale(home, newest, recipe_file)
    if as_json:
        emit(
            asdict(newest)
            | {
                "recorded_at": matches[-1].recorded_at,
                "stale": old,
                "old": matches[-1].old,
                "error_rates": rates._asdict() if rates else None,
            }
        )
        return
    verdict = (newest.verdict, _COLOURS[newest.verdict])
    err.print(styled(verdict, f"  {newest.name} on {newest.subject}"))
    for part in newest.reason.split("; "):
        err.print(f"  {part}", markup=False, highlight=False, soft_wrap=True)
    if rates:
        err.print(f"  this gate {rates.text()}", markup=False, highlight=False, soft_wrap=True)
    if old:
        err.print(styled(("  stale:", "yellow"), f" {old}"))
    when = f"decided {matches[-1].recorded_at[:16].replace('T', ' ')} UTC, {age.days} days ago, run {matches[-1].run_id}"
    if matches[-1].old:
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
