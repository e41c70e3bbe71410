"""The trail is a chain, and every approval is what the trail says: what was changed past the pages
is found."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.review.backup import backup, restore
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide, revise, undo
from sentinel_pipeline.review.exporting import release
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue, User, note
from sentinel_pipeline.review.schema import cards, corrections, history, links, released
from sentinel_pipeline.review.trail import check_trail
from sentinel_pipeline.review.users import add_user
from sentinel_pipeline.store import Home, Ledger
from sentinel_pipeline_tests.review.material import Clock, record, write_lines
from sentinel_pipeline_tests.review.test_queue import ANN, BOB, passed
from sentinel_pipeline_tests.store.test_ledger import VERDICT

EVE = User("eve", "lead")


def worked(desk: ReviewQueue, folder: Path) -> ReviewQueue:
    """A queue in which everything happened once."""
    rows = [record(n) for n in range(6)]
    rows += [record(6, status="discarded"), record(7, status="approved", corrected_response="x")]
    path = write_lines(folder / "a.jsonl", rows)
    add_user(desk, "ann")
    import_file(desk, path, actor="command:ann", trust_approved=True)
    for number in (0, 1):
        passed(desk, f"card-00000{number}", "é")
        decide(desk, ANN, f"card-00000{number}", 1, "approved", "é")
    decide(desk, ANN, "card-000002", 1, "discarded")
    decide(desk, BOB, "card-000003", 1, "model_rejected")
    undo(desk, BOB)
    revise(desk, EVE, "card-000002", 2, "model_rejected")
    release(desk, "retire", actor="command:ann")
    return desk


@pytest.fixture
def desk(db: Database, clock: Clock, tmp_path: Path) -> ReviewQueue:
    return worked(ReviewQueue(db=db, clock=clock), tmp_path)


def after(desk: ReviewQueue, *statements: Any) -> str:
    with desk.db.writing() as connection:
        for statement in statements:
            connection.execute(statement)
    return check_trail(desk.db).broken or ""


def test_what_people_did_is_whole(desk: ReviewQueue) -> None:
    state = check_trail(desk.db)
    assert (state.broken, state.adopted, state.unchained) == (None, 0, 0)
    assert state.records == 10 and re.fullmatch(r"10:[0-9a-f]{64}", state.head)
    assert check_trail(desk.db, head=state.head).broken is None
    assert "does not go through it" in str(check_trail(desk.db, head=f"3:{'0' * 64}").broken)


def test_an_approval_that_was_written_past_the_pages_is_found(desk: ReviewQueue) -> None:
    passed_by = {"status": "approved", "decided_by": "ann"}
    here = cards.c.id == "card-000004"
    fault = after(
        desk,
        update(cards).where(here).values(passed_by),
        insert(corrections).values(card_id="card-000004", text='"evil"', checked="tests"),
    )
    assert fault == "card card-000004: it is approved, and the trail tells of no decision"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (update(corrections).where(corrections.c.card_id == "card-000000").values(text='"evil"'),
         "card card-000000: it is not what event"),
        (update(cards).where(cards.c.id == "card-000001").values(decided_by="eve"), "card card-000001: it is not what event"),
        (update(cards).where(cards.c.id == "card-000001").values(decided_by="import"), "card card-000001: it is not what"),
        (update(cards).where(cards.c.id == "card-000002").values(status="discarded"), "card card-000002: it is not what event"),
        (update(released).where(released.c.card_id == "card-000000").values(text='"evil"'),
         "card card-000000: the text that left the queue is not what was noted"),
        (update(history).where(history.c.action == "decide", history.c.card_id == "card-000002").values(undone=1),
         r"event \d+: it is marked as taken back, but no undo says so"),
        (update(history).where(history.c.action == "login").values(detail="x"), ""),
        (update(history).where(history.c.id == 2).values(actor="bob"), "event 2: it was changed since"),
        (delete(history).where(history.c.id == 5), r"event 5: it was removed \(link 5\)"),
        (delete(links).where(links.c.seq == 4), "link 4: it is missing"),
        (delete(links).where(links.c.seq == 10), "event 10: it is not in the chain"),
        (update(history).where(history.c.id == 3).values(at=7.0), "event 3: it was changed since"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_was_changed_past_the_pages_is_named(
    desk: ReviewQueue, statement: Any, says: str
) -> None:
    assert re.match(says, after(desk, statement))


def test_a_trail_of_before_is_taken_in_and_said_so(desk: ReviewQueue) -> None:
    assert after(desk, delete(links)) == ""
    state = check_trail(desk.db)
    assert (state.records, state.unchained) == (0, 10)
    with desk.db.writing() as connection:
        note(desk, connection, "ann", "login", None, {})
    state = check_trail(desk.db)
    assert (state.records, state.adopted, state.broken) == (11, 10, None)
    statement = update(history).where(history.c.id == 1).values(actor="eve")
    assert after(desk, statement).startswith("event 1: it was changed since")


def test_people_who_decide_at_once_make_one_chain(desk: ReviewQueue) -> None:
    def working(number: int) -> None:
        for _ in range(5):
            with desk.db.writing() as connection:
                note(desk, connection, f"p{number}", "login", None, {})

    people = [threading.Thread(target=working, args=(number,)) for number in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    state = check_trail(desk.db)
    assert (state.records, state.broken) == (30, None)


def test_what_is_rolled_back_leaves_no_link(desk: ReviewQueue) -> None:
    with pytest.raises(RuntimeError), desk.db.writing() as connection:
        note(desk, connection, "ann", "login", None, {})
        raise RuntimeError
    assert check_trail(desk.db).records == 10


def test_a_restored_backup_is_the_same_chain(desk: ReviewQueue, tmp_path: Path) -> None:
    head = check_trail(desk.db).head
    backup(desk, tmp_path / "queue.jsonl.gz")
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    restore(ReviewQueue(db=other), tmp_path / "queue.jsonl.gz")
    assert check_trail(other).head == head and check_trail(other).broken is None
    other.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trail")
    database = Database(f"sqlite:///{folder / 'review.sqlite'}")
    worked(ReviewQueue(db=database, clock=Clock()), folder)
    with database.engine.connect() as connection:
        connection.execute(text("pragma wal_checkpoint(truncate)"))
    database.close()
    return folder / "review.sqlite"


COLUMNS = [("history", name) for name in ("at", "actor", "action", "detail")] + [
    ("history_chain", name) for name in ("kind", "record", "at", "previous", "hash")
]


@given(place=st.sampled_from(COLUMNS), row=st.integers(1, 10), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_byte_changed_in_any_row_of_the_trail_is_found(
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    place: tuple[str, str],
    row: int,
    data: Any,
) -> None:
    table, column = place
    path = tmp_path_factory.mktemp("copy") / "review.sqlite"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        query = f"select {column} from {table} where rowid = {row}"
        (old,) = connection.execute(query).fetchone()
        if not isinstance(old, str):
            new: Any = (old + 1,)
            value = "?"
        elif old:
            raw = bytearray(old.encode())
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
            new = (bytes(raw),)
            value = "cast(? as text)"
        else:
            new = ("x",)
            value = "?"
        connection.execute(f"update {table} set {column} = {value} where rowid = {row}", new)
    database = Database(f"sqlite:///{path}")
    assert check_trail(database).broken is not None, place
    database.close()


def test_verify_names_the_first_broken_record_and_exits_with_1(home: Home) -> None:
    Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id="r")
    Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id="s")
    database = Database(f"sqlite:///{home.review}")
    with database.writing() as connection:
        note(ReviewQueue(db=database), connection, "ann", "login", None, {})
    run = CliRunner()
    done = run.invoke(app, ["verify", "--json"])
    chains = {chain["name"]: chain for chain in json.loads(done.stdout)["chains"]}
    assert done.exit_code == 0 and (chains["ledger"]["records"], chains["review"]["records"]) == (
        2,
        1,
    )
    head = f"ledger={chains['ledger']['head']}"
    assert run.invoke(app, ["verify", "--head", head]).exit_code == 0
    wrong = run.invoke(app, ["verify", "--head", f"ledger=1:{'0' * 64}"])
    assert wrong.exit_code == 1 and "the chain does not go through it" in wrong.output
    with closing(sqlite3.connect(home.ledger, isolation_level=None)) as connection:
        connection.execute("update verdicts set reason = '81 %' where id = 2")
    with database.writing() as connection:
        connection.execute(update(history).values(actor="eve"))
        assert connection.execute(select(history.c.actor)).scalar_one() == "eve"
    done = run.invoke(app, ["verify"])
    assert done.exit_code == 1
    assert "broken: ledger: verdict 2: it was changed since 20" in done.output
    assert "broken: review: event 1: it was changed since 20" in done.output
    database.close()


@pytest.mark.parametrize("word", ["ledgr=1:aa", "ledger=x", "ledger", "review=0:" + "a" * 64])
def test_a_head_that_is_none_is_bad_input(home: Home, word: str) -> None:
    assert home.root.exists()
    done = CliRunner().invoke(app, ["verify", "--head", word])
    assert done.exit_code != 0 and "--head" in f"{done.output}{done.exception}"
