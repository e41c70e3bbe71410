"""``sentinel plan``: what a recipe will do and cost, before any device is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..phases import limited
from ..rates import percent
from ..store import find_home
from ..store.address import recipe_address
from .console import AsJson, emit, err, styled
from .limits import MaxCost, MaxHours
from .scaled import ScaleOption, scaled_recipe

if TYPE_CHECKING:
    from ..training.planning.plan import Plan

_LEVELS = " ▁▂▃▄▅▆▇█"
_WIDTH = 60


def plan(
    recipe: Annotated[
        str, typer.Argument(help="A recipe under data/recipes, or RECIPE/STAGE for one stage.")
    ],
    plot: Annotated[
        Path | None, typer.Option(help="Write the learning-rate curves to this PNG file.")
    ] = None,
    scale: ScaleOption = None,
    max_hours: MaxHours = None,
    max_cost: MaxCost = None,
    as_json: AsJson = False,
) -> None:
    """Show what RECIPE will do and cost: rows, steps, learning rates, tokens, parameters, memory,
    hours; no weights are loaded.

    Exit code 2 for what cannot work, 3 where its critical phases exceed the budget; each refusal
    says what to do about it. Optional phases that the budget does not suffice for are named.

    Examples:

        sentinel plan tiny --plot rates.png

        sentinel plan stage1-qwen2.5-32b-qlora --max-cost 25

        sentinel plan stage1-qwen2.5-32b-qlora --scale tiny

        sentinel plan tiny/dpo --json
    """
    from ..training.planning.plan import make_plan

    home = find_home()
    name, stage = recipe_address(home, recipe)
    loaded = home.recipe(name)
    left_out: list[str] = []
    if scale is not None:
        loaded, scaled = scaled_recipe(home, name, scale)
        name = loaded.name
        left_out = scaled.left_out
    planned = make_plan(limited(loaded, max_hours, max_cost), home)
    planned.warnings = [
        f"left out at scale {scale}: {text}." for text in left_out
    ] + planned.warnings
    if stage is not None:
        planned.trainers = {
            kind: trainer for kind, trainer in planned.trainers.items() if kind == stage
        }
        planned.hours = {
            kind: hours for kind, hours in planned.hours.items() if kind.startswith(stage)
        }
    if plot is not None:
        from ..plots import write_png_curves

        curves = {
            kind: list(enumerate(trainer["learning_rates"], start=1))
            for kind, trainer in planned.trainers.items()
        }
        write_png_curves(plot, curves, f"{name}: learning rates", "step")
    _print(planned)
    if as_json:
        emit(planned.to_json())
    if planned.refusals:
        raise typer.Exit(min(refusal.exit_code for refusal in planned.refusals))


def _print(planned: Plan) -> None:
    if planned.model:
        err.print(
            f"{planned.model.architecture}, {planned.model.parameters:,} parameters",
            highlight=False,
        )
    if planned.start:
        chosen = f"{planned.start['chosen']}: " if planned.start["chosen"] else ""
        err.print(
            f"starts from {chosen}{planned.start['reason']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    _print_tasks(planned)
    table = Table("", *planned.trainers)
    for label, read in _LINES:
        table.add_row(label, *(read(trainer) for trainer in planned.trainers.values()))
    err.print(table)
    for kind, trainer in planned.trainers.items():
        rates = trainer["learning_rates"]
        err.print(
            f"{kind} rate {sparkline(rates)} peak {max(rates):g}, last {rates[-1]:g}",
            markup=False,
            highlight=False,
        )
        for name, share in trainer["categories"].items():
            err.print(
                f"  {name:18}{share['rows']:8,} rows {percent(share['share']):>7}  {share['unique_prompts']:8,} unique prompts, "
                f"{share['epochs']:.2f} epochs",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    for gate in planned.gates:
        err.print(_gate(gate), markup=False, highlight=False, soft_wrap=True)
    _print_costs(planned)
    for warning in planned.warnings:
        err.print(styled(("note:", "yellow"), f" {warning}"), soft_wrap=True)
    for refusal in planned.refusals:
        reason = f" {refusal.field}: {refusal.reason}"
        err.print(styled(("refused:", "bold red"), reason), soft_wrap=True)


def _print_tasks(planned: Plan) -> None:
    """What the recipe's own sources come to; generated tasks are as many as the recipe says."""
    report = planned.counted.report
    if report is None:
        return
    for name, counts in report.sources.items():
        err.print(
            f"tasks of {name}: {counts['tasks']:,} of {counts['read']:,} rows, {counts['unscored']:,} without "
            f"a verifier, {counts['quarantined']:,} quarantined",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    sides = ", ".join(
        f"{sum(tasks.values()):,} {side}"
        for side, tasks in report.sides.items()
        if side != "reward" or tasks
    )
    lines = [f"sides: {sides}; {report.groups:,} groups. {report.overlap_text()}", *report.examples]
    for line in lines:
        err.print(line, markup=False, highlight=False, soft_wrap=True)


def _gate(gate: dict[str, Any]) -> str:
    needs = f"{gate['needs']:,}" if gate["needs"] else "more than 100,000"
    if gate["items"] == 0:
        return (
            f"gate {gate['name']}: can pass from {needs} items of {gate['suite']} on; there is none"
        )
    text = f"gate {gate['name']}: can pass from {needs} items of {gate['suite']} on"
    if gate["power"] is None:
        return f"{text}; how many there are says its file"
    if gate["metric"] == "mean_reward":
        return (
            f"{text}; of its {gate['items']:,}: where the truth is {gate['truth']:.2f}, it passes "
            f"{percent(gate['power'])} of the time"
        )
    truth = percent(gate["truth"], signed=gate["truth"] < 0)
    return f"{text}; of its {gate['items']:,}: where the truth is {truth}, it passes {percent(gate['power'])} of the time"


def _print_costs(planned: Plan) -> None:
    budget = planned.recipe.budget
    if planned.device:
        err.print(
            f"planned for {planned.device}; a run leaves about {planned.disk_gib:,.1f} GiB on the disk",
            highlight=False,
            soft_wrap=True,
        )
    estimated = {name: hours for name, hours in planned.hours.items() if hours is not None}
    unknown = [name for name, hours in planned.hours.items() if hours is None]
    allowed = budget.hours_allowed
    limit = f" of {allowed:g} h allowed" if allowed is not None else ""
    if estimated:
        least = "at least " if unknown else ""
        money = (
            f", {planned.total_hours * budget.hourly_rate:.2f} {budget.currency}"
            if budget.hourly_rate
            else ""
        )
        parts = ", ".join(f"{name} {hours * 3600:,.0f} s" for name, hours in estimated.items())
        err.print(
            f"device: {least}{planned.total_hours:.3f} h{limit}{money} ({parts})",
            highlight=False,
            soft_wrap=True,
        )
    else:
        err.print(f"device: hours unknown{limit}", highlight=False)
    if budget.optional or allowed is not None:
        err.print(_phases(planned))
    if estimated and unknown:
        err.print(f"not estimated: {', '.join(unknown)}", highlight=False, soft_wrap=True)


def _phases(planned: Plan) -> Table:
    """The stage 1 plan's table: each phase with its hours and money, and what may be skipped."""
    budget = planned.recipe.budget
    table = Table("phase", "hours", f"cost ({budget.currency})", "critical?")
    for phase in planned.phases:
        words = ("critical", "")
        if phase["optional"] is not None:
            words = (f"optional, number {phase['optional']} to be skipped", "")
        if phase["skipped"]:
            words = ("will be skipped", "yellow")
        known = phase["hours"] is not None
        table.add_row(
            phase["name"],
            f"{phase['hours']:.3f}" if known else "unknown",
            f"{phase['cost']:.2f}" if known and budget.hourly_rate else "–",
            styled(words),
        )
    return table


def _tokens(trainer: dict[str, Any]) -> str:
    report = trainer["tokens"]
    return (
        f"{report['trainable_tokens']:,} of {report['tokens']:,}" if report else "not tokenized yet"
    )


def _lost(trainer: dict[str, Any]) -> str:
    report = trainer["tokens"]
    return f"{report['too_long']} too long, {report['fully_masked']} without one" if report else "–"


def _method(trainer: dict[str, Any]) -> str:
    processes = trainer.get("processes", 1)
    parts = [str(trainer["method"]), *(["packed"] if trainer.get("packing") else [])]
    return ", ".join([*parts, *([f"in {processes} processes"] if processes > 1 else [])])


def _memory(trainer: dict[str, Any]) -> str:
    parts = trainer["memory_mib"]
    if not parts:
        return "–"
    if "device_mib" not in trainer:
        return f"{parts['total']:,} MiB"
    return f"{parts['peak']:,} of {trainer['device_mib']:,} MiB"


_LINES = (
    ("rows", lambda trainer: f"{trainer['rows']:,} ({trainer['source']})"),
    (
        "steps",
        lambda trainer: (
            f"{trainer['steps']:,} of {trainer['batch']} rows, {trainer['epochs']:.2f} epochs"
        ),
    ),
    ("method", _method),
    (
        "trained parameters",
        lambda trainer: (
            f"{trainer['trained_parameters']:,}" if trainer["trained_parameters"] else "–"
        ),
    ),
    ("tokens trained", _tokens),
    ("rows dropped", _lost),
    (
        "memory, estimated",
        _memory,
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
