"""Migrations, backups, summaries and people, on both databases."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.review import schema
from sentinel_pipeline.review.backup import backup, restore
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import Conflict, ReviewQueue, Unknown, User
from sentinel_pipeline.review.summary import analytics, approved_waiting, summary
from sentinel_pipeline.review.users import add_user, list_users, log_in, remove_user, session_of
from sentinel_pipeline_tests.review.material import Clock, record, write_lines
from sentinel_pipeline_tests.review.test_firewall import approve
from sentinel_pipeline_tests.review.test_queue import ANN, read_card_of


@pytest.fixture
def desk(db: Database, clock: Clock, tmp_path: Path) -> ReviewQueue:
    desk = ReviewQueue(db=db, clock=clock)
    import_file(
        desk, write_lines(tmp_path / "a.jsonl", [record(n) for n in range(12)]), actor="import"
    )
    return desk


def test_an_old_database_is_brought_up_and_a_newer_one_is_left_alone(url: str) -> None:
    old = Database.__new__(Database)
    Database.__init__(old, url)
    with old.writing() as connection:
        schema.META.drop_all(
            connection,
            tables=[
                schema.blind_labels,
                schema.blind_items,
                schema.batches,
                schema.card_recipes,
            ],
        )
        connection.execute(schema.version.delete().where(schema.version.c.version > 1))
    old.close()
    again = Database(url)
    with again.reading() as connection:
        assert schema.current_version(connection) == schema.LATEST == 5
        assert (
            connection.execute(select(func.count()).select_from(schema.batches)).scalar_one() == 0
        )
    with again.writing() as connection:
        connection.execute(schema.version.insert().values(version=99))
    again.close()
    with pytest.raises(Infrastructure, match="has schema 99, this version knows 5"):
        Database(url)


def test_a_backup_restores_into_the_other_kind_of_database_and_goes_on(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    add_user(desk, "ann")
    approve(desk, "card-000001", "one\x00")
    counts = backup(desk, tmp_path / "queue.jsonl.gz")
    other = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'other.sqlite'}"))
    assert restore(other, tmp_path / "queue.jsonl.gz") == counts
    assert read_card_of(other, "card-000001", ANN) == read_card_of(desk, "card-000001", ANN)
    assert (
        import_file(other, write_lines(tmp_path / "b.jsonl", [record(99)]), actor="import").imported
        == 1
    )
    with pytest.raises(Conflict, match="the queue is not empty"):
        restore(other, tmp_path / "queue.jsonl.gz")


def test_a_backup_restores_into_either_kind(url: str, tmp_path: Path) -> None:
    source = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'source.sqlite'}"))
    import_file(
        source, write_lines(tmp_path / "a.jsonl", [record(n) for n in range(5)]), actor="import"
    )
    backup(source, tmp_path / "queue.jsonl.gz")
    target = ReviewQueue(db=Database(url))
    restore(target, tmp_path / "queue.jsonl.gz")
    assert (
        import_file(target, write_lines(tmp_path / "b.jsonl", [record(9)]), actor="import").imported
        == 1
    )
    decide(target, ANN, "card-000003", 1, "discarded")
    target.db.close()


def test_a_damaged_backup_changes_nothing(desk: ReviewQueue, tmp_path: Path) -> None:
    backup(desk, tmp_path / "queue.jsonl.gz")
    lines = gzip.decompress((tmp_path / "queue.jsonl.gz").read_bytes()).splitlines(keepends=True)
    for number, damaged in enumerate((lines[:-1], lines[:3] + lines[4:], [b"{}\n"], [b"no json"])):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(gzip.compress(b"".join(damaged)))
        fresh = ReviewQueue(db=Database(f"sqlite:///{tmp_path / f'{number}.sqlite'}"))
        with pytest.raises(BadInput, match="not a whole backup"):
            restore(fresh, path)
        assert summary(fresh).total == 0


def test_people_their_tokens_and_sessions(desk: ReviewQueue, clock: Clock) -> None:
    token = add_user(desk, "ann", "lead")
    secret = log_in(desk, token)
    assert secret is not None and log_in(desk, token + "x") is None and log_in(desk, "") is None
    session = session_of(desk, secret)
    assert session and session.user == User("ann", "lead")
    clock.now += 13 * 3600
    assert session_of(desk, secret) is None
    for name in ("ann", "a b", "", "import", "x" * 41, "é"):
        with pytest.raises(BadInput):
            add_user(desk, name)
    remove_user(desk, "ann")
    assert log_in(desk, token) is None
    assert list_users(desk) == [("ann", "lead", False)]
    with pytest.raises(Unknown, match="Did you mean 'ann'"):
        remove_user(desk, "anne")


def test_no_token_is_kept(desk: ReviewQueue) -> None:
    token = add_user(desk, "ann")
    with desk.db.reading() as connection:
        row = connection.execute(select(schema.users)).one()
    assert token not in str(row)


def test_summary_and_analytics_count_what_was_decided(desk: ReviewQueue) -> None:
    for number in range(9):
        decide(desk, ANN, f"card-{number:06d}", 1, "model_rejected")
    decide(desk, ANN, "card-000009", 1, "discarded")
    approve(desk, "card-000010")
    found = summary(desk)
    assert found.statuses == {"needs_review": 1, "approved": 1, "discarded": 1, "model_rejected": 9}
    assert found.by["failure_class"]["pattern_match"]["model_rejected"] == 9
    (model,) = analytics(desk)
    assert (model.n, model.rejected, model.discarded, model.drop) == (11, 9, 1, True)
    assert model.low == pytest.approx(0.523, abs=0.001)
    assert approved_waiting(desk)[0] == 1
    with pytest.raises(BadInput, match="no card is of run 'nope'"):
        summary(desk, "nope")


def test_three_cards_drop_no_model(desk: ReviewQueue) -> None:
    for number in range(3):
        decide(desk, ANN, f"card-{number:06d}", 1, "model_rejected")
    assert [row.drop for row in analytics(desk)] == [False]


def test_a_wrong_database_url_says_what_was_expected() -> None:
    for url in ("mysql://x/y", "nonsense", "postgres"):
        with pytest.raises(BadInput, match="Expected postgresql://"):
            Database(url)
