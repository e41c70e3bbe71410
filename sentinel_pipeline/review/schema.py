"""The tables of the queue, and the migrations that made them.

Small columns that are searched or updated stand in ``cards``; what a card says stands in ``bodies``
and is never rewritten. Text of models and people is kept as ASCII JSON where it must come back
exactly (``bodies.record``, drafts, corrections): NUL characters and lone surrogates are not text to
Postgres, and neither may be lost. Times are seconds since 1970, UTC.

A migration is appended, never edited. What this module does not do: open a database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    inspect,
    select,
)

META = MetaData()
_ID = BigInteger().with_variant(Integer, "sqlite")


def _texts(*names: str) -> list[Column[str]]:
    return [Column(name, Text, nullable=False) for name in names]


def _card_key() -> Column[str]:
    return Column("card_id", Text, ForeignKey("cards.id"), primary_key=True)


version = Table("review_schema", META, Column("version", Integer, nullable=False))
cards = Table(
    "cards",
    META,
    Column("seq", _ID, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    *_texts("run_id", "model_id", "task_id", "task_type", "failure_class"),
    Column("quality", Float),
    Column("suite", Text),
    Column("fingerprint", Text, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("lease_by", Text),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("decided_by", Text),
    Column("decided_at", Float),
    Column("second", Text),
    Index("cards_queue", "status", "seq"),
    Index("cards_by_run", "run_id", "status"),
    Index("cards_by_task", "task_id"),
    Index("cards_by_kind", "task_type", "failure_class"),
    Index("cards_by_decider", "decided_by", "decided_at"),
    Index("cards_by_lease", "lease_by"),
    Index("cards_second", "second", "seq"),
)
"""``second`` is None (nobody asked), ``wanted``, ``agreed``, ``disputed`` or ``settled``."""
bodies = Table(
    "bodies",
    META,
    _card_key(),
    Column("record", Text, nullable=False),
    Column("task", Text),
    Column("search", Text, nullable=False),
)
"""``task`` is the ``ReviewTask`` as JSON, where the harness wrote it beside the records."""
corrections = Table(
    "corrections",
    META,
    _card_key(),
    *_texts("text", "checked"),
)
"""The text of an approved card, and how it was checked: ``tests``, ``form`` (no tests are known) or
``import``."""
released = Table(
    "released",
    META,
    _card_key(),
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
)
"""Every text that ever left the queue as a training row, whatever became of its card since: its
item judges no longer."""
drafts = Table(
    "drafts",
    META,
    _card_key(),
    Column("user_name", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("saved_at", Float, nullable=False),
)
skips = Table(
    "skips",
    META,
    Column("user_name", Text, primary_key=True),
    _card_key(),
)
checks = Table(
    "checks",
    META,
    _card_key(),
    Column("digest", Text, primary_key=True),
    *_texts("outcome", "labels", "scorer_version"),
    Column("checked_at", Float, nullable=False),
)
"""What the critic said of a text (by its SHA-256) as the answer to a card: ``pass``, ``fail`` or
``infra``."""
history = Table(
    "history",
    META,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    *_texts("actor", "action"),
    Column("card_id", Text),
    Column("detail", Text, nullable=False),
    Column("undone", Integer, nullable=False, default=0),
    Index("history_by_card", "card_id", "id"),
    Index("history_by_actor", "actor", "action", "id"),
)
"""Every change, by whom and when; rows are added, and only ``undone`` is ever set."""
opinions = Table(
    "opinions",
    META,
    _card_key(),
    Column("user_name", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("at", Float, nullable=False),
)
"""The first and the second reviewer's decision on one card, each made without the other's."""
users = Table(
    "users",
    META,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("active", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)
sessions = Table(
    "sessions",
    META,
    Column("id_hash", Text, primary_key=True),
    Column("user_name", Text, ForeignKey("users.name"), nullable=False),
    Column("csrf", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
)
quarantine = Table(
    "quarantine",
    META,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("file", Text, nullable=False),
    Column("line", Integer, nullable=False),
    *_texts("reason", "excerpt"),
    Column("digest", Text, nullable=False, unique=True),
    Column("at", Float, nullable=False),
)
batches = Table(
    "batches",
    META,
    Column("name", Text, primary_key=True),
    *_texts("purpose", "labels", "subject"),
    Column("created_at", Float, nullable=False),
)
"""Sampled outputs to be labelled blind: ``purpose`` is ``judge`` or ``gap``; ``labels`` a JSON list
of names."""
blind_items = Table(
    "blind_items",
    META,
    Column("seq", _ID, primary_key=True, autoincrement=True),
    Column("batch", Text, ForeignKey("batches.name"), nullable=False),
    *_texts("item_id", "body"),
    Column("judge", Text),
    UniqueConstraint("batch", "item_id"),
)
blind_labels = Table(
    "blind_labels",
    META,
    Column("item_seq", _ID, ForeignKey("blind_items.seq"), primary_key=True),
    Column("user_name", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("at", Float, nullable=False),
)

_QUEUE = (
    version, cards, bodies, corrections, drafts, skips, checks, released, history, opinions, users, sessions,
    quarantine,
)  # fmt: skip
_BLIND = (batches, blind_items, blind_labels)
DATA_TABLES = (
    cards, bodies, corrections, drafts, skips, checks, released, history, opinions, users, quarantine, *_BLIND,
)  # fmt: skip
"""What a backup holds, in an order that satisfies the references; sessions are not worth
keeping."""


def _create(tables: Sequence[Table]) -> Callable[[Connection], None]:
    return lambda connection: META.create_all(connection, tables=list(tables))


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create(_QUEUE), _create(_BLIND))
LATEST = len(MIGRATIONS)


def current_version(connection: Connection) -> int:
    """0 for an empty database."""
    if not inspect(connection).has_table(version.name):
        return 0
    return int(connection.execute(select(func.max(version.c.version))).scalar() or 0)


def migrate(connection: Connection, *, to: int = LATEST) -> None:
    """Bring the database up to version ``to`` within the caller's transaction."""
    at = current_version(connection)
    for number in range(at + 1, to + 1):
        MIGRATIONS[number - 1](connection)
        connection.execute(insert(version).values(version=number))
