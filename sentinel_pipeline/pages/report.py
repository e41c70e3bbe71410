"""What a recipe's newest run came to, as one HTML file to send around: rates, gates, curves,
samples, costs, where it all comes from, and the model card.

The file loads nothing and runs nothing: styles and drawings are inside, and what a model wrote is
text. What this module does not do: compute a rate, or decide whether the model may be released.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..bench.report import newest_reports, report_from_json
from ..bench.samples import read_samples
from ..errors import BadInput, SentinelError
from ..records import SampleScore, Task
from ..records.recipe import Recipe
from ..release.card import model_card
from ..release.evidence import gather
from ..review.importing import plain
from ..secrets import mask
from ..store import Artifact, Home, Store, read_parquet
from .charts import climb
from .curves import STAGES, costs_of, runs_of, stage_charts
from .results import result_of

FAILURES = 8
"""Wrong answers of each suite that are shown, as evenly over the families as there are some."""
SUCCESSES = 4
LONGEST = 4000
"""Characters of an answer, a prompt or a reference that are shown."""


class ShownSample(NamedTuple):
    task_id: str
    family: str
    prompt: str
    reference: str
    before: str
    """The first stage's answer to the same item; empty where there is none."""
    answer: str
    outcome: str
    reason: str


def report_page(home: Home, name: str) -> str:
    """The page.

    Raises:
        BadInput: no such recipe, or it has no report yet.
    """
    recipe = home.recipe(name)
    store = Store.reading(home, name)
    reports = newest_reports(store, recipe.reported)
    if not reports:
        raise BadInput(f"{name} has no report yet.", fix=f"Run it first: sentinel run {name}.")
    result = result_of(home, recipe, reports)
    runs = runs_of(home, name)[:1]
    curves = {}
    for stage in STAGES:
        charts = stage_charts(stage, list(enumerate(runs)), recipe)
        if charts:
            curves[stage] = charts
    artifacts = [
        artifact for asset in store.assets() if (artifact := store.find(asset)) is not None
    ]
    environment = Environment(
        loader=PackageLoader("sentinel_pipeline.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    static = files("sentinel_pipeline") / "web" / "static"
    style = "".join((static / sheet).read_text("utf-8") for sheet in ("page.css", "front.css"))
    page = environment.get_template("report.html.jinja").render(
        recipe=recipe,
        result=result,
        drawings={suite: climb(suite, cells) for suite, cells in result.suites.items()},
        curves=curves,
        samples={suite: _samples(store, recipe, reports, suite) for suite in result.suites},
        last=list(reports)[-1],
        first=next(iter(reports)),
        costs=costs_of(home, runs[0], recipe) if runs else [],
        artifacts=sorted(artifacts, key=lambda artifact: artifact.manifest.created_at),
        versions=next(iter(reports.values())).manifest.versions,
        source=mask(home.recipe_file(name).read_text("utf-8", "replace")),
        card=_card(store, recipe),
        style=style,
    )
    return plain(page)


def _samples(
    store: Store, recipe: Recipe, reports: dict[str, Artifact], suite: str
) -> list[ShownSample]:
    """Some answers of the last stage, wrong ones first, beside the first stage's."""
    first = next(iter(reports.values()))
    last = list(reports.values())[-1]
    answers = read_samples(last, suite)
    before = {sample.task_id: sample.completion for sample in read_samples(first, suite)}
    bank = store.find("task_bank")
    table = bank.folder / "suites" / f"{suite}.parquet" if bank is not None else None
    tasks: dict[str, Task] = {}
    if table is not None and table.is_file():
        tasks = {task.id: task for task in map(Task.from_row, read_parquet(table))}
    chosen = _spread([sample for sample in answers if sample.outcome != "pass"], FAILURES)
    chosen += _spread([sample for sample in answers if sample.outcome == "pass"], SUCCESSES)
    shown = []
    for sample in chosen:
        task = tasks.get(sample.task_id.partition("~")[0])
        values = {
            "prompt": task.messages[-1].content if task is not None else "",
            "reference": task.reference if task is not None else "",
            "before": before.get(sample.task_id, "") if first is not last else "",
            "answer": sample.completion,
            "reason": sample.reason,
        }
        cut: dict[str, Any] = {key: mask(value)[:LONGEST] for key, value in values.items()}
        shown.append(
            ShownSample(task_id=sample.task_id, family=sample.family, outcome=sample.outcome, **cut)
        )
    return shown


def _spread(samples: Sequence[SampleScore], most: int) -> list[SampleScore]:
    """The first of each family, then the second of each, until there are ``most``."""
    rounds: dict[str, int] = {}
    placed = []
    for sample in samples:
        rounds[sample.family] = rounds.get(sample.family, 0) + 1
        placed.append((rounds[sample.family], sample))
    placed.sort(key=lambda pair: pair[0])
    return [sample for _, sample in placed[:most]]


def _card(store: Store, recipe: Recipe) -> str:
    """The model card, or every reason why the checkpoint may not be released."""
    try:
        evidence = gather(store, recipe, None)
        shown = [
            report_from_json(evidence.report.json(f"{suite}/report.json"))
            for suite in recipe.bench.suites
        ]
        return model_card(evidence, shown)
    except SentinelError as error:
        return f"There is no model card: the checkpoint may not be released.\n\n{error}"
