"""``sentinel parity``: does a checkpoint answer the same in every form in which it can be
loaded?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ..errors import EXIT_FAILED, BadInput
from ..rates import percent
from ..store import find_home
from ..store.address import LOCAL_FORMS
from .console import AsJson, emit, err, say, styled


def parity(
    model: Annotated[str, typer.Argument(help=f"{LOCAL_FORMS}.")],
    as_json: AsJson = False,
) -> None:
    """Compare the adapter, the merged model and a re-saved copy of MODEL: logits and greedy
    answers.

    Exit code 1 when they differ.

    Examples:

        sentinel parity tiny/sft

        sentinel parity data/runs/tiny/sft_checkpoint/RUN_ID --json
    """
    from ..generation.targets import find_target
    from ..run_job import be_quiet
    from ..training.loop.parity import check_parity
    from ..worker.remote_code import allow_remote_code

    be_quiet()
    target = find_target(find_home(), model)
    folder = target.checkpoint or target.folder
    if folder is None:
        raise BadInput(
            f"{model} is a served model: its weights are not on this machine.",
            field="MODEL",
            fix=f"Name {LOCAL_FORMS}.",
        )
    if target.trust_remote_code:
        allow_remote_code(say)
    result = check_parity(folder)
    table = Table(
        "form",
        "largest logit distance",
        "allowed",
        "answers that differ",
        "adapter kept",
        title=f"{result.prompts} prompts",
    )
    for variant in result.variants:
        table.add_row(
            variant.name,
            f"{variant.logit_distance:g}",
            f"{variant.tolerance:g}",
            str(variant.answers_differ),
            "–" if variant.kept is None else f"{percent(variant.kept)} in {variant.number_format}",
        )
        for name in variant.different:
            say(f"not as it should be: {name}")
    err.print(table)
    if result.not_compared:
        say(result.not_compared)
    for name in result.missing:
        say(f"missing: {name}")
    for name in result.pickles:
        say(f"loading it would execute code: {name}")
    err.print(styled(("the same", "green") if result.passed else ("not the same", "red")))
    if as_json:
        emit(result.to_json())
    if not result.passed:
        raise typer.Exit(EXIT_FAILED)
