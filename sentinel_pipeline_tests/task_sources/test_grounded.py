"""Tasks grounded in a user's database: which rows are drawn, what they ask, and what is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import FieldsAnswer, GroundedText
from sentinel_pipeline.records.task_source import TaskSource
from sentinel_pipeline.store.own_database import open_database
from sentinel_pipeline_tests.task_sources.material import divided, placed, write

PRODUCTS = ("kettle", "lamp", "sofa", "rug", "shelf")
ROWS = [
    (
        number,
        PRODUCTS[number % 5],
        number * 1.5,
        ("negative", "positive", "neutral")[number % 3],
        f"2025-0{1 + number % 9}-11",
    )
    for number in range(1, 901)
]
MAKE = (
    "create table orders (order_id integer, product text, total real, sentiment text, ordered date)"
)
DRAW: dict[str, Any] = {
    "table": "orders_enriched",
    "where": "sentiment = 'negative'",
    "prompt": "Order {order_id}: {product}, {total}. Which sentiment and total?",
    "expected": ("sentiment", "total"),
    "split": {"train": 1.0},
}


def database(root: Path, name: str) -> str:
    """A shop's database of the kind that its name says."""
    path = root / name
    if name.endswith(".db"):
        with sqlite3.connect(path) as lite:
            lite.execute(MAKE)
            lite.executemany("insert into orders values (?, ?, ?, ?, ?)", ROWS)
            lite.execute("create view orders_enriched as select * from orders")
        return name
    with duckdb.connect(str(path) if name.endswith(".duckdb") else ":memory:") as duck:
        duck.execute(MAKE)
        duck.executemany("insert into orders values (?, ?, ?, ?, ?)", ROWS)
        duck.execute("create view orders_enriched as select * from orders")
        if name.endswith(".parquet"):
            duck.execute(f"copy orders to '{path}' (format parquet)")
    return name


@pytest.mark.parametrize("name", ["commerce.db", "commerce.duckdb", "orders_enriched.parquet"])
def test_rows_of_a_database_become_tasks_drawn_at_random_where_the_condition_holds(
    tmp_path: Path, name: str
) -> None:
    source = TaskSource(name="shop", database=database(tmp_path, name), limit=250, **DRAW)
    items = placed(divided(tmp_path, source))
    tasks = [item.row.task for item in items.values() if item.row.task]
    assert len(tasks) == 250
    verifier = tasks[0].verifier
    assert isinstance(verifier, FieldsAnswer)
    assert '"negative"' in verifier.expected and tasks[0].reference == verifier.expected
    ids = [int(task.messages[0].content.split()[1].rstrip(":")) for task in tasks]
    assert len(set(ids)) == 250
    assert all(number % 3 == 0 for number in ids)
    # Of 300 rows 250: the first 250 alone would end at order 750.
    assert sum(number > 750 for number in ids) > 25
    assert ids != sorted(ids)


def test_the_seed_decides_the_draw_and_a_larger_one_holds_the_smaller(tmp_path: Path) -> None:
    database(tmp_path, "commerce.db")
    with open_database(tmp_path / "commerce.db", "key") as shop:
        first = shop.draw("orders", None, 100, 1, "key")
        assert shop.draw("orders", None, 100, 1, "key") == first
        assert shop.draw("orders", None, 200, 1, "key")[:100] == first
        assert shop.draw("orders", None, 100, 2, "key") != first


def test_a_text_about_a_row_is_held_to_the_row(tmp_path: Path) -> None:
    changes = DRAW | {"expected": (), "must_mention": ("product",), "words": (5, 30)}
    source = TaskSource(name="shop", database=database(tmp_path, "commerce.db"), limit=5, **changes)
    (task, *_) = [item.row.task for item in placed(divided(tmp_path, source)).values()]
    assert task is not None and isinstance(task.verifier, GroundedText)
    assert task.reference == ""
    assert (task.verifier.min_words, task.verifier.max_words) == (5, 30)
    assert task.verifier.must_mention[0] in PRODUCTS


def test_a_question_with_sql_runs_on_two_copies_of_the_tables(tmp_path: Path) -> None:
    query = "select product, count(*) from orders_enriched group by product"
    rows = [
        {"prompt": "How many orders of each product?", "sql": query},
        {"prompt": "In how many months were orders made?", "sql": "select count(distinct month(ordered)) from orders"},
        {"prompt": "Which weather was it?", "sql": "select weather from orders"},
    ]  # fmt: skip
    write(tmp_path / "questions.jsonl", rows)
    source = TaskSource(
        file="questions.jsonl",
        database=database(tmp_path, "commerce.db"),
        split={"train": 1.0},
    )
    division = divided(tmp_path, source)
    items = placed(division)
    assert sorted(items) == ["questions/1", "questions/2"]
    assert "weather" in division.report.examples[0]
    task = items["questions/1"].row.task
    assert task is not None
    answers = [query, "select product, 40 from orders group by product"]
    scores = score(
        Scorable(str(n), task.messages, answer, task.verifier) for n, answer in enumerate(answers)
    )
    assert [result.outcome for result in scores] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"table": "orders_enrichd"}, "table", "Did you mean 'orders_enriched'?"),
        ({"where": "mood = 'bad'"}, "where", "cannot be run"),
        ({"expected": ("feeling",)}, "expected", "orders_enriched has no column 'feeling'"),
        ({"prompt": "Order {number}?"}, "prompt", "KeyError: 'number'"),
        ({"database": "absent.db"}, "database", "there is no such file"),
        ({"database": "text.db"}, "database", "cannot be read"),
    ],
)
def test_what_a_database_does_not_have_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, Any], field: str, expected: str
) -> None:
    database(tmp_path, "commerce.db")
    (tmp_path / "text.db").write_text("nothing that a database would hold " * 100)
    source = TaskSource(**({"name": "shop", "database": "commerce.db"} | DRAW | changes))
    with pytest.raises(BadInput) as error:
        divided(tmp_path, source)
    assert error.value.field == f"tasks.source[0].{field}"
    assert expected in str(error.value)


def test_a_database_is_never_written_to(tmp_path: Path) -> None:
    path = tmp_path / database(tmp_path, "commerce.db")
    before = path.read_bytes()
    with (
        pytest.raises(BadInput, match="cannot be run"),
        open_database(path, "key") as shop,
    ):
        shop.draw("orders", "1 = 1; drop table orders", 1, 1, "key")
    assert path.read_bytes() == before
