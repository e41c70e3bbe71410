"""Opening the queue's database: one URL, SQLite or Postgres, the same transactions on both.

A writing transaction in SQLite begins with ``BEGIN IMMEDIATE`` (a plain ``BEGIN`` fails when it
turns into a writer while another one writes), and writers of one process wait for each other in a
lock instead of polling the file. A transaction is durable when ``writing`` returns. What this
module does not do: know what is stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from ..errors import BadInput, Infrastructure
from ..store.files import private_file
from . import schema

ENVIRONMENT = "SENTINEL_DATABASE_URL"
_MIGRATING = 0x53454E54
"""Postgres advisory lock: one process migrates at a time."""


class Database:
    """The queue's database, migrated to the newest schema on opening."""

    def __init__(self, url: str, *, pool_size: int = 24) -> None:
        """
        Raises:
            BadInput: the URL is not one, or names another kind of database.
            Infrastructure: the database cannot be reached, or was written by a newer version of
                this package.
        """
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        self.engine = self._open(pool_size)
        try:
            self._migrate()
        except OperationalError as error:
            raise Infrastructure(
                f"the review database cannot be opened: {_first_line(error)}"
            ) from error

    def _open(self, pool_size: int) -> Engine:
        if not self.is_sqlite:
            return create_engine(self.url, pool_size=pool_size, pool_pre_ping=True)
        if self.url.database and not self.url.database.startswith((":", "file:")):
            private_file(Path(self.url.database))
        engine = create_engine(
            self.url, pool_size=pool_size, connect_args={"timeout": 60, "check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _migrate(self) -> None:
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            version = schema.current_version(connection)
            if version > schema.LATEST:
                raise Infrastructure(
                    f"the review database has schema {version}, this version knows {schema.LATEST}: update the package."
                )
            schema.migrate(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that may write; committed and durable on a clean exit, else rolled back
        whole."""
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        with (
            self._writer,
            self.engine.connect().execution_options(immediate=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; writes nothing."""
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def insert_missing(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows whose keys are not there yet; returns how many were."""
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        statement: Any = sqlite.insert(table).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).on_conflict_do_nothing()
    counted = {"preserve_rowcount": True}
    return sum(
        int(connection.execute(statement.values(row), execution_options=counted).rowcount)
        for row in rows
    )


def upsert(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert ``row``, or give the row of its primary key the other values."""
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    statement: Any = (
        (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table).values(row)
    )
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def database_url(default: Path) -> str:
    """``SENTINEL_DATABASE_URL``, else a SQLite file at ``default``."""
    return os.environ.get(ENVIRONMENT) or f"sqlite:///{default}"


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        backend = ""
    if backend == "sqlite":
        return parsed
    if backend not in ("postgresql", "postgres"):
        fix = "Expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH."
        raise BadInput("unknown kind of database URL.", field=ENVIRONMENT, fix=fix)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise Infrastructure(
            "Postgres needs psycopg: pip install 'sentinel-pipeline[postgres]'."
        ) from error
    return parsed.set(drivername="postgresql+psycopg")


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = wal",
        "synchronous = full",
        "foreign_keys = on",
        "cache_size = -65536",
    ):
        cursor.execute(f"pragma {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("begin immediate" if immediate else "begin")


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig else "unknown"
