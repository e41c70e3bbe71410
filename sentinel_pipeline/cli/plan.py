"""``sentinel plan``: what a recipe will do and cost, before any device is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..rates import percent
from ..store import find_home
from ..store.address import recipe_address
from .console import AsJson, emit, err

if TYPE_CHECKING:
    from ..training.plan import Plan

_LEVELS = " ▁▂▃▄▅▆▇█"
_WIDTH = 60


def plan(
    recipe: Annotated[
        str, typer.Argument(help="A recipe under data/recipes, or RECIPE/STAGE for one stage.")
    ],
    plot: Annotated[
        Path | None, typer.Option(help="Write the learning-rate curves to this PNG file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what RECIPE will do and cost: rows, steps, learning rates, tokens, parameters, memory, hours; no weights are loaded.

    Exit code 2 for what cannot work, 3 for what exceeds the budget; each refusal says what to do about it.

    Examples:

        sentinel plan tiny --plot rates.png

        sentinel plan tiny/dpo --json
    """
    from ..training.plan import make_plan

    home = find_home()
    name, stage = recipe_address(home, recipe)
    made = make_plan(home.recipe(name), home)
    if stage is not None:
        made.trainers = {kind: one for kind, one in made.trainers.items() if kind == stage}
        made.hours = {kind: hours for kind, hours in made.hours.items() if kind.startswith(stage)}
    if plot is not None:
        from ..plots import write_png_curves

        curves = {
            kind: list(enumerate(one["learning_rates"], start=1))
            for kind, one in made.trainers.items()
        }
        write_png_curves(plot, curves, f"{name}: learning rates", "step")
    _print(made)
    if as_json:
        emit(made.to_json())
    if made.refusals:
        raise typer.Exit(min(refusal.exit_code for refusal in made.refusals))


def _print(made: Plan) -> None:
    if made.model:
        err.print(
            f"{made.model.architecture}, {made.model.parameters:,} parameters", highlight=False
        )
    if made.start:
        chosen = f"{made.start['chosen']}: " if made.start["chosen"] else ""
        err.print(
            f"starts from {chosen}{made.start['reason']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    table = Table("", *made.trainers)
    for label, read in _LINES:
        table.add_row(label, *(read(one) for one in made.trainers.values()))
    err.print(table)
    for kind, one in made.trainers.items():
        rates = one["learning_rates"]
        err.print(
            f"{kind} rate {sparkline(rates)} peak {max(rates):g}, last {rates[-1]:g}",
            markup=False,
            highlight=False,
        )
        for name, share in one["categories"].items():
            err.print(
                f"  {name:18}{share['rows']:8,} rows {percent(share['share']):>7}  {share['unique_prompts']:8,} unique prompts, "
                f"{share['epochs']:.2f} epochs",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    _print_costs(made)
    for warning in made.warnings:
        err.print(f"[yellow]note:[/] {_escaped(warning)}", highlight=False, soft_wrap=True)
    for refusal in made.refusals:
        err.print(
            f"[bold red]refused:[/] {_escaped(f'{refusal.field}: {refusal.reason}')}",
            highlight=False,
            soft_wrap=True,
        )


def _print_costs(made: Plan) -> None:
    budget = made.recipe.budget
    known = {name: hours for name, hours in made.hours.items() if hours is not None}
    unknown = [name for name, hours in made.hours.items() if hours is None]
    limit = f" of {budget.max_hours:g} h allowed" if budget.max_hours is not None else ""
    if known:
        least = "at least " if unknown else ""
        money = (
            f", {made.total_hours * budget.hourly_rate:.2f} {budget.currency}"
            if budget.hourly_rate
            else ""
        )
        parts = ", ".join(f"{name} {hours * 3600:,.0f} s" for name, hours in known.items())
        err.print(
            f"device: {least}{made.total_hours:.3f} h{limit}{money} ({parts})",
            highlight=False,
            soft_wrap=True,
        )
    else:
        err.print(f"device: hours unknown{limit}", highlight=False)
    if known and unknown:
        err.print(f"not estimated: {', '.join(unknown)}", highlight=False, soft_wrap=True)


def _tokens(one: dict[str, Any]) -> str:
    report = one["tokens"]
    return (
        f"{report['trainable_tokens']:,} of {report['tokens']:,}" if report else "not tokenized yet"
    )


def _lost(one: dict[str, Any]) -> str:
    report = one["tokens"]
    return f"{report['too_long']} too long, {report['fully_masked']} without one" if report else "–"


def _method(one: dict[str, Any]) -> str:
    processes = one.get("processes", 1)
    parts = [str(one["method"]), *(["packed"] if one.get("packing") else [])]
    return ", ".join([*parts, *([f"in {processes} processes"] if processes > 1 else [])])


_LINES = (
    ("rows", lambda one: f"{one['rows']:,} ({one['source']})"),
    ("steps", lambda one: f"{one['steps']:,} of {one['batch']} rows, {one['epochs']:.2f} epochs"),
    ("method", _method),
    (
        "trained parameters",
        lambda one: f"{one['trained_parameters']:,}" if one["trained_parameters"] else "–",
    ),
    ("tokens trained", _tokens),
    ("rows dropped", _lost),
    (
        "memory, estimated",
        lambda one: f"{one['memory_mib']['total']:,} MiB" if one["memory_mib"] else "–",
    ),
)


def sparkline(values: Sequence[float]) -> str:
    """A curve as one line of text, at most ``_WIDTH`` characters."""
    shown = (
        [values[index * len(values) // _WIDTH] for index in range(_WIDTH)]
        if len(values) > _WIDTH
        else list(values)
    )
    top = max(shown) or 1.0
    return "".join(_LEVELS[round(value / top * (len(_LEVELS) - 1))] for value in shown)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
