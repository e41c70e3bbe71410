"""``sentinel families``: the generated task families and how hard each level of them is."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer
from rich.table import Table

from ..rates import percent
from .console import AsJson, emit, err


def families(
    names: Annotated[
        list[str] | None, typer.Argument(help="Families; every one where none is named.")
    ] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of each level that are measured.")] = 4,
    mutations: Annotated[
        int, typer.Option(min=0, help="Answers of each task with one place changed.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks and of the changes.")] = 17,
    as_json: AsJson = False,
) -> None:
    """Measure how hard generated tasks are, level by level.

    For each level: the length of request and answer, whether the references pass, and the share of
    answers that pass although one number, word or operator of the reference was changed. Levels are
    what `tasks.levels` of a recipe chooses among.

    Examples:

        sentinel families

        sentinel families modules repairs --tasks 8 --json
    """
    from ..tasks.difficulty import measure

    with err.status("measuring"):
        measured = measure(names or (), tasks=tasks, mutations=mutations, seed=seed)
    for family, levels in groupby(measured, key=lambda level: level.family):
        rows = list(levels)
        table = Table(
            "level",
            "compositions",
            "turns",
            "prompt",
            "answer",
            "references",
            "changed answers",
            title=f"{family} ({', '.join(sorted({level.category for level in rows}))})",
        )
        for level in rows:
            rate = percent(level.mutants_passed / level.mutants) if level.mutants else "-"
            table.add_row(
                str(level.level),
                str(level.compositions),
                f"{level.turns:.0f}",
                f"{level.prompt_words:.0f}",
                f"{level.answer_tokens:.0f}",
                f"{level.references_passed} of {level.tasks}",
                f"{rate} of {level.mutants}",
            )
        err.print(table)
    err.print("Prompts in words, answers in tokens; references and changed answers that pass.")
    if as_json:
        emit({"families": [level.to_json() for level in measured]})
