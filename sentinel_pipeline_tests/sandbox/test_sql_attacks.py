"""Hostile queries: what they try is refused by name, nothing of it is left, and the worker goes
on."""

# ruff: noqa: E501

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sentinel_pipeline.records import SqlAnswer
from sentinel_pipeline.sandbox import Grader, Limits, Outcome, Program
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.sandbox.conftest import Grade

SETUP = "CREATE TABLE t (i INT, s VARCHAR); INSERT INTO t VALUES (1, 'one'), (2, 'two'); CREATE SEQUENCE ids; CREATE TEMP TABLE own (i INT)"
GOLD = "SELECT i, 'answer-' || s FROM t"
"""No query below gives these rows."""
LIMITS = Limits(cpu_seconds=1.0, wall_seconds=10.0)

OUTSIDE = {
    "read_csv": "SELECT * FROM read_csv('/etc/passwd')",
    "read_text": "SELECT * FROM read_text('/etc/passwd')",
    "read_blob": "SELECT * FROM read_blob('/proc/self/mem')",
    "read_json": "SELECT * FROM read_json('/etc/passwd')",
    "parquet": "SELECT * FROM parquet_scan('/tmp/x')",
    "sniff": "SELECT * FROM sniff_csv('/etc/passwd')",
    "glob": "SELECT * FROM glob('/**')",
    "the checkout": f"SELECT * FROM read_text('{ROOT}/pyproject.toml')",
    "own memory": "SELECT * FROM read_text('/proc/self/maps')",
    "own environment": "SELECT * FROM read_text('/proc/self/environ')",
    "http": "SELECT * FROM read_csv('http://127.0.0.1:22/x.csv')",
    "s3": "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "secrets": "SELECT * FROM duckdb_secrets()",
    "extensions": "SELECT * FROM duckdb_extensions()",
    "query in a query": "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "serialized query": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''/etc/passwd'')'))",
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_can_be_read(sql: Grade, name: str) -> None:
    result = sql(OUTSIDE[name], GOLD, SETUP, limits=LIMITS)
    assert (result.outcome, result.code) == (Outcome.FAIL, "forbidden"), result.reason
    assert "disabled by configuration" in result.detail


UNKNOWN = {
    "a path as a table": "SELECT * FROM '/etc/passwd'",
    "environment": "SELECT getenv('PATH')",
    "a variable of Python": "SELECT * FROM answers",
    "a module of Python": "SELECT * FROM task",
    "spatial": "SELECT * FROM st_read('/etc/passwd')",
    "postgres": "SELECT * FROM postgres_query('x', 'SELECT 1')",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_does_not_exist_says_so(sql: Grade, name: str) -> None:
    result = sql(UNKNOWN[name], GOLD, SETUP, limits=LIMITS)
    assert (result.outcome, result.code) == (Outcome.FAIL, "exception"), result.reason
    assert result.detail.startswith(("Catalog Error", "Binder Error")), result.reason


STATEMENTS = {
    "insert": ("INSERT INTO t VALUES (3, 'x') RETURNING i, s", "INSERT"),
    "update": ("UPDATE t SET s = 'answer-' || s", "UPDATE"),
    "delete": ("DELETE FROM t", "DELETE"),
    "drop": ("DROP TABLE t", "DROP"),
    "create": ("CREATE TABLE u AS SELECT 1", "CREATE"),
    "create a macro": ("CREATE MACRO sum(x) AS 1", "CREATE"),
    "create a secret": ("CREATE SECRET s (TYPE s3)", "CREATE"),
    "copy to": ("COPY t TO '/tmp/x.csv'", "COPY"),
    "copy from": ("COPY t FROM '/etc/passwd'", "COPY"),
    "export": ("EXPORT DATABASE '/tmp/x'", "EXPORT"),
    "import": ("IMPORT DATABASE '/tmp/x'", "PRAGMA"),
    "attach": ("ATTACH '/tmp/x.db' AS x", "ATTACH"),
    "attach memory": ("ATTACH ':memory:' AS x", "ATTACH"),
    "detach": ("DETACH memory", "DETACH"),
    "use": ("USE memory.main", "SET"),
    "install": ("INSTALL httpfs", "LOAD"),
    "load": ("LOAD '/tmp/x.duckdb_extension'", "LOAD"),
    "pragma": ("PRAGMA database_list", "PRAGMA"),
    "pragma that sets": ("PRAGMA memory_limit = '100GB'", "SET"),
    "set": ("SET enable_external_access = true", "SET"),
    "reset": ("RESET lock_configuration", "SET"),
    "set a variable": ("SET VARIABLE x = 1", "SET"),
    "call": ("CALL enable_logging()", "CALL"),
    "checkpoint": ("CHECKPOINT", "CALL"),
    "begin": ("BEGIN", "TRANSACTION"),
    "commit": ("COMMIT", "TRANSACTION"),
    "prepare": ("PREPARE p AS SELECT 1", "PREPARE"),
    "execute": ("EXECUTE p", "EXECUTE"),
    "explain": ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
    "vacuum": ("VACUUM", "VACUUM"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_only_queries_are_run(sql: Grade, name: str) -> None:
    statement, kind = STATEMENTS[name]
    result = sql(statement, GOLD, SETUP, limits=LIMITS)
    assert (result.outcome, result.code) == (Outcome.FAIL, "forbidden"), result.reason
    assert result.detail == f"a statement of type {kind}, only queries are allowed"


SEVERAL = {
    "two": ("SELECT 1; SELECT i, s FROM t", 2),
    "hidden by a comment": ("SELECT 1 -- ;\n; /* ; */ DROP TABLE t", 2),
    "hidden in white space": ("SELECT 1;\n\n\t ;;; \n COMMIT;", 2),
    "out of the transaction": ("COMMIT; INSERT INTO t VALUES (3, 'x'); SELECT i, s FROM t", 3),
    "dollar quotes": ("SELECT $$;$$; SELECT $a$;$a$", 2),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_one_statement_is_asked_for(sql: Grade, name: str) -> None:
    text, count = SEVERAL[name]
    result = sql(text, GOLD, SETUP, limits=LIMITS)
    assert (result.outcome, result.reason) == (
        Outcome.FAIL,
        f"forbidden: {count} statements, one query is asked for",
    )


WRITES = {
    "insert in a common table": "WITH a AS (INSERT INTO t VALUES (3, 'x') RETURNING i, s) SELECT * FROM a",
    "update in a common table": "WITH a AS (UPDATE t SET s = 'answer-' || s RETURNING i, s) SELECT * FROM a",
    "delete in a common table": "WITH a AS (DELETE FROM t RETURNING i, s) SELECT * FROM a",
    "create around a pivot": "CREATE TABLE u AS PIVOT t ON s",
    "copy of a pivot": "COPY (PIVOT t ON s) TO '/tmp/x.csv'",
}


@pytest.mark.parametrize("name", WRITES)
def test_the_tables_cannot_be_written(sql: Grade, name: str) -> None:
    result = sql(WRITES[name], GOLD, SETUP, limits=LIMITS)
    assert (result.outcome, result.code) == (Outcome.FAIL, "forbidden"), result.reason
    assert (
        sql("SELECT count(*), min(s), max(s) FROM t", "SELECT 2, 'one', 'two'", SETUP).code
        == "passed"
    )


BOMBS = {
    "endless recursion": ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r", {"timeout", "memory"}),
    "recursion that doubles": ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + x FROM r, (VALUES (1), (2)) v(x)) SELECT count(*) FROM r", {"timeout", "memory"}),
    "range": ("SELECT count(*) FROM range(1000000000000)", {"timeout"}),
    "cross joins": ("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b, range(1000000) c", {"timeout"}),
    "sorted cross join": ("SELECT * FROM range(1000000) a, range(1000000) b ORDER BY 2", {"memory", "timeout"}),
    "grouped cross join": ("SELECT a.range + b.range * 1000000, count(*) FROM range(1000000) a, range(1000000) b GROUP BY 1", {"memory", "timeout"}),
    "long text": ("SELECT repeat('x', 10000000000)", {"memory", "exception"}),
    "text that doubles": ("WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r", {"memory", "timeout"}),
    "long list": ("SELECT list(repeat('y', 100)) FROM range(100000000)", {"memory", "timeout"}),
    "range as a list": ("SELECT range(10000000000)", {"memory", "exception"}),
    "regular expression": ("SELECT count(*) FROM range(100000000) r(i) WHERE regexp_matches(repeat('a', 5000) || i, '(a+)+$')", {"timeout"}),
    "ten million rows": ("SELECT i, 'answer-' || i FROM range(10000000) r(i)", {"output_limit"}),
    "one wide cell": ("SELECT repeat('x', 10000000)", {"output_limit"}),
    "many columns": (f"SELECT {', '.join(['i'] * 20000)} FROM range(100) r(i)", {"output_limit", "timeout", "memory"}),
    "deep parentheses": (f"SELECT {'(' * 20000}1{')' * 20000}", {"syntax_error"}),
    "deep calls": (f"SELECT {'abs(' * 900}1{')' * 900}", {"output_differs", "exception", "syntax_error"}),
    "deep subqueries": (f"SELECT * FROM {'(SELECT * FROM ' * 500}t{')' * 500}", {"output_differs", "exception", "syntax_error", "timeout", "crash"}),
    "deep lists": (f"SELECT {'[' * 300}1{']' * 300}", {"output_differs", "exception", "syntax_error"}),
    "long chain of unions": (" UNION ALL ".join(["SELECT 1"] * 20000), {"output_differs", "exception", "syntax_error", "timeout", "crash", "memory"}),
    "sleep": ("SELECT sleep_ms(100000)", {"timeout"}),
    "wide integers": ("SELECT 10000000000000000000000000000000000000::HUGEINT * 1000", {"exception"}),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_by_their_limit_and_the_worker_goes_on(sql: Grade, name: str) -> None:
    query, codes = BOMBS[name]
    result = sql(query, GOLD, SETUP, limits=Limits(cpu_seconds=1.0, wall_seconds=2.0))
    assert result.outcome in (Outcome.FAIL, Outcome.TIMEOUT)
    assert result.code in codes, result.reason
    assert result.cpu_seconds < 1.5
    assert sql(GOLD, GOLD, SETUP).code == "passed"


SEARCHES = {
    "catalog": "SELECT table_name, sql FROM duckdb_tables() UNION ALL SELECT view_name, sql FROM duckdb_views()",
    "settings": "SELECT name, value FROM duckdb_settings()",
    "variables": "SELECT name, value::VARCHAR FROM duckdb_variables()",
    "prepared": "SELECT name, statement FROM duckdb_prepared_statements()",
    "logs": "SELECT type, message FROM duckdb_logs",
    "temporary files": "SELECT path, size::VARCHAR FROM duckdb_temporary_files()",
    "databases": "SELECT database_name, path FROM duckdb_databases()",
}


@pytest.mark.parametrize("name", SEARCHES)
def test_the_gold_query_is_not_there_to_be_found(sql: Grade, name: str) -> None:
    """A query that finds the gold query's text gives the rows of this test's gold: none may."""
    found = f"SELECT count(*) FROM ({SEARCHES[name]}) f WHERE f::VARCHAR ILIKE '%answer-%' AND f::VARCHAR NOT ILIKE '%ILIKE%'"
    gold = "SELECT 'answer-' || count(*) FROM t"
    assert sql(found, "SELECT 0", SETUP).reason == "passed"
    assert sql(SEARCHES[name], gold, SETUP, limits=LIMITS).code in {"output_differs", "forbidden"}


def test_nothing_of_one_query_is_there_for_the_next(grader: Grader) -> None:
    verifier = SqlAnswer(setup=SETUP, query=GOLD)
    first = SqlAnswer(
        setup="CREATE TABLE secret AS SELECT 42 AS x; SET VARIABLE kept = 7; SET TimeZone = 'Asia/Tokyo'",
        query="FROM secret",
    )
    left = SqlAnswer(
        setup="",
        query="SELECT 0, 'UTC', NULL, 0",
    )
    looks = "SELECT (SELECT count(*) FROM duckdb_tables()), current_setting('TimeZone'), getvariable('kept'), (SELECT count(*) FROM duckdb_sequences())"
    programs = [
        Program(id="0", code="FROM secret", verifier=first),
        Program(id="1", code="SELECT nextval('ids'), i FROM t", verifier=verifier),
        Program(id="2", code="SELECT repeat('x', 100000000)", verifier=verifier, limits=LIMITS),
        Program(id="3", code=looks, verifier=left),
        Program(id="4", code="FROM secret", verifier=left),
        Program(id="5", code=GOLD, verifier=verifier),
    ]
    results = list(grader.grade(programs))
    assert [result.code for result in results][:1] == ["passed"]
    assert results[3].reason == "passed"
    assert results[4].reason.startswith(
        "exception: Catalog Error: Table with name secret does not exist!"
    )
    assert results[5].reason == "passed"


def test_no_file_is_left_anywhere(sql: Grade, tmp_path: Path) -> None:
    before = sorted(os.listdir("/tmp"))
    for query in (
        f"COPY t TO '{tmp_path}/x.csv'",
        f"COPY (PIVOT t ON s) TO '{tmp_path}/y.csv'",
        "SELECT * FROM range(1000000) a, range(1000000) b ORDER BY 2",
    ):
        assert sql(query, GOLD, SETUP, limits=LIMITS).code in {"forbidden", "memory", "timeout"}
    assert sorted(os.listdir(tmp_path)) == []
    assert not [
        name for name in sorted(os.listdir("/tmp")) if name not in before and "duckdb" in name
    ]


def test_results_of_hostile_queries_are_the_same_each_time(grader: Grader) -> None:
    verifier = SqlAnswer(setup=SETUP, query=GOLD)
    queries = [*OUTSIDE.values(), *WRITES.values(), *(text for text, _ in STATEMENTS.values())]
    runs = [
        [
            result.reason
            for result in grader.grade(
                [
                    Program(id=str(at), code=text, verifier=verifier)
                    for at, text in enumerate(queries)
                ]
            )
        ]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert "passed" not in runs[0]
