"""``sentinel report``: what a recipe's newest run came to, at the terminal or as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..store import find_home
from ..store.address import recipe_address
from ..store.files import atomic_write
from .console import AsJson, emit, say


def report(
    recipe: Annotated[str, typer.Argument(help="The recipe.")],
    html: Annotated[
        bool, typer.Option("--html", help="Write one self-contained HTML file.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The file of --html; RECIPE-report.html when absent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the newest run came to: rates before and after, gates, and what to do next.

    With --html one file has it all (curves, gates, samples, costs, provenance, model card) and
    loads nothing: it can be sent by mail.

    Example:

        sentinel report tiny --html
    """
    from ..bench.report import newest_reports
    from ..errors import BadInput
    from ..pages.report import report_page
    from ..pages.results import result_of
    from ..store import Store

    home = find_home()
    name, _ = recipe_address(home, recipe)
    path: Path | None = None
    if html or out is not None:
        path = out or Path(f"{name}-report.html")
        page = report_page(home, name)
        with atomic_write(path) as stream:
            stream.write(page)
    loaded = home.recipe(name)
    reports = newest_reports(Store.reading(home, name), loaded.reported)
    if not reports:
        raise BadInput(f"{name} has no report yet.", fix=f"Run it first: sentinel run {name}.")
    result = result_of(home, loaded, reports)
    if as_json:
        emit(
            {
                "recipe": name,
                "rates": {
                    suite: {cell.stage: cell.text for cell in cells}
                    for suite, cells in result.suites.items()
                },
                "change": result.change,
                "gates": [gate._asdict() for gate in result.gates],
                "next": result.next,
                "skipped": result.skipped,
                "advice": result.advice,
                "html": str(path) if path is not None else None,
            }
        )
        return
    for sentence in result.change:
        say(sentence)
    for gate in result.gates:
        say(f"{gate.state:8}{gate.name}: {gate.reason}")
    for reason in result.skipped:
        say(f"not done: {reason}")
    for text in result.advice:
        say(f"to try: {text}.")
    say(f"{result.spent}. Next: {result.next}")
    if path is not None:
        say(f"Page: {path}")
