"""The tables of the queue, and the migrations that made them.

Small columns that are searched or updated stand in ``cards``; what a card says stands in ``bodies``
and is never rewritten. Text of models and people is kept as ASCII JSON where it must come back
exactly (``bodies.record``, drafts, corrections): NUL characters and lone surrogates are not text to
Postgres, and neither may be lost. Times are seconds since 1970, UTC.

A migration is appended, never edited. What this module does not do: open a database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
"""The text of an approved card, and how it was checked: ``tests``, ``form`` (no tests are known),
``trusted`` (a file said so, and who imported it trusted the file), or ``import`` (a file said so
when files were believed unasked: it leaves no more)."""
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
links = Table(
    "history_chain",
    META,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("record", BigInteger, nullable=False),
    *_texts("at", "previous", "hash"),
)
"""The hash chain over ``history`` (``trail``); ``undone`` is not in it, undoing has a row of its
own."""
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

card_recipes = Table(
    "card_recipes",
    META,
    _card_key(),
    Column("recipe", Text, primary_key=True),
    Column("taken_at", Float),
    Index("card_recipes_by_recipe", "recipe", "card_id"),
)
"""The recipes that a card belongs to: a correction enters the mixes of these alone. ``taken_at`` is
when a mix of the recipe first took it; None: not yet."""
removed_recipes = Table(
    "removed_recipes",
    META,
    _card_key(),
    Column("recipe", Text, primary_key=True),
)
"""The recipes that a person took a card out of: no import lets it belong to them again."""

_QUEUE = (
    version, cards, bodies, corrections, drafts, skips, checks, released, history, opinions, users, sessions,
    quarantine,
)  # fmt: skip
_BLIND = (batches, blind_items, blind_labels)
DATA_TABLES = (
    cards, bodies, corrections, drafts, skips, checks, released, history, links, opinions, users, quarantine, *_BLIND,
    card_recipes, removed_recipes,
)  # fmt: skip
"""What a backup holds, in an order that satisfies the references; sessions are not worth
keeping."""


def _create(tables: Sequence[Table]) -> Callable[[Connection], None]:
    return lambda connection: META.create_all(connection, tables=list(tables))


_OURS = ("sentinel-benchmark", "chat")
"""Sources of records that this program writes: their model is ``RECIPE/STAGE``."""
_BATCH = 1000


def recipe_named(record: Mapping[str, Any]) -> str | None:
    """The recipe whose model a record is about, where this program wrote it; None for the record of
    another harness, whatever its model is called."""
    model = record.get("model_id")
    if record.get("source") not in _OURS or not isinstance(model, str):
        return None
    recipe, slash, _ = model.replace(":", "/", 1).partition("/")
    return recipe if recipe and slash else None


def recipes_from_records(connection: Connection) -> None:
    """Give the cards of before ``card_recipes`` the recipe that their record names. A correction
    that left already is taken to be in a mix of it."""
    left = select(released.c.card_id, func.min(released.c.at)).group_by(released.c.card_id)
    taken = dict(connection.execute(left).tuples().all())
    last = ""
    while True:
        query = select(bodies.c.card_id, bodies.c.record).where(bodies.c.card_id > last)
        rows = connection.execute(query.order_by(bodies.c.card_id).limit(_BATCH)).all()
        if not rows:
            return
        last = rows[-1].card_id
        memberships = [
            {"card_id": row.card_id, "recipe": recipe, "taken_at": taken.get(row.card_id)}
            for row in rows
            if (recipe := recipe_named(json.loads(row.record))) is not None
        ]
        if memberships:
            connection.execute(insert(card_recipes), memberships)


def _belong(connection: Connection) -> None:
    META.create_all(connection, tables=[card_recipes])
    recipes_from_records(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _create(_QUEUE), _create(_BLIND), _create((links,)), _belong, _create((removed_recipes,)),
)  # fmt: skip
BELONGING = 4
"""The version since which cards belong to recipes."""
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
