"""``sentinel compare`` and ``sentinel power``: two models on the same items, and what a number of
items can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import BadInput
from ..rates import difference, percent
from ..store import find_home
from ..store.address import FORMS
from ..store.files import atomic_write
from .console import AsJson, emit, err, say, styled

if TYPE_CHECKING:
    from ..bench.confounds import CutScorer

_COLOURS = {"better": "green", "worse": "red", "inconclusive": "yellow", "void": "magenta"}


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help=f"A model that has a report ({FORMS}), a report's folder, or a samples file.",
        ),
    ],
    second: Annotated[
        str, typer.Argument(metavar="B", help="The model compared with A, in the same forms.")
    ],
    page: Annotated[
        Path | None, typer.Option(help="Write an HTML page with every flip side by side.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare model B with model A on the items that both answered: paired, with artifact
    detectors.

    Examples:

        sentinel compare tiny/base tiny/sft --page comparison.html

        sentinel compare reports/base reports/sft --json
    """
    from ..bench.compare import compare_suites
    from ..bench.compare_text import comparison_page, suites_to_json
    from ..bench.pairing import unlike
    from ..bench.rescore import cutting_scorer
    from ..bench.sources import open_source

    home = find_home()
    a = open_source(first, home)
    b = open_source(second, home)
    for suite in sorted(a.reports.keys() & b.reports.keys()):
        ours = replace(a.reports[suite], stage=first)
        if reason := unlike(ours, replace(b.reports[suite], stage=second)):
            raise BadInput(f"{suite}: not comparable: {reason}.", fix="See sentinel bench --help.")
    names = (a.name, b.name) if a.name != b.name else ("A", "B")
    folder = a.tasks or b.tasks

    def rescore(suite: str) -> CutScorer | None:
        """The same check of length as the asset ``comparison`` makes: answers cut and scored again,
        where the tasks are at hand."""
        tasks = folder / f"{suite}.parquet" if folder is not None else None
        return cutting_scorer(tasks) if tasks is not None and tasks.is_file() else None

    comparisons = compare_suites(
        a.suites, b.suites, from_stage=names[0], to_stage=names[1], rescore=rescore
    )
    if page is not None:
        with atomic_write(page) as stream:
            stream.write(comparison_page(f"{names[0]} → {names[1]}", list(comparisons.values())))
        say(f"Page: {page}")
    if as_json:
        emit({"from": names[0], "to": names[1], "suites": suites_to_json(comparisons)})
        return
    err.print(_table(comparisons))
    for suite, comparison in comparisons.items():
        for finding in comparison.findings:
            if finding.explains:
                say(f"void on {suite}: {finding.reason}")


def _table(comparisons: dict[str, Any]) -> Table:
    names = ("suite", "n", "A", "B", "gained", "lost", "difference [95 %]", "paired p", "Holm p")
    table = Table(*names, "verdict")
    for suite, comparison in comparisons.items():
        paired = comparison.summary
        table.add_row(
            suite,
            str(paired.n),
            percent(comparison.a),
            percent(comparison.b),
            str(paired.gained),
            str(paired.lost),
            difference(paired.difference, paired.interval),
            f"{paired.p:.2g}",
            f"{comparison.p_adjusted:.2g}",
            styled((comparison.verdict, _COLOURS[comparison.verdict])),
        )
    return table


def power(
    base: Annotated[float, typer.Option(help="Pass@1 of the first model.")] = 0.40,
    gain: Annotated[float, typer.Option(help="How much better the second model truly is.")] = 0.10,
    items: Annotated[
        int | None,
        typer.Option(help="Items to answer; their number is computed when absent.", min=1),
    ] = None,
    target_power: Annotated[
        float, typer.Option("--power", help="The chance of finding the gain.")
    ] = 0.80,
    alpha: Annotated[float, typer.Option(help="Two-sided error rate of the test.")] = 0.05,
    lost: Annotated[
        float | None, typer.Option(help="Share of items that only the first model passes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plan a comparison before anything is answered: exact McNemar on the same items.

    Without --lost the answers of the two models are taken as independent, the worst plausible case.

    Examples:

        sentinel power --base 0.4 --gain 0.1 --items 300

        sentinel power --base 0.4 --gain 0.1 --power 0.9
    """
    from ..gates.power import detectable_gain, items_needed, mcnemar_power, shares

    for name, value in (("--power", target_power), ("--alpha", alpha)):
        if not 0 < value < 1:
            raise BadInput(
                f"is {value:g}, expected within (0, 1).", field=name, fix="80 % is written 0.8."
            )
    try:
        of = shares(base, gain, lost)
    except ValueError as error:
        raise BadInput(
            f"{error}.", field="--base, --gain, --lost", fix="A rate of 40 % is written 0.4."
        ) from error
    if gain <= 0:
        raise BadInput(
            f"is {gain:g}, expected more than 0.", field="--gain", fix="Ten points are written 0.1."
        )
    needed = items_needed(of, target_power, alpha)
    answer: dict[str, Any] = {
        "base": base,
        "gain": gain,
        "alpha": alpha,
        "gained": of.gained,
        "lost": of.lost,
        "wanted_power": target_power,
        "items_needed": needed,
        "items": items,
        "power": mcnemar_power(items, of, alpha) if items else None,
        "detectable_gain": detectable_gain(items, base, target_power, alpha, lost)
        if items
        else None,
    }
    if as_json:
        emit(answer)
        return
    say(
        f"A true gain from {percent(base)} to {percent(base + gain)}, exact McNemar at "
        f"{percent(alpha)}, two-sided:"
    )
    needs = f"{needed:,}" if needed else "more than a million"
    say(f"  items for a power of {percent(target_power)}: {needs}")
    if items:
        smallest = answer["detectable_gain"]
        shows = f"{100 * smallest:.1f} points" if smallest else "none"
        say(f"  power of {items:,} items: {percent(answer['power'])}")
        say(f"  smallest gain that {items:,} items show with that power: {shows}")
