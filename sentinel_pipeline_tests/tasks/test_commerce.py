"""The commerce tasks: data that agrees with itself, splits that share nothing, references that
their verifiers pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random

import duckdb
import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import Message, SqlAnswer
from sentinel_pipeline.tasks.commerce import COMMERCE, HELDOUT, TRAIN, sql_qa
from sentinel_pipeline.tasks.commerce.world import Order, orders, setup
from sentinel_pipeline.tasks.families.family import Family
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.task_bank import build


def test_pairs_have_the_seeds_proportions() -> None:
    assert sum(TRAIN.values()) == 1480 and sum(HELDOUT.values()) == 148
    bank = build(2, TRAIN, HELDOUT)
    assert Counter(task.family for task in bank.train) == TRAIN
    assert Counter(task.family for task in bank.heldout) == HELDOUT
    trained = {(task.family, task.composition) for task in bank.train}
    assert not trained & {(task.family, task.composition) for task in bank.heldout}
    prompts = [task.messages for task in (*bank.train, *bank.heldout)]
    assert len(set(prompts)) == len(prompts) == 1628


def test_a_starved_task_is_expanded_and_keeps_what_it_had() -> None:
    before = build(2, {"insights": 148, "push": 20}, {}).train
    after = build(2, {"insights": 350, "push": 20}, {}).train
    insights = [task for task in after if task.family == "insights"]
    assert len(insights) == 350 and insights[:148] == [
        task for task in before if task.family == "insights"
    ]
    assert [t for t in after if t.family == "push"] == [t for t in before if t.family == "push"]


def test_the_suite_is_the_same_for_everyone() -> None:
    tasks = load_suite("commerce")
    assert Counter(task.family for task in tasks) == HELDOUT
    assert [task.id for task in tasks] == [task.id for task in load_suite("commerce")]


@pytest.mark.parametrize("family", COMMERCE, ids=lambda family: family.name)
def test_every_reference_passes_its_verifier(family: Family) -> None:
    drafts = [family.generate(one, Random(f"t{n}")) for n, one in enumerate(family.compositions)]
    drafts = drafts[:: 15 if family.name == "sql_qa" else 1]
    items = [
        Scorable(str(n), one.messages, one.reference, one.verifier) for n, one in enumerate(drafts)
    ]
    assert Counter(one.reason for one in score(items)) == {"passed": len(items)}


def test_tables_and_view_agree_with_the_rows() -> None:
    rows = orders("check", 200)
    with duckdb.connect() as database:
        database.execute(setup(rows))
        found = database.execute(
            "SELECT order_id, total, delay_days, score, sentiment, complaint, review FROM orders_enriched ORDER BY 1"
        ).fetchall()
    wanted = [
        (
            o.order_id,
            o.total,
            o.delay_days if o.delivered else None,
            o.score,
            o.sentiment,
            o.complaint,
            o.text,
        )
        for o in rows
    ]
    assert found == wanted
    assert all((o.complaint is not None) == (o.sentiment == "negative") for o in rows)
    late = [o for o in rows if o.complaint == "delivery"]
    assert late and all(f"{o.delay_days} dias" in str(o.text) for o in late)


def test_measures_in_python_are_duckdbs() -> None:
    """The rows say by Python what the gold query says in DuckDB, on every measure and database of a
    few."""
    for number in range(3):
        for database in sql_qa.databases(number):
            with duckdb.connect() as connection:
                connection.execute(database.sql)
                for measure in sql_qa.MEASURES.values():
                    got = connection.execute(
                        f"SELECT {measure.sql} FROM orders_enriched"
                    ).fetchone()
                    assert got is not None
                    assert abs(
                        Decimal(str(got[0])) - Decimal(str(measure.of(database.rows)))
                    ) <= Decimal("0.005001")


def test_no_constant_answers_an_ungrouped_question_on_both_databases() -> None:
    alone = [one for one in sql_qa.FAMILY.compositions if one.split("|")[1] == "none"]
    for number, composition in enumerate(alone):
        verifier = sql_qa.generate(composition, Random(f"c{number}")).verifier
        assert isinstance(verifier, SqlAnswer)
        answers = []
        for made in (verifier.setup, *verifier.other_setups):
            with duckdb.connect() as connection:
                connection.execute(made)
                answers.append(connection.execute(verifier.query).fetchall())
        assert answers[0] != answers[1], composition


def test_a_query_that_is_right_on_one_database_only_fails() -> None:
    verifier = SqlAnswer(
        setup="CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2);",
        query="SELECT sum(n) FROM t",
        other_setups=("CREATE TABLE t (n INT); INSERT INTO t VALUES (5);",),
    )
    texts = ("SELECT 3", "FROM t SELECT sum(n)", "SELECT sum(n) FROM t LIMIT 0", "SELECT 5")
    items = [Scorable(text, (Message("user", "?"),), text, verifier) for text in texts]
    first, right, none, second = (one.reason for one in score(items, workers=1))
    assert right == "passed"
    assert first == "output_differs: expected a row (5), got (3)"
    assert second == "output_differs: expected a row (3), got (5)"
    assert none.startswith("output_differs: expected 1 rows")


def _tables(databases: Iterable[list[Order]]) -> Iterator[duckdb.DuckDBPyConnection]:
    for rows in databases:
        with duckdb.connect() as connection:
            connection.execute(setup(rows))
            yield connection


@pytest.mark.parametrize("start", range(2))
def test_each_wrong_query_gives_a_wrong_answer_on_some_database_of_its_task(start: int) -> None:
    """By DuckDB, not by the answers in Python that the databases were chosen with."""
    unnoticed = []
    asked = 0
    for number, composition in enumerate(sql_qa.FAMILY.compositions[start * 7 :: 37]):
        measure, group, filtered = composition.split("|")
        rng = Random(f"wrong|{start}|{number}")
        chosen, pair = sql_qa.telling_filter(sql_qa.MEASURES[measure], filtered, rng)
        added, wrong, left = sql_qa.told_apart(measure, group, filtered, chosen, pair, rng)
        assert left == [], composition
        gold = sql_qa.query_text(sql_qa.MEASURES[measure].sql, chosen.sql, group)
        seen: set[int] = set()
        rows = [database.rows for database in sql_qa.databases(pair)]
        for connection in _tables([*rows, *added]):
            right = Counter(connection.execute(gold).fetchall())
            for index, mistake in enumerate(wrong):
                text = sql_qa.query_text(mistake.aggregate, mistake.condition, group)
                if Counter(connection.execute(text).fetchall()) != right:
                    seen.add(index)
        asked += len(wrong)
        unnoticed += [
            f"{composition}: {mistake.aggregate} WHERE {mistake.condition}"
            for index, mistake in enumerate(wrong)
            if index not in seen
        ]
    assert asked > 80
    assert unnoticed == []


@pytest.mark.parametrize(
    ("measure", "filtered", "wrong"),
    [
        ("count", "above", "SELECT count(*) FROM orders_enriched WHERE total >= {value}"),
        ("count", "late", "SELECT count(*) FROM orders_enriched WHERE delay_days > {value} + 1"),
        ("customers", "none", "SELECT count(*) FROM orders_enriched"),
        ("customers", "none", "SELECT count(DISTINCT city) FROM orders_enriched"),
        ("dearest", "above", "SELECT max(total) FROM orders_enriched WHERE total >= {value}"),
    ],
)
def test_a_wrong_query_fails_in_the_sandbox(measure: str, filtered: str, wrong: str) -> None:
    rng = Random("sandbox")
    draft = sql_qa.generate(f"{measure}|none|{filtered}", rng)
    assert isinstance(draft.verifier, SqlAnswer)
    value = draft.verifier.query.rpartition("> ")[2]
    item = Scorable("wrong", draft.messages, wrong.format(value=value), draft.verifier)
    right = Scorable("right", draft.messages, draft.reference, draft.verifier)
    judged = [one.reason.partition(":")[0] for one in score([item, right], workers=1)]
    assert judged == ["output_differs", "passed"]
