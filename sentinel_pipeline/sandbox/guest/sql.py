"""Running one SQL query: DuckDB in memory, opened before the process is locked down and inherited
by every sample.

The database has no thread of its own, so that a fork takes all of it along, and no way outside: no
files, no extensions, no names of Python. A sample fills the tables, locks the settings and runs one
query in a read-only transaction. What this module does not do: know the gold query's rows, or
compare any.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import sys
from types import ModuleType
from typing import Any, NoReturn

from . import codec
from .sample import Sample

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "async_threads": 0,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
}
_SETTINGS = (
    "SET temp_directory = ''",
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
)
_WARM = (
    "CREATE TEMP TABLE warm AS SELECT i, i::VARCHAR AS s, i::DECIMAL(9, 2) AS d, DATE '2020-01-01' + i::INT AS day "
    "FROM range(100) r(i)",
    "WITH g AS (SELECT s[:1] AS k, count(*) AS n, avg(d) AS a, max(day) AS m FROM warm GROUP BY ALL HAVING n > 1) "
    "SELECT g.*, row_number() OVER (ORDER BY a DESC) FROM g JOIN warm w ON g.k = w.s ORDER BY 1 LIMIT 5",
    "DROP TABLE warm",
)
"""What many queries do, done once before any fork."""
_KEPT_MIB = 160
"""Address space that the interpreter and DuckDB's code take; the rest of the program's memory is
the query's."""
_LEAST_MIB = 16
_ROWS = 128
"""Rows in one frame."""
_MESSAGE_CHARS = 300
_QUERIES = {"SELECT", "MULTI"}
"""``MULTI`` is what DuckDB calls a PIVOT that looks its columns up first. It can hold a CREATE
around it: what that could change, the read-only transaction and the locked settings refuse, and a
temporary table ends with the process."""
_REFUSALS = ("read-only mode", "configuration has been locked")


class Engine:
    """DuckDB, ready to be forked.

    Raises:
        ImportError: ``packages`` is not the folder that has DuckDB.
    """

    def __init__(self, packages: str) -> None:
        sys.modules["pytz"] = _only_utc()
        for name in ("decimal", "uuid"):
            importlib.import_module(name)
        sys.path.append(packages)
        import duckdb

        sys.path.remove(packages)
        self.duckdb, self.connection = duckdb, duckdb.connect(":memory:", config=_CONFIG)
        for statement in (*_SETTINGS, *_WARM):
            self.connection.execute(statement).fetchall()

    def run_batch(
        self, code: bytes, requests: list[bytes], out: int, output_bytes: int
    ) -> NoReturn:
        """In the sample: set up, run the query, write its rows, die."""
        answers = Sample(out, output_bytes)
        task = json.loads(requests[0])
        try:
            run = self.connection.execute
            run(f"SET memory_limit = '{max(_LEAST_MIB, task['memory_mib'] - _KEPT_MIB)}MiB'")
            run("SELECT setseed(0.5)").fetchall()
            if task["setup"].strip():
                run(task["setup"])
            run("SET lock_configuration = true")
            self._query(str(code, "utf-8", "replace"), task["seed"], answers)
        except Exception as error:
            answers.send(self._failure(error))
        os._exit(0)

    def _query(self, text: str, seed: float, answers: Sample) -> None:
        statements = self.connection.extract_statements(text)
        if not statements:
            raise _Refused("syntax_error", "no statement")
        if len(statements) > 1:
            raise _Refused("forbidden", f"{len(statements)} statements, one query is asked for")
        kind = statements[0].type.name
        if kind not in _QUERIES:
            raise _Refused("forbidden", f"a statement of type {kind}, only queries are allowed")
        self.connection.execute("BEGIN TRANSACTION READ ONLY")
        self.connection.execute("SELECT setseed(?)", [seed]).fetchall()
        result = self.connection.execute(statements[0])
        answers.send({"columns": len(result.description)})
        while rows := result.fetchmany(_ROWS):
            answers.send({"rows": [codec.pack(list(row), str) for row in rows]})
        answers.send({"end": True})

    def _failure(self, error: Exception) -> dict[str, Any]:
        message = " ".join(str(error).partition("\n\nLINE ")[0].split())[:_MESSAGE_CHARS]
        return {"x": self._code(error, message), "m": message}

    def _code(self, error: Exception, message: str) -> str:
        errors = self.duckdb
        if isinstance(error, _Refused):
            return error.code
        if isinstance(error, (MemoryError, errors.OutOfMemoryException)):
            return "memory"
        if isinstance(error, errors.PermissionException) or any(
            text in message for text in _REFUSALS
        ):
            return "forbidden"
        return "syntax_error" if isinstance(error, errors.ParserException) else "exception"


class _Refused(Exception):
    """Not run: one code of the outcomes and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Utc(datetime.tzinfo):
    """What DuckDB asks of a time zone to make a point in time."""

    def localize(self, moment: datetime.datetime) -> datetime.datetime:
        return moment.replace(tzinfo=self)

    def utcoffset(self, _moment: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)

    dst = utcoffset

    def tzname(self, _moment: datetime.datetime | None) -> str:
        return "UTC"


def _only_utc() -> ModuleType:
    """DuckDB imports ``pytz`` to hand out points in time; every one is handed out in UTC, whatever
    the session's zone."""
    module = ModuleType("pytz")
    vars(module).update(timezone=lambda _name: _Utc(), utc=_Utc(), UnknownTimeZoneError=KeyError)
    return module
