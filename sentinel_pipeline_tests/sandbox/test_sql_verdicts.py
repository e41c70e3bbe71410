"""What SQL queries are judged to be: rows compared by value, as a bag unless order counts, and each
failure by its name."""

# ruff: noqa: E501

from __future__ import annotations

import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import Message, SqlAnswer
from sentinel_pipeline.sandbox import Grader, Level, Limits, Outcome, Program, isolation
from sentinel_pipeline.sandbox.isolation import from_probe
from sentinel_pipeline_tests.sandbox.conftest import Grade

SETUP = """
CREATE TABLE staff (name VARCHAR, team VARCHAR, pay DECIMAL(9, 2), since DATE);
INSERT INTO staff VALUES ('Ana', 'a', 10.50, '2020-01-01'), ('Bo', 'a', 20, '2021-05-05'), ('Cy', 'b', 30, NULL), ('Di', NULL, NULL, '2019-02-02');
"""
BY_TEAM = "SELECT team, sum(pay) AS total, count(*) AS n FROM staff GROUP BY team"

PASSING = {
    "the gold query itself": (BY_TEAM, BY_TEAM),
    "other names and order of rows": ("WITH s AS (FROM staff) SELECT team AS x, sum(pay), count(name) FROM s GROUP BY 1 ORDER BY 2 DESC", BY_TEAM),
    "from first": ("FROM staff SELECT name WHERE team = 'a'", "SELECT name FROM staff WHERE team = 'a'"),
    "values": ("VALUES (1), (2)", "SELECT unnest([2, 1])"),
    "table": ("TABLE staff", "SELECT * FROM staff"),
    "numbers as numbers": ("SELECT 1.0::DOUBLE, 1::HUGEINT, 2.50::DECIMAL(5, 2), 3", "SELECT 1, 1.00::DECIMAL(4, 2), 2.5, 3::TINYINT"),
    "last digits of floats": ("SELECT 0.3::DOUBLE, 1e300", "SELECT 0.1::DOUBLE + 0.2::DOUBLE, 1e300::DOUBLE * (1 + 1e-12)"),
    "a float beside a decimal": ("SELECT avg(pay)::DECIMAL(18, 12) FROM staff", "SELECT avg(pay) FROM staff"),
    "NaN and infinities": ("SELECT 'nan'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE", "SELECT sqrt(-1), 1e308::DOUBLE * 10, -1e308::DOUBLE * 10"),
    "dates and times": ("SELECT DATE '2020-01-01', TIMESTAMP '2020-01-01 10:00', TIME '10:00', INTERVAL 90 MINUTE", "SELECT min(since) + 333::INT, TIMESTAMP '2020-01-01 09:00' + INTERVAL 1 HOUR, TIME '10:00', INTERVAL '1:30' HOUR FROM (SELECT DATE '2019-02-02' AS since)".replace("INTERVAL '1:30' HOUR", "INTERVAL 1 HOUR + INTERVAL 30 MINUTE")),
    "points in time": ("SELECT TIMESTAMPTZ '2020-01-01 12:00:00+02'", "SELECT TIMESTAMPTZ '2020-01-01 10:00:00+00'"),
    "lists, structs, maps, blobs": ("SELECT [1, NULL], {'b': 2, 'a': [1.0]}, map {'k': 1}, 'x'::BLOB", "SELECT [1, NULL], {'a': [1], 'b': 2}, map {'k': 1}, 'x'::BLOB"),
    "identifiers and enumerations as text": ("SELECT 'a', '6b1d7f4e-0000-4000-8000-000000000000'", "SELECT 'a'::ENUM('a', 'b'), '6b1d7f4e-0000-4000-8000-000000000000'::UUID"),
    "no rows": ("SELECT name, team FROM staff WHERE false", "SELECT 1, 2 WHERE 1 = 2"),
    "pivot": ("PIVOT staff ON team USING sum(pay) GROUP BY since", "PIVOT staff ON team USING sum(pay) GROUP BY since"),
    "pivot with its columns": ("FROM (PIVOT (SELECT team, pay FROM staff) ON team IN ('a', 'b') USING sum(pay))", "SELECT 30.5, 30"),
    "comments and a semicolon": ("-- rows\nSELECT 1 /* one */ ;\n;", "SELECT 1"),
    "recursion": ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT sum(n) FROM c", "SELECT 5050"),
    "the same rows twice": ("SELECT unnest([1, 2, 1])", "SELECT unnest([1, 1, 2])"),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_right_query_passes(sql: Grade, name: str) -> None:
    query, gold = PASSING[name]
    result = sql(query, gold, SETUP)
    assert (result.outcome, result.reason, result.trust) == (Outcome.PASS, "passed", "separate")


FAILING = {
    "fewer rows": ("SELECT 1 WHERE false", "SELECT 1", "output_differs: expected 1 rows, got 0"),
    "a prefix": ("SELECT name FROM staff LIMIT 3", "SELECT name FROM staff", "output_differs: expected 4 rows, got 3"),
    "distinct": ("SELECT unnest([1, 2])", "SELECT unnest([1, 1, 2])", "output_differs: expected 3 rows, got 2"),
    "another count of equal rows": ("SELECT unnest([1, 2, 2])", "SELECT unnest([1, 1, 2])", "output_differs: expected a row (1), got (2)"),
    "more columns": ("SELECT name, pay FROM staff", "SELECT name FROM staff", "output_differs: expected 1 columns, got 2"),
    "more columns, no rows": ("SELECT 1, 2 WHERE false", "SELECT 1 WHERE false", "output_differs: expected 1 columns, got 2"),
    "swapped columns": ("SELECT 2, 1", "SELECT 1, 2", "output_differs: expected a row (1, 2), got (2, 1)"),
    "text for a number": ("SELECT '1'", "SELECT 1", "output_differs: expected a row (1), got ('1')"),
    "true for one": ("SELECT true", "SELECT 1", "output_differs: expected a row (1), got (True)"),
    "null for zero": ("SELECT NULL", "SELECT 0", "output_differs: expected a row (0), got (NULL)"),
    "null for empty": ("SELECT NULL", "SELECT ''", "output_differs: expected a row (''), got (NULL)"),
    "null for NaN": ("SELECT NULL", "SELECT 'nan'::DOUBLE", "output_differs: expected a row (nan), got (NULL)"),
    "a timestamp for a date": ("SELECT TIMESTAMP '2020-01-01'", "SELECT DATE '2020-01-01'", "output_differs: expected a row (2020-01-01), got (2020-01-01 00:00:00)"),
    "large integers one apart": ("SELECT 10000000000000001", "SELECT 10000000000000000", "output_differs: expected a row (10000000000000000), got (10000000000000001)"),
    "a float beyond the tolerance": ("SELECT 1.00000001::DOUBLE", "SELECT 1::DOUBLE", "output_differs: expected a row (1.0), got (1.00000001)"),
    "nearly the same decimal": ("SELECT 1.0000000000001", "SELECT 1.0000000000002", "output_differs: expected a row (1.0000000000002), got (1.0000000000001)"),
    "another list order": ("SELECT [2, 1]", "SELECT [1, 2]", "output_differs: expected a row ([1, 2]), got ([2, 1])"),
    "long text is shortened": ("SELECT repeat('b', 1000)", "SELECT repeat('a', 1000)", f"output_differs: expected a row ('{'a' * 117}…, got ('{'b' * 117}…"),
    "not SQL": ("Here is the query you asked for", "SELECT 1", "syntax_error: Parser Error: syntax error at or near \"Here\""),
    "nothing": ("-- nothing", "SELECT 1", "syntax_error: no statement"),
    "unknown table": ("SELECT * FROM nowhere", "SELECT 1", "exception: Catalog Error: Table with name nowhere does not exist!"),
    "unknown column": ("SELECT nam FROM staff", "SELECT 1", "exception: Binder Error: Referenced column \"nam\" not found"),
    "conversion": ("SELECT name::INT FROM staff", "SELECT 1", "exception: Conversion Error: Could not convert string 'Ana' to INT32"),
    "a parameter": ("SELECT ?", "SELECT 1", "exception: Invalid Input Error"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_wrong_query_fails_with_its_reason(sql: Grade, name: str) -> None:
    query, gold, reason = FAILING[name]
    result = sql(query, gold, SETUP)
    assert result.outcome is Outcome.FAIL
    assert result.reason.startswith(reason), result.reason


def test_order_counts_only_where_the_verifier_says_so(sql: Grade) -> None:
    gold, other = (
        "SELECT name FROM staff ORDER BY name",
        "SELECT name FROM staff ORDER BY name DESC",
    )
    assert sql(other, gold, SETUP).code == "passed"
    assert sql(gold, gold, SETUP, ordered=True).code == "passed"
    assert (
        sql(other, gold, SETUP, ordered=True).reason
        == "output_differs: row 1: expected ('Ana'), got ('Di')"
    )


TASK_FAULTS = {
    "setup does not parse": ("CREATE TABEL t", "SELECT 1", "the gold query: syntax_error: Parser Error"),
    "setup fails": ("INSERT INTO t VALUES (1)", "SELECT 1", "the gold query: exception: Catalog Error: Table with name t does not exist!"),
    "gold does not bind": ("", "SELECT x FROM t", "the gold query: exception: Catalog Error"),
    "gold is no query": ("CREATE TABLE t (i INT)", "INSERT INTO t VALUES (1)", "the gold query: forbidden: a statement of type INSERT"),
    "gold is random": ("", "SELECT random()", "the gold query gives other rows when it runs again"),
    "gold makes identifiers": ("", "SELECT uuid()", "the gold query gives other rows when it runs again"),
    "gold tells the time": ("", "SELECT now()", "the gold query gives other rows when it runs again"),
    "gold draws a sample": ("", "SELECT i FROM range(10000) r(i) USING SAMPLE 5", "the gold query gives other rows when it runs again"),
    "setup tells the time": ("CREATE TABLE t AS SELECT now() AS i", "FROM t", "the gold query gives other rows when it runs again"),
    "gold is endless": ("", "SELECT count(*) FROM range(1000000000000)", "the gold query: timeout: more than 0.5 s of CPU time"),
    "gold is too long": ("", "FROM range(1000000)", "the gold query: output_limit: more than 256 KiB of rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", TASK_FAULTS)
def test_a_faulty_task_is_no_score(sql: Grade, name: str) -> None:
    setup, gold, reason = TASK_FAULTS[name]
    result = sql(gold, gold, setup, limits=Limits(cpu_seconds=0.5))
    assert (result.outcome, result.code) == (Outcome.INFRA, "test_error")
    assert result.detail.startswith(reason), result.detail


def test_random_tables_are_the_same_for_gold_and_candidate(sql: Grade) -> None:
    setup = "CREATE TABLE r AS SELECT random() AS x, uuid() AS u FROM range(1000)"
    assert (
        sql("SELECT * FROM r WHERE x > 0.5", "SELECT x, u FROM r WHERE x > 0.5", setup).code
        == "passed"
    )


def test_a_session_time_zone_of_the_task_counts(sql: Grade) -> None:
    setup = "SET TimeZone = 'America/New_York'"
    gold = "SELECT date_trunc('day', TIMESTAMPTZ '2020-01-02 00:00:00+00')"
    assert sql("SELECT TIMESTAMPTZ '2020-01-01 05:00:00+00'", gold, setup).code == "passed"
    assert sql("SELECT TIMESTAMPTZ '2020-01-02 00:00:00+00'", gold, setup).code == "output_differs"


def test_many_rows_are_compared_as_a_bag(sql: Grade) -> None:
    gold = "SELECT i, i / 7 AS x, 'name ' || i AS s FROM range(100000) r(i)"
    limits = Limits(output_kib=16384, cpu_seconds=10)
    result = sql(
        f"SELECT i, x * (1 + 1e-13), s FROM ({gold}) ORDER BY hash(i)", gold, limits=limits
    )
    assert result.reason == "passed"
    wrong = sql(
        f"SELECT i, x, CASE i WHEN 77777 THEN 's' ELSE s END FROM ({gold}) ORDER BY hash(i)",
        gold,
        limits=limits,
    )
    assert wrong.reason.startswith(
        "output_differs: expected a row (77777, 11111.0, 'name 77777'), got (77777, 11111.0, 's')"
    )


def test_a_fenced_answer_is_scored_end_to_end() -> None:
    verifier = SqlAnswer(setup=SETUP, query=BY_TEAM)
    message = (Message(role="user", content="Pay and heads by team, please."),)
    answers = [
        f"Here it is:\n\n```sql\n{BY_TEAM} ORDER BY team;\n```\n",
        "```sql\nSELECT team, sum(pay), 1 FROM staff GROUP BY team\n```",
        "```sql\nSELECT team FROM GROUP\n```",
        "```sql\nDROP TABLE staff\n```",
        "I cannot help with that.",
    ]
    items = [Scorable(str(at), message, answer, verifier) for at, answer in enumerate(answers)]
    scores = list(score(items, workers=1))
    assert [(each.outcome, each.reason.partition(":")[0]) for each in scores] == [
        ("pass", "passed"),
        ("fail", "output_differs"),
        ("fail", "syntax_error"),
        ("fail", "forbidden"),
        ("fail", "syntax_error"),
    ]
    faulty = Scorable("t", message, answers[0], SqlAnswer(setup="", query=BY_TEAM))
    assert next(iter(score([faulty], workers=1))).outcome == "infra"


def test_without_namespaces_queries_are_judged_all_the_same() -> None:
    found = isolation()
    layers = from_probe(
        {
            name: "switched off" if name == "user_namespace" else found.missing.get(name, "")
            for name in found.layers
        }
    )
    if layers.level.rank < Level.SECCOMP.rank:
        pytest.skip(f"this machine gives {layers.level.value} without namespaces")
    verifier = SqlAnswer(setup=SETUP, query=BY_TEAM)
    codes = {"q": "passed", "f": "forbidden"}
    programs = [
        Program(id="q", code=BY_TEAM, verifier=verifier),
        Program(id="f", code="SELECT * FROM read_text('/etc/passwd')", verifier=verifier),
    ]
    with Grader(workers=1, layers=layers) as grader:
        assert {result.id: result.code for result in grader.grade(programs)} == codes
