"""Every answer to every item of a suite: a list with filters, and one item with each checkpoint's
answers side by side.

    /samples/RECIPE?suite=heldout&stage=sft&outcome=fail&family=edits&change=lost&q=text&page=2
    /samples/RECIPE/SUITE/ITEM

An item that is answered several times is one row with several answers. Everything that a model
wrote is text; names from the address reach no path. What this module does not do: score anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..bench.report import newest_reports
from ..records.stages import REPORT_STAGES
from ..review.importing import plain
from ..secrets import mask
from ..store import Artifact, Home, Store
from ..store.catalog import Workbench, in_memory
from ..store.catalog import query as query_rows
from .login import Endpoint, page_number

PAGE = 50
SEARCHED_BYTES = 48 << 20
"""Of answers that are kept in memory for searches; more are read from their file each time."""
CHANGES = {"gained": "passes now", "lost": "fails now", "same": "as before"}
OUTCOMES = ("pass", "fail", "infra")
_ITEM = "regexp_replace(task_id, '~[0-9]+$', '')"
"""``grade`` and ``bench`` number the answers to an item: ``ID``, ``ID~2`` …"""


class Query(NamedTuple):
    """What the address asks for; names that do not exist are answered with the first that does."""

    suite: str
    stage: str
    outcome: str = ""
    family: str = ""
    change: str = ""
    reason: str = ""
    text: str = ""
    page: int = 1

    def address(self, **changes: Any) -> str:
        values = {name: value for name, value in (self._asdict() | changes).items() if value}
        return "?" + urlencode(values)


class Suites(NamedTuple):
    """Where the answers of one recipe are."""

    bank: Artifact | None
    reports: dict[str, Artifact]
    """Stage -> its newest report, in the order of the chain."""
    names: list[str]


def sample_routes(home: Home, templates: Environment) -> list[Route]:
    return [
        Route("/samples/{recipe}", _listing(home, templates)),
        Route("/samples/{recipe}/{suite}/{item:path}", _item_page(home, templates)),
    ]


def suites_of(home: Home, recipe: str) -> Suites | None:
    """None where there is no such recipe, or it has no report."""
    if recipe not in home.recipe_names():
        return None
    store = Store.reading(home, recipe)
    reports = newest_reports(store, REPORT_STAGES)
    names = {
        path.parent.name
        for artifact in reports.values()
        for path in artifact.folder.glob("*/samples.parquet")
    }
    return Suites(store.find("task_bank"), reports, sorted(names)) if names else None


def _paths(suites: Suites, suite: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (stage, str(path))
        for stage, artifact in suites.reports.items()
        if (path := artifact.folder / suite / "samples.parquet").is_file()
    )


@lru_cache(maxsize=8)
def _table(paths: tuple[tuple[str, str], ...]) -> Workbench:
    """Items by stage, without the answers' text; artifacts are immutable, so their paths are the
    key."""
    items = in_memory(512)
    items.run(
        "create table items (place integer, stage varchar, item varchar, family varchar, "
        "n integer, passed integer, infra integer, reason varchar)"
    )
    for place, (stage, path) in enumerate(paths):
        items.run(
            f"insert into items select ?, ?, {_ITEM} as item, any_value(family), count(*), "
            "count(*) filter (outcome = 'pass'), count(*) filter (outcome = 'infra'), "
            "coalesce(any_value(reason) filter (outcome = 'fail'), any_value(reason)) "
            "from read_parquet(?) group by item",
            [place, stage, path],
        )
    return items


@lru_cache(maxsize=2)
def _texts(path: str) -> Workbench | None:
    """The answers of one file in small letters, for one search after the other; None where they
    are too many to keep."""
    sizes = query_rows(
        "select coalesce(sum(strlen(completion)), 0) as size from samples", {"samples": Path(path)}
    )
    size = int(sizes[0]["size"])
    if size > SEARCHED_BYTES:
        return None
    texts = in_memory(4 * SEARCHED_BYTES >> 20)
    texts.run(
        f"create table texts as select {_ITEM} as item, task_id, lower(completion) as text "
        "from read_parquet(?)",
        [path],
    )
    return texts


@lru_cache(maxsize=32)
def _offers(
    paths: tuple[tuple[str, str], ...], place: int
) -> tuple[list[str], list[tuple[str, int]]]:
    """The families, and the commonest reasons at a stage, for the filters."""
    items = _table(paths)
    families = items.rows("select distinct family from items order by 1")
    reasons = items.rows(
        "select split_part(reason, ':', 1) as code, count(*) from items "
        "where place = ? and passed < n group by code order by 2 desc, 1 limit 12",
        [place],
    )
    return [name for (name,) in families], [(code, count) for code, count in reasons]


def listing(suites: Suites, query: Query) -> dict[str, Any]:
    """The rows of one page, with what the filters offer."""
    paths = _paths(suites, query.suite)
    stages = [stage for stage, _ in paths]
    if query.stage not in stages:
        query = query._replace(stage=stages[-1])
    place = stages.index(query.stage)
    items = _table(paths)
    where = ["now.place = ?"]
    values: list[Any] = [place]
    conditions = {
        "pass": "now.passed = now.n",
        "fail": "now.passed + now.infra < now.n",
        "infra": "now.infra > 0",
        "gained": "now.passed > was.passed",
        "lost": "now.passed < was.passed",
        "same": "now.passed = was.passed",
    }
    where += [conditions[name] for name in (query.outcome, query.change) if name in conditions]
    if query.family:
        where.append("now.family = ?")
        values.append(query.family)
    if query.reason:
        where.append("starts_with(now.reason, ?)")
        values.append(query.reason)
    if query.text:
        path = dict(paths)[query.stage]
        fits = "contains(text, lower(?)) or contains(task_id, ?)"
        texts = _texts(path)
        if texts is None:
            where.append(
                f"now.item in (select {_ITEM} from "
                "(select task_id, lower(completion) as text from read_parquet(?)) "
                f"where {fits})"
            )
            values += [path, query.text, query.text]
        else:
            matches = texts.rows(
                f"select distinct item from texts where {fits}", [query.text, query.text]
            )
            where.append("now.item in (select unnest(?))")
            values.append([name for (name,) in matches])
    source = (
        "from items now left join items was on was.item = now.item and was.place = now.place - 1 "
        f"where {' and '.join(where)}"
    )
    ((total,),) = items.rows(f"select count(*) {source}", values)
    pages = max(1, -(-total // PAGE))
    page = min(max(query.page, 1), pages)
    rows = items.rows(
        f"select now.item, now.family, now.reason {source} order by now.family, now.item "
        f"limit {PAGE} offset {(page - 1) * PAGE}",
        values,
    )
    names = [row[0] for row in rows]
    outcomes: dict[str, dict[str, str]] = {name: {} for name in names}
    for item, stage, passed, infra, n in items.rows(
        "select item, stage, passed, infra, n from items where item in (select unnest(?))", [names]
    ):
        outcomes[item][stage] = _mark(passed, infra, n)
    families, reasons = _offers(paths, place)
    return {
        "query": query._replace(page=page),
        "stages": stages,
        "rows": [
            {"item": item, "family": family, "reason": reason, "outcomes": outcomes[item]}
            for item, family, reason in rows
        ],
        "total": total,
        "pages": pages,
        "families": families,
        "reasons": reasons,
    }


def _mark(passed: int, infra: int, n: int) -> str:
    if passed == n:
        return "pass"
    if infra == n:
        return "infra"
    return f"{passed} of {n}" if passed else "fail"


def item(suites: Suites, suite: str, name: str) -> dict[str, Any] | None:
    """One item: what was asked, what is checked, and every answer; None where there is none."""
    answers = []
    for stage, path in _paths(suites, suite):
        rows = query_rows(
            "select completion as text, outcome, reason, tokens, stopped from samples "
            f"where {_ITEM} = ? order by task_id",
            {"samples": Path(path)},
            [name],
        )
        shown = [row | {name: mask(row[name]) for name in ("text", "reason")} for row in rows]
        answers.append({"stage": stage, "answers": shown})
    if not any(answer["answers"] for answer in answers):
        return None
    task: Mapping[str, Any] | None = None
    bank = suites.bank
    tasks = bank.folder / "suites" / f"{suite}.parquet" if bank is not None else None
    if tasks is not None and tasks.is_file():
        rows = query_rows(
            "select messages, reference, verifier, family, category from tasks where id = ?",
            {"tasks": tasks},
            [name],
        )
        if rows:
            task = rows[0] | {"checks": _checks(rows[0]["verifier"])}
    return {"name": name, "answers": answers, "task": task}


def _checks(verifier: str) -> dict[str, str]:
    """The fields of a verifier as text, those that say something."""
    fields = json.loads(verifier)
    return {
        name: value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        for name, value in fields.items()
        if value not in ("", None, [], {})
    }


def _listing(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipe = request.path_params["recipe"]
        suites = await run_in_threadpool(suites_of, home, recipe)
        if suites is None:
            return PlainTextResponse("There are no answers of that recipe.", 404)
        asked = request.query_params
        query = Query(
            suite=asked["suite"] if asked.get("suite") in suites.names else suites.names[0],
            stage=asked.get("stage", ""),
            outcome=asked.get("outcome", ""),
            family=asked.get("family", ""),
            change=asked.get("change", ""),
            reason=asked.get("reason", "")[:200],
            text=asked.get("text", "")[:200],
            page=page_number(asked),
        )
        values = await run_in_threadpool(listing, suites, query)
        template = templates.get_template("samples.html")
        text = template.render(
            recipe=recipe,
            suites=suites.names,
            changes=CHANGES,
            all_outcomes=OUTCOMES,
            **values,
        )
        return HTMLResponse(plain(text))

    return endpoint


def _item_page(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        names = request.path_params
        suites = await run_in_threadpool(suites_of, home, names["recipe"])
        if suites is None or names["suite"] not in suites.names:
            return PlainTextResponse("There are no answers of that suite.", 404)
        values = await run_in_threadpool(item, suites, names["suite"], names["item"])
        if values is None:
            return PlainTextResponse("There is no such item.", 404)
        template = templates.get_template("sample.html")
        text = template.render(recipe=names["recipe"], suite=names["suite"], **values)
        return HTMLResponse(plain(text))

    return endpoint
