"""``sentinel parity``: does a checkpoint say the same in every form in which it can be loaded?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import EXIT_FAILED
from .console import AsJson, emit, err


def parity(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint's folder (with model/ inside), or a model's.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compare CHECKPOINT's adapter, merged model and a saved-again copy: logits and greedy answers. Exit code 1 when they differ.

    Example:

        sentinel parity data/runs/tiny/sft_checkpoint/RUN_ID
    """
    from ..run_job import be_quiet
    from ..training.parity import check_parity

    be_quiet()
    found = check_parity(checkpoint)
    table = Table(
        "form",
        "largest logit distance",
        "allowed",
        "answers that differ",
        title=f"{found.prompts} prompts",
    )
    for one in found.variants:
        table.add_row(
            one.name, f"{one.logit_distance:g}", f"{one.tolerance:g}", str(one.answers_differ)
        )
    err.print(table)
    for name in found.missing:
        err.print(f"missing: {name}", markup=False, highlight=False)
    for name in found.pickles:
        err.print(f"loading it would execute code: {name}", markup=False, highlight=False)
    err.print("[green]the same[/]" if found.passed else "[red]not the same[/]")
    if as_json:
        emit(found.to_json())
    if not found.passed:
        raise typer.Exit(EXIT_FAILED)
