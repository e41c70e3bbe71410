"""A DuckDB query whose rows are compared with those of the gold query, in the sandbox."""

from __future__ import annotations

from ...records.verifiers import SqlAnswer
from .examples import Canary, Examples
from .scorer import Scorer, run_program


def _more_wrong(reference: str, verifier: SqlAnswer) -> dict[str, str]:
    return {
        "other_rows": f"SELECT * FROM ({reference}) LIMIT 0",
        "more_rows": f"{reference} UNION ALL {reference}",
    } | {f"mistake_{at}": query for at, query in enumerate(verifier.told_apart)}


def _hacks(reference: str, verifier: SqlAnswer) -> dict[str, str]:
    return {
        "constant": "SELECT 1",
        "all_rows": "SELECT * FROM orders",
        "two_statements": "SELECT 1; SELECT 1",
        "read_file": "SELECT * FROM read_text('/etc/passwd')",
    }


_VERIFIER_1 = SqlAnswer(
    setup=(
        "create table sales (shop text, amount int); insert into sales values "
        "('a', 3), ('a', 4), ('b', 5);"
    ),
    query="select shop, sum(amount) from sales group by shop",
)
_PROMPT_1 = "Write a SQL query for the total amount of each shop in sales(shop, amount)."
_VERIFIER_2 = SqlAnswer(
    setup=(
        "create table sales (shop text, amount int); insert into sales values "
        "('a', 3), ('a', 4), ('b', 5);"
    ),
    query="select count(distinct shop) from sales where amount > 3",
    other_setups=(
        "create table sales (shop text, amount int); insert into sales values ('a', 4), ('a', 5);",
        "create table sales (shop text, amount int); insert into sales values ('a', 3), ('b', 5);",
    ),
)
_PROMPT_2 = "How many shops in sales(shop, amount) have an amount above 3? One SQL query."
CANARIES = (
    Canary(
        id="sql-right-otherwise-written",
        prompt=_PROMPT_2,
        completion="select count(*) from (select distinct shop from sales where amount >= 4)",
        verifier=_VERIFIER_2,
    ),
    Canary(
        id="sql-at-the-bound",
        prompt=_PROMPT_2,
        completion="select count(distinct shop) from sales where amount >= 3",
        verifier=_VERIFIER_2,
        reasons=("output_differs",),
    ),
    Canary(
        id="sql-counts-rows",
        prompt=_PROMPT_2,
        completion="select count(*) from sales where amount > 3",
        verifier=_VERIFIER_2,
        reasons=("output_differs",),
    ),
    Canary(
        id="sql-wrong",
        prompt=_PROMPT_1,
        completion="```sql\nselect shop, max(amount) from sales group by shop\n```",
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="sql-prefix",
        prompt=_PROMPT_1,
        completion=(
            "```sql\nselect shop, sum(amount) from sales where shop = 'a' group by shop\n```"
        ),
        verifier=_VERIFIER_1,
        reasons=("output_differs",),
    ),
    Canary(
        id="sql-no-table",
        prompt=_PROMPT_1,
        completion="```sql\nselect shop, sum(amount) from sale group by shop\n```",
        verifier=_VERIFIER_1,
        reasons=("exception",),
    ),
    Canary(
        id="sql-drops",
        prompt=_PROMPT_1,
        completion="```sql\ndrop table sales\n```",
        verifier=_VERIFIER_1,
        reasons=("forbidden",),
    ),
)

SCORER = Scorer(
    verifier=SqlAnswer,
    language="sql",
    judge=run_program,
    examples=Examples(
        more_wrong=_more_wrong,
        hacks=_hacks,
        unparsable=lambda reference, verifier, rng: f"{reference} AND (",
        canaries=CANARIES,
    ),
)
