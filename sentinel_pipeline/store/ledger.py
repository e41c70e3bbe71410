"""The gate ledger: every verdict, kept for good, under what was judged, by which scorer and which
policy.

This is the gate. Dagster's blocking checks fence one run only; whoever trains, releases or serves
asks here, and goes on only with a passing verdict for exactly this content, this scorer version and
this policy. SQLite in WAL mode: several processes write at once; a verdict is durable before
``record`` returns.

Verdicts, decisions and people's marks of artifacts are linked in a hash chain (``chain``) in the
transaction that records them. A record that was changed since lets nothing go on.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import GateRefused, Infrastructure
from ..records import GateVerdict, Interval
from ..records.decision_spec import GOING_ON, Decision
from ..records.mark import Mark
from ..records.verdict import VerdictKey
from .chain import ADOPTED, ChainState, Link, check_chain, holds, next_link
from .files import private_file

PATIENCE_S = 30.0
"""How long a writer waits for another one."""
_SCHEMA = """
create table if not exists verdicts (
    id integer primary key,
    recorded_at text not null,
    recipe text not null,
    run_id text not null,
    name text not null,
    subject text not null,
    subject_hash text not null,
    verdict text not null check (verdict in ('pass', 'fail', 'inconclusive')),
    measured real,
    threshold real not null,
    n integer not null,
    low real, high real, level real,
    reason text not null,
    scorer_version text not null,
    policy_hash text not null,
    suite_file text,
    against_hash text,
    checkpoint_hash text not null default '',
    suite_hash text not null default '',
    decoding text not null default '',
    look integer not null default 1
);
create index if not exists verdicts_by_subject on verdicts (name, subject_hash);
create table if not exists decisions (
    id integer primary key,
    recorded_at text not null,
    recipe text not null,
    run_id text not null,
    subject_hash text not null,
    decision text not null
);
create index if not exists decisions_by_subject on decisions (subject_hash);
create table if not exists marks (
    id integer primary key,
    recorded_at text not null,
    artifact text not null,
    content_hash text not null,
    state text not null check (state in ('archived', 'superseded', 'active')),
    reason text not null,
    marked_by text not null,
    replaced_by text not null
);
create table if not exists chain (
    seq integer primary key,
    kind text not null,
    record integer not null,
    at text not null,
    previous text not null,
    hash text not null
);
create index if not exists chain_by_record on chain (record, kind);
"""
_TABLES = {"verdict": "verdicts", "decision": "decisions", "mark": "marks"}
_CHAINED = {
    "verdict": (
        "id", "recorded_at", "recipe", "run_id", "name", "subject", "subject_hash", "verdict", "measured", "threshold", "n",
        "low", "high", "level", "reason", "scorer_version", "policy_hash", "suite_file", "against_hash", "checkpoint_hash",
        "suite_hash", "decoding", "look",
    ),
    "decision": ("id", "recorded_at", "recipe", "run_id", "subject_hash", "decision"),
    "mark": ("id", "recorded_at", "artifact", "content_hash", "state", "reason", "marked_by", "replaced_by"),
}  # fmt: skip
"""What the chain's hashes are over, for good: a column that comes later needs another kind."""


_LATER = {
    "against_hash": "text",
    "checkpoint_hash": "text not null default ''",
    "suite_hash": "text not null default ''",
    "decoding": "text not null default ''",
    "look": "integer not null default 1",
    "suite_file": "text",
}
"""Columns of ``verdicts`` that a ledger of an earlier version lacks."""


OLD_AFTER = dt.timedelta(days=90)
"""A verdict, licence or signature that was given longer ago is shown as old: scorers, judges and
people have seen other things since."""


class Entry(NamedTuple):
    """A verdict as it was recorded; ``recorded_at`` is UTC, ISO 8601."""

    verdict: GateVerdict
    recorded_at: str
    recipe: str
    run_id: str

    @property
    def age(self) -> dt.timedelta:
        return dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(self.recorded_at)

    @property
    def old(self) -> bool:
        return self.age > OLD_AFTER

    @property
    def note(self) -> str:
        """`` (old: decided 91 days ago)``, empty where it is not old: what stands behind a reason
        wherever one is shown."""
        return f" (old: decided {self.age.days} days ago)" if self.old else ""


class Ledger:
    """The verdicts in one database file, made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """
        Raises:
            Infrastructure: the file stayed locked, its disk is full, or it is damaged: nothing was
                decided or recorded.
        """
        try:
            private_file(self.path)
            with closing(
                sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
            ) as connection:
                connection.row_factory = sqlite3.Row
                # Write-ahead logging; while processes turn a new file to it at once, SQLite says
                # "locked" without waiting: then again.
                deadline = time.monotonic() + PATIENCE_S
                while connection.execute("pragma journal_mode").fetchone()[0] != "wal":
                    try:
                        connection.execute("pragma journal_mode = wal")
                    except sqlite3.OperationalError:
                        if time.monotonic() > deadline:
                            raise
                        time.sleep(0.02)
                connection.execute("pragma synchronous = full")
                connection.executescript(_SCHEMA)
                # A ledger of an earlier version is kept and gets the columns that came later; two
                # processes may try at once.
                columns = {row["name"] for row in connection.execute("pragma table_info(verdicts)")}
                for name, kind in _LATER.items():
                    if name not in columns:
                        with suppress(sqlite3.OperationalError):
                            connection.execute(f"alter table verdicts add column {name} {kind}")
                yield connection
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.DatabaseError, OSError, UnicodeDecodeError) as error:
            raise Infrastructure(
                f"the ledger {self.path} cannot be used: {error}. Fix that, then run again."
            ) from error

    def _select(self, query: str, *values: str | None) -> list[sqlite3.Row]:
        with self._connect() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _appending(self, kind: str) -> Iterator[sqlite3.Connection]:
        """One transaction that takes the writer's lock first; what is inserted within is linked
        before it ends."""
        with self._connect() as connection:
            connection.execute("begin immediate")
            try:
                row = connection.execute("select * from chain order by seq desc limit 1").fetchone()
                newest = Link(*row) if row else None
                now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
                if newest is None:
                    # A ledger of an earlier version: what is there already is taken in first.
                    for old in _TABLES:
                        for content in _contents(connection, old):
                            newest = _append(connection, newest, ADOPTED + old, now, content)
                yield connection
                (added,) = _contents(connection, kind, "id = last_insert_rowid()")
                _append(connection, newest, kind, now, added)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
            connection.execute("commit")

    def check(self, *, head: str | None = None) -> ChainState:
        """Walk the chain of everything that was recorded; nothing is written. ``head`` is one that
        was kept elsewhere, which the chain must go through."""
        name = self.path.name
        if not self.path.is_file():
            return check_chain(name, (), lambda *_: None, (), head=head)
        try:
            uri = f"{self.path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE_S)) as connection:
                connection.row_factory = sqlite3.Row
                # Bytes that are no text must not hide a record.
                connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
                connection.execute("begin")
                tables = {row[0] for row in connection.execute("select name from sqlite_master")}
                kinds = [kind for kind, table in _TABLES.items() if table in tables]
                numbers = {
                    (kind, row[0])
                    for kind in kinds
                    for row in connection.execute(f"select id from {_TABLES[kind]} not indexed")
                }
                links = (
                    (Link(*row) for row in connection.execute("select * from chain order by seq"))
                    if "chain" in tables
                    else ()
                )

                def content_of(kind: str, record: int) -> dict[str, Any] | None:
                    if kind not in kinds:
                        return None
                    return next(_contents(connection, kind, "id = ?", record), None)

                state = check_chain(name, links, content_of, numbers, head=head)
                if state.broken is None:
                    # An index that leads elsewhere would answer with another record.
                    (word,) = connection.execute("pragma integrity_check(1)").fetchone()
                    if word != "ok":
                        state = state._replace(broken=f"the file is damaged: {word}")
                return state
        except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as error:
            return ChainState(name, 0, 0, 0, None, "", f"the file cannot be read: {error}")

    def _unchanged(self, kind: str, record: int) -> None:
        """
        Raises:
            Infrastructure: a record is not what was recorded.
        """
        with self._connect() as connection:
            if not connection.execute("select 1 from chain limit 1").fetchone():
                return
            row = connection.execute(
                "select * from chain where record = ? and kind in (?, ?)",
                (record, kind, ADOPTED + kind),
            ).fetchone()
            content = next(_contents(connection, kind, "id = ?", record), None)
        if row is None or not holds(Link(*row), content):
            problem = "was changed since it was recorded" if row else "is not in the ledger's chain"
            raise Infrastructure(
                f"{kind} {record} of {self.path} {problem}: it decides nothing. Look at "
                "`sentinel verify`, then decide again: run its asset check."
            )

    def record(self, verdict: GateVerdict, *, recipe: str, run_id: str) -> None:
        """Append a verdict; durable on return."""
        low, high, level = verdict.interval or (None, None, None)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        values = (
            now, recipe, run_id, verdict.name, verdict.subject, verdict.subject_hash, verdict.verdict, verdict.measured,
            verdict.threshold, verdict.n, low, high, level, verdict.reason, verdict.scorer_version, verdict.policy_hash,
            verdict.against_hash, verdict.checkpoint_hash, verdict.suite_hash, verdict.decoding, verdict.look,
            verdict.suite_file,
        )  # fmt: skip
        marks = ", ".join("?" * len(values))
        columns = (
            "recorded_at, recipe, run_id, name, subject, subject_hash, verdict, measured, threshold, n, low, high, level, "
            "reason, scorer_version, policy_hash, against_hash, checkpoint_hash, suite_hash, decoding, look, suite_file"
        )
        with self._appending("verdict") as connection:
            connection.execute(f"insert into verdicts ({columns}) values ({marks})", values)

    def verdicts(
        self, *, recipe: str | None = None, run_id: str | None = None
    ) -> list[GateVerdict]:
        """Verdicts, oldest first, of one recipe or run where named."""
        rows = self._select(
            "select * from verdicts where (?1 is null or recipe = ?1) "
            "and (?2 is null or run_id = ?2) order by id",
            recipe,
            run_id,
        )
        return [_verdict(row) for row in rows]

    def entries(self, *, recipe: str | None = None) -> list[Entry]:
        """Like ``verdicts``, each with when, and by which run, it was recorded."""
        rows = self._select(
            "select * from verdicts where ?1 is null or recipe = ?1 order by id", recipe
        )
        return [
            Entry(_verdict(row), row["recorded_at"], row["recipe"], row["run_id"]) for row in rows
        ]

    def nights(self, recipe: str) -> dict[str, list[tuple[dt.date, GateVerdict]]]:
        """For every gate of a recipe: the last verdict of each day (UTC), oldest first."""
        rows = self._select(
            "select * from verdicts where id in (select max(id) from verdicts where recipe = ? "
            "group by name, substr(recorded_at, 1, 10)) order by id",
            recipe,
        )
        nights: dict[str, list[tuple[dt.date, GateVerdict]]] = {}
        for row in rows:
            day = dt.date.fromisoformat(row["recorded_at"][:10])
            nights.setdefault(row["name"], []).append((day, _verdict(row)))
        return nights

    def latest(self, name: str, subject_hash: str) -> GateVerdict | None:
        """The newest verdict of gate ``name`` about this content, by whatever scorer and policy."""
        row = self._newest(name, subject_hash)
        return _verdict(row) if row else None

    def _newest(self, name: str, subject_hash: str) -> sqlite3.Row | None:
        query = (
            "select * from verdicts where name = ? and subject_hash = ? order by id desc limit 1"
        )
        rows = self._select(query, name, subject_hash)
        return rows[0] if rows else None

    def newest(self, name: str, subject_hash: str) -> Entry | None:
        """Like ``latest``, with when and by which run it was recorded."""
        query = (
            "select * from verdicts where name = ? and subject_hash = ? order by id desc limit 1"
        )
        rows = self._select(query, name, subject_hash)
        if not rows:
            return None
        row = rows[0]
        return Entry(_verdict(row), row["recorded_at"], row["recipe"], row["run_id"])

    def look(self, key: VerdictKey) -> int:
        """Which look at the same weights and items a decision for ``key`` is, counted from 1.

        Another report of the same weights (new draws), another policy and another report to
        compare with are further looks; the same decision taken again is not. A verdict on nothing
        was no look, nor was one by another scorer: the answers are scored again because the scorer
        changed.
        """
        if not key.checkpoint_hash:
            return 1
        rows = self._select(
            "select subject_hash, policy_hash, against_hash, min(id) from verdicts where name = ? "
            "and checkpoint_hash = ? and suite_hash = ? and scorer_version = ? and n > 0 "
            "group by subject_hash, policy_hash, against_hash order by min(id)",
            key.name,
            key.checkpoint_hash,
            key.suite_hash,
            key.scorer_version,
        )
        looks = [(row["subject_hash"], row["policy_hash"], row["against_hash"]) for row in rows]
        mine = (key.subject_hash, key.policy_hash, key.against_hash)
        return looks.index(mine) + 1 if mine in looks else len(looks) + 1

    def record_decision(self, decision: Decision, *, recipe: str, run_id: str) -> None:
        """Append a decision of the recipe's tree; durable on return."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        values = (now, recipe, run_id, decision.subject_hash, json.dumps(asdict(decision)))
        with self._appending("decision") as connection:
            connection.execute(
                "insert into decisions (recorded_at, recipe, run_id, subject_hash, decision) values (?, ?, ?, ?, ?)",
                values,
            )

    def decisions(self, *, recipe: str) -> list[Decision]:
        """A recipe's decisions, oldest first: the audit trail."""
        rows = self._select("select decision from decisions where recipe = ? order by id", recipe)
        return [_decision(row) for row in rows]

    def latest_decision(self, subject_hash: str) -> Decision | None:
        """The newest decision about this content."""
        row = self._newest_decision(subject_hash)
        return _decision(row) if row else None

    def _newest_decision(self, subject_hash: str) -> sqlite3.Row | None:
        query = "select id, decision from decisions where subject_hash = ? order by id desc limit 1"
        rows = self._select(query, subject_hash)
        return rows[0] if rows else None

    def follow(self, key: VerdictKey) -> Decision:
        """The decision about this content by this scorer and these rules, where it lets the next
        stage go on.

        Raises:
            GateRefused: it is missing, stale (another scorer, other rules), or says to stop or to
                investigate.
            Infrastructure: its record was changed since.
        """
        row = self._newest_decision(key.subject_hash)
        if row is None:
            raise GateRefused(
                f"nothing was decided about {key.subject} ({key.subject_hash[:12]}). Run its asset checks."
            )
        self._unchanged("decision", row["id"])
        decision = _decision(row)
        if (decision.scorer_version, decision.point_hash) != (key.scorer_version, key.policy_hash):
            raise GateRefused(
                f"the decision about {key.subject} is stale: scorer or rules changed. Run its asset checks again."
            )
        if decision.action not in GOING_ON:
            raise GateRefused(
                f"the decision about {key.subject} is to {decision.action}: {decision.reason}"
            )
        return decision

    def require(self, key: VerdictKey) -> GateVerdict:
        """The passing verdict that allows going on: of this gate about this content by this scorer
        and policy.

        Raises:
            GateRefused: the verdict is missing, stale (another scorer, policy, suite or report
                compared with), failed or inconclusive; says which and what to do. No evidence is
                never a pass.
            Infrastructure: its record was changed since, or was not made by ``record``.
        """
        row = self._newest(key.name, key.subject_hash)
        if row is None:
            raise GateRefused(
                f"gate {key.name} has no verdict on {key.subject} ({key.subject_hash[:12]}): no evidence is not a pass. "
                "Run its asset check."
            )
        self._unchanged("verdict", row["id"])
        newest = _verdict(row)
        if reason := newest.stale(key):
            again = replace(
                key,
                scorer_version=newest.scorer_version,
                checkpoint_hash="",
                suite_hash="",
                decoding="",
            )
            # Where only what was answered or scored differs, deciding again would not help.
            fix = "Run its asset check again." if newest.stale(again) else "Rebuild the report."
            if "the file of its suite" in reason:
                fix = "Rebuild the task bank and the report: run the recipe again."
            raise GateRefused(f"gate {key.name} on {key.subject} is stale: {reason}. {fix}")
        if newest.verdict != "pass":
            raise GateRefused(
                f"gate {key.name} on {key.subject}: {newest.verdict}. {newest.reason}"
            )
        return newest

    def record_mark(self, mark: Mark) -> None:
        """Append what a person says of an artifact; durable on return."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        values = (
            now, mark.artifact, mark.content_hash, mark.state, mark.reason, mark.marked_by,
            mark.replaced_by,
        )  # fmt: skip
        with self._appending("mark") as connection:
            connection.execute(
                "insert into marks (recorded_at, artifact, content_hash, state, reason, marked_by, replaced_by) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def marks(self) -> dict[str, Mark]:
        """The newest mark of every artifact that has one which is not undone, by the artifact's
        ``RECIPE/ASSET/RUN_ID``.

        Raises:
            Infrastructure: the record of one was changed since.
        """
        if not self.path.is_file():
            return {}
        newest = "select * from marks where id in (select max(id) from marks group by artifact)"
        with self._connect() as connection:
            rows = connection.execute(f"{newest} order by id").fetchall()
            query = "select * from chain where kind in ('mark', ?)"
            links = {
                row["record"]: Link(*row) for row in connection.execute(query, [f"{ADOPTED}mark"])
            }
        for row in rows:
            link = links.get(row["id"])
            if link is None or not holds(link, {name: row[name] for name in _CHAINED["mark"]}):
                raise Infrastructure(
                    f"mark {row['id']} of {self.path} was changed since it was recorded: it counts for "
                    "nothing. Look at `sentinel verify`, then mark the artifact again."
                )
        return {row["artifact"]: _mark(row) for row in rows if row["state"] != "active"}

    def mark_history(self) -> list[Mark]:
        """Every mark, oldest first, undone ones and undoings among them."""
        return [_mark(row) for row in self._select("select * from marks order by id")]


def _mark(row: sqlite3.Row) -> Mark:
    return Mark(**{part.name: row[part.name] for part in fields(Mark)})


def _contents(
    connection: sqlite3.Connection, kind: str, where: str = "true", *values: object
) -> Iterator[dict[str, Any]]:
    """What the chain's hash of a record is over, as the database holds it."""
    columns = ", ".join(_CHAINED[kind])
    query = f"select {columns} from {_TABLES[kind]} where {where} order by id"
    # All at once: links are written while old records are taken in.
    for row in connection.execute(query, values).fetchall():
        yield {name: row[name] for name in _CHAINED[kind]}


def _append(
    connection: sqlite3.Connection,
    newest: Link | None,
    kind: str,
    now: str,
    content: dict[str, Any],
) -> Link:
    link = next_link(newest, kind, content["id"], now, content)
    connection.execute("insert into chain values (?, ?, ?, ?, ?, ?)", link)
    return link


def _decision(row: sqlite3.Row) -> Decision:
    data = json.loads(row["decision"])
    return Decision(
        **{**data, "interval": Interval(*data["interval"]) if data["interval"] else None}
    )


def _verdict(row: sqlite3.Row) -> GateVerdict:
    interval = None if row["low"] is None else Interval(row["low"], row["high"], row["level"])
    names = (
        "name", "subject", "subject_hash", "verdict", "measured", "threshold", "n", "reason", "scorer_version",
        "policy_hash", "against_hash", "checkpoint_hash", "suite_hash", "decoding", "look", "suite_file",
    )  # fmt: skip
    return GateVerdict(interval=interval, **{name: row[name] for name in names})
