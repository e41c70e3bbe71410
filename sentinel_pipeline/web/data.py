"""The rows of one recipe: candidates with their labels, the mix, what was left out, pairs, repairs;
with facets, search, a row's way from source to checkpoint, and a download of what was selected.

    /data/RECIPE?table=candidates&source=hub&accepted=false&text=words&page=2
    /data/RECIPE/row/ID
    /data/RECIPE/download?table=mix&category=devops

Read by DuckDB from the newest artifacts. What a row holds is text; names from the address reach
neither a path nor SQL. What this module does not do: change a row (``review`` does).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..mix.trace import trace_row
from ..records import LABELS
from ..review.importing import plain
from ..secrets import mask
from ..store import Home, Store
from ..store.catalog import query, stream
from .login import Endpoint, page_number

PAGE = 50
EXCERPT = 240
MASKED = 4000
"""Characters that are looked at before an excerpt is cut: a secret may go beyond it."""
FACET = 12
"""Values of a facet that are offered, the most frequent ones."""
_FAILED = (
    "case "
    + " ".join(f"when not {name} then '{name}'" for name in LABELS if name != "accepted")
    + " end"
)


class Table(NamedTuple):
    """One kind of rows: the artifact's file, the rows as SQL over it, and what may be chosen by."""

    asset: str
    file: str
    """Its rows, which ``sql`` sees as ``rows``."""
    facets: tuple[str, ...]
    text: str = "completion"
    """The column that the search reads, beside the prompt."""
    sql: str = "select * from rows"


TABLES: dict[str, Table] = {
    "candidates": Table("raw_candidates", "candidates.parquet", ("source", "category")),
    "accepted": Table("accepted_set", "accepted.parquet", ("source", "category")),
    "rejected": Table(
        "rejected_set",
        "rejected.parquet",
        ("failed", "source", "category", "planted"),
        sql=f"select *, {_FAILED} as failed from rows",
    ),
    "repairs": Table("repair_traces", "repairs.parquet", ("category",)),
    "mix": Table("rebalanced_mix", "rows.parquet", ("category", "origin")),
    "left out": Table(
        "rebalanced_mix", "left_out.parquet", ("reason", "category", "source"), "reason"
    ),
    "pairs": Table(
        "preference_pairs", "pairs.parquet", ("kind", "category", "family", "chosen_source"), "chosen"
    ),
}  # fmt: skip


class Selection(NamedTuple):
    """What the address asks for."""

    table: str
    values: dict[str, str]
    """Facet -> value."""
    text: str = ""
    page: int = 1

    def address(self, **changes: Any) -> str:
        fields = {"table": self.table, "text": self.text, "page": self.page, **self.values}
        return "?" + urlencode({name: value for name, value in (fields | changes).items() if value})


def data_routes(home: Home, templates: Environment) -> list[Route]:
    return [
        Route("/data/{recipe}", _listing(home, templates)),
        Route("/data/{recipe}/row/{row:path}", _row_page(home, templates)),
        Route("/data/{recipe}/download", _download(home)),
    ]


def tables_of(store: Store) -> list[str]:
    """The tables that are there."""
    names = []
    for name, table in TABLES.items():
        artifact = store.find(table.asset)
        if artifact is not None and (artifact.folder / table.file).is_file():
            names.append(name)
    return names


def selection(names: list[str], params: QueryParams) -> Selection:
    """Names that do not exist are answered with the first that does."""
    table = params.get("table", "")
    table = table if table in names else names[0]
    values = {name: params[name] for name in TABLES[table].facets if params.get(name)}
    return Selection(table, values, params.get("text", "")[:200], page_number(params))


def _files(store: Store, name: str) -> dict[str, Path]:
    table = TABLES[name]
    return {"rows": store.get(table.asset).path(table.file)}


def _where(chosen: Selection) -> tuple[str, list[Any]]:
    """The condition of the selected rows, and its values."""
    sides = [_facets(chosen.values), _text(chosen)]
    return _joined([one for side, _ in sides for one in side]), [v for _, vs in sides for v in vs]


def _facets(values: dict[str, str]) -> tuple[list[str], list[Any]]:
    return [f"{name} = ?" for name in values], list(values.values())


def _text(chosen: Selection) -> tuple[list[str], list[Any]]:
    table = TABLES[chosen.table]
    if not chosen.text:
        return [], []
    searched = f"id = ? or contains(lower({table.text}), lower(?))"
    values = [chosen.text, chosen.text]
    if chosen.table != "left out":
        searched += " or contains(lower(messages[-1].content), lower(?))"
        values.append(chosen.text)
    return [f"({searched})"], values


def _joined(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""


def _counted(files: dict[str, Path], chosen: Selection) -> tuple[int, dict[str, list[Any]]]:
    """How many rows are selected, and each facet's values with their counts among the rows that
    the other choices leave. What holds the text is looked for once, however many facets there
    are."""
    table = TABLES[chosen.table]
    conditions, values = _text(chosen)
    once = "materialized" if conditions else "not materialized"
    columns = ", ".join(table.facets) or "id"
    sql = f"with hits as {once} (select {columns} from ({table.sql}) {_joined(conditions)}) "
    wheres, own = _facets(chosen.values)
    sql += f"select '' as facet, '' as value, count(*) as count from hits {_joined(wheres)}"
    values += own
    for name in table.facets:
        others = {other: value for other, value in chosen.values.items() if other != name}
        wheres, own = _facets(others)
        values += own
        sql += (
            f" union all (select '{name}', coalesce({name}::varchar, ''), count(*) from hits "
            f"{_joined(wheres)} group by 2 order by 3 desc, 2 limit {FACET})"
        )
    total, facets = 0, dict[str, list[Any]]({name: [] for name in table.facets})
    for row in query(sql, files, values):
        if row["facet"]:
            facets[row["facet"]].append((row["value"], row["count"]))
        else:
            total = row["count"]
    for found in facets.values():
        found.sort(key=lambda each: (-each[1], each[0]))
    return total, facets


def page_of(store: Store, chosen: Selection) -> dict[str, Any]:
    """The rows of one page, how many there are, and each facet's values with their counts among
    the rows that the other choices leave."""
    table = TABLES[chosen.table]
    files = _files(store, chosen.table)
    where, values = _where(chosen)
    total, facets = _counted(files, chosen)
    pages = max(1, -(-total // PAGE))
    page = min(max(chosen.page, 1), pages)
    prompt = "''" if chosen.table == "left out" else "messages[-1].content"
    columns = [*table.facets, *(["reason"] if chosen.table == "pairs" else [])]
    rows = query(
        f"select id, left({prompt}, {MASKED}) as prompt, left({table.text}, {MASKED}) as text, "
        f"{', '.join(columns)} from ({table.sql}) {where} "
        f"limit {PAGE} offset {(page - 1) * PAGE}",
        files,
        values,
    )
    return {
        "chosen": chosen._replace(page=page),
        "total": total,
        "pages": pages,
        "facets": facets,
        "columns": columns,
        "rows": [
            row | {name: mask(row[name] or "")[:EXCERPT] for name in ("prompt", "text")}
            for row in rows
        ],
    }


def lines(store: Store, chosen: Selection) -> Iterator[str]:
    """The selected rows as JSONL, whole but for their secrets, in the order of the file; some
    hundred lines a piece."""
    where, values = _where(chosen)
    sql = f"select * from ({TABLES[chosen.table].sql}) {where}"
    rows = stream(sql, _files(store, chosen.table), values)
    # Some hundred rows at once: each piece is a way from a thread to the event loop.
    while piece := list(islice(rows, 500)):
        yield "".join(json.dumps(mask(row), ensure_ascii=False) + "\n" for row in piece)


def row_of(home: Home, recipe: str, name: str) -> dict[str, Any] | None:
    """A row with its content and its way; None where no artifact of the recipe has it."""
    trail = trace_row(home, recipe, name)
    if trail is None:
        return None
    store = Store.reading(home, recipe)
    content: dict[str, Any] = {}
    for table in ("candidates", "repairs", "mix"):
        if table not in tables_of(store):
            continue
        rows = query(
            "select messages, completion from rows where id = ?", _files(store, table), [name]
        )
        if rows:
            content = mask(rows[0])
            break
    return {"trail": trail, **content}


def _store(home: Home, recipe: str) -> Store | None:
    return Store.reading(home, recipe) if recipe in home.recipe_names() else None


def _listing(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipe = request.path_params["recipe"]
        store = _store(home, recipe)
        names = await run_in_threadpool(tables_of, store) if store is not None else []
        if store is None or not names:
            return PlainTextResponse("There are no rows of that recipe.", 404)
        chosen = selection(names, request.query_params)
        values = await run_in_threadpool(page_of, store, chosen)
        template = templates.get_template("data.html")
        text = template.render(recipe=recipe, tables=names, **values)
        return HTMLResponse(plain(text))

    return endpoint


def _row_page(home: Home, templates: Environment) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipe = request.path_params["recipe"]
        if _store(home, recipe) is None:
            return PlainTextResponse("There are no rows of that recipe.", 404)
        values = await run_in_threadpool(row_of, home, recipe, request.path_params["row"])
        if values is None:
            return PlainTextResponse("There is no such row.", 404)
        template = templates.get_template("row.html")
        fields = {"messages": [], "completion": "", **values}
        return HTMLResponse(plain(template.render(recipe=recipe, **fields)))

    return endpoint


def _download(home: Home) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        recipe = request.path_params["recipe"]
        store = _store(home, recipe)
        names = await run_in_threadpool(tables_of, store) if store is not None else []
        if store is None or not names:
            return PlainTextResponse("There are no rows of that recipe.", 404)
        chosen = selection(names, request.query_params)
        file = f"{recipe}-{chosen.table.replace(' ', '-')}.jsonl"
        return StreamingResponse(
            iterate_in_threadpool(lines(store, chosen)),
            media_type="application/x-ndjson",
            headers={"content-disposition": f'attachment; filename="{file}"'},
        )

    return endpoint
