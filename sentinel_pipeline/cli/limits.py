"""The options ``--max-hours`` and ``--max-cost``: other limits than the recipe's budget has, for one
command. What this module does not do: decide what is skipped (``phases``)."""

from __future__ import annotations

from typing import Annotated

import typer

MaxHours = Annotated[
    float | None,
    typer.Option(min=0, help="Device hours allowed, instead of budget.max_hours."),
]
MaxCost = Annotated[
    float | None,
    typer.Option(min=0, help="Money allowed at budget.hourly_rate, instead of budget.max_cost."),
]
