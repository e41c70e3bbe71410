"""The outbox: every alert ever raised and to whom it was delivered, in SQLite.

An alert is added once by its key. A delivery is claimed for a minute before it is tried, so that
two deliverers do not both send it; one that fails is tried again later, ever more seldom, until it
is delivered. A deliverer that dies between the sending and its note sends once more: at least once,
never lost. What this module does not do: send anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ..records.alert import Alert
from .files import private_file

CLAIM_S = 60.0
FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 3600.0
_SCHEMA = """
create table if not exists alerts (
    key text primary key, kind text not null, recipe text not null, title text not null, body text not null,
    link text not null, created_at real not null
);
create table if not exists deliveries (
    key text not null references alerts (key), channel text not null, attempts integer not null default 0,
    next_at real not null, delivered_at real, error text, primary key (key, channel)
);
"""


class Delivery(NamedTuple):
    """One alert on its way to one channel; times are seconds since 1970."""

    alert: Alert
    channel: str
    attempts: int
    next_at: float
    """When it is tried next, or its claim runs out."""
    delivered_at: float | None
    error: str | None


class Outbox:
    """The alerts in one database file, made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that takes the writer's lock first: SQLite never deadlocks two of
        these."""
        private_file(self.path)
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("pragma journal_mode = wal")
            connection.executescript(_SCHEMA)
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")
        finally:
            connection.close()

    def add(self, alert: Alert, channels: Sequence[str], now: float) -> bool:
        """Keep an alert and queue it for ``channels``; False, and nothing done, when its key is
        known."""
        with self._write() as connection:
            values = {**asdict(alert), "created_at": now}
            added = connection.execute(
                "insert into alerts values (:key, :kind, :recipe, :title, :body, :link, :created_at) on conflict do nothing",
                values,
            ).rowcount
            if added:
                connection.executemany(
                    "insert into deliveries (key, channel, next_at) values (?, ?, ?)",
                    [(alert.key, channel, now) for channel in channels],
                )
        return bool(added)

    def claim(self, now: float, limit: int = 20) -> list[Delivery]:
        """Deliveries that are due, oldest first, claimed for ``CLAIM_S`` seconds.

        Nothing is put off for longer than an hour: what is later than that was put off before the
        clock was set back.
        """
        with self._write() as connection:
            due = connection.execute(
                "update deliveries set next_at = ?1 + ?2, attempts = attempts + 1 where (key, channel) in (select key, channel "
                "from deliveries where delivered_at is null and (next_at <= ?1 or next_at > ?1 + ?4) order by next_at limit ?3) "
                "returning *",
                (now, CLAIM_S, limit, LONGEST_RETRY_S),
            ).fetchall()
            return [self._delivery(connection, row) for row in due]

    def delivered(self, delivery: Delivery, now: float) -> None:
        self._note(delivery, "delivered_at = ?3, error = null", now)

    def failed(self, delivery: Delivery, error: str, now: float) -> None:
        """Note why, and when it is tried again: after 10 s, twice that, …, at most an hour."""
        wait = min(FIRST_RETRY_S * 2.0 ** min(delivery.attempts - 1, 20), LONGEST_RETRY_S)
        self._note(delivery, "next_at = ?3, error = ?4", now + wait, error)

    def _note(self, delivery: Delivery, change: str, *values: float | str) -> None:
        with self._write() as connection:
            connection.execute(
                f"update deliveries set {change} where key = ?1 and channel = ?2",
                (delivery.alert.key, delivery.channel, *values),
            )

    def alerts(self) -> list[tuple[float, Alert]]:
        """Every alert with when it was raised, oldest first."""
        with self._write() as connection:
            rows = connection.execute("select * from alerts order by created_at, key").fetchall()
        return [(row["created_at"], _alert(row)) for row in rows]

    def deliveries(self) -> list[Delivery]:
        with self._write() as connection:
            rows = connection.execute("select * from deliveries order by key, channel").fetchall()
            return [self._delivery(connection, row) for row in rows]

    @staticmethod
    def _delivery(connection: sqlite3.Connection, row: sqlite3.Row) -> Delivery:
        alert = connection.execute("select * from alerts where key = ?", (row["key"],)).fetchone()
        return Delivery(
            _alert(alert), row["channel"], *(row[name] for name in Delivery._fields[2:])
        )


def _alert(row: sqlite3.Row) -> Alert:
    return Alert(**{name: row[name] for name in ("key", "kind", "recipe", "title", "body", "link")})
