"""What this installation keeps for itself is for its user alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sentinel_pipeline.records.alert import Alert
from sentinel_pipeline.review.backup import backup
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline.review.users import add_user, log_in
from sentinel_pipeline.store import Home, Ledger, Outbox
from sentinel_pipeline.store.files import atomic_write, private_file
from sentinel_pipeline.store.label_cache import LabelCache
from sentinel_pipeline.store.launched import freeze
from sentinel_pipeline.worker.device import device_lock
from sentinel_pipeline_tests.store.test_ledger import VERDICT

ALERT = Alert(key="k", kind="check_failed", recipe="tiny", title="t", body="b", link="")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o000])
def umask(request: pytest.FixtureRequest) -> int:
    before = os.umask(request.param)
    request.addfinalizer(lambda: os.umask(before))
    return int(request.param)


def test_every_file_of_the_state_is_0600_and_its_folders_0700(home: Home, umask: int) -> None:
    home.state.chmod(0o777 & ~umask)
    Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id="r")
    Outbox(home.outbox).add(ALERT, ["mail"], 0.0)
    LabelCache(home.label_cache).__exit__(None, None, None)
    freeze(home, "tiny", "loop")
    database = Database(f"sqlite:///{home.review}")
    desk = ReviewQueue(db=database)
    assert log_in(desk, add_user(desk, "ann")) is not None
    backup(desk, home.root / "backups" / "queue.jsonl.gz")
    with device_lock(home.device_lock):
        modes = {path: mode(path) for path in home.state.rglob("*") if "dagster" not in path.parts}
    database.close()
    files = {path.name: bits for path, bits in modes.items() if path.is_file()}
    assert {
        "ledger.sqlite",
        "outbox.sqlite",
        "labels.sqlite",
        "review.sqlite",
        "device.lock",
    } <= set(files)
    assert set(files.values()) == {0o600}, files
    assert mode(home.state) == 0o700
    assert mode(home.state / "launched") == 0o700
    assert mode(home.root / "backups" / "queue.jsonl.gz") == 0o600


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    path.parent.mkdir(mode=0o755)
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        (path.parent / name).touch(mode=0o644)
    private_file(path)
    assert [mode(path.parent), mode(path), mode(path.with_name("ledger.sqlite-wal"))] == [
        *(0o700, 0o600, 0o600)
    ]


def test_a_folder_of_somebody_elses_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_file(tmp_path / "queue.sqlite")
    assert (mode(tmp_path), mode(tmp_path / "queue.sqlite")) == (0o755, 0o600)


def test_artifacts_may_be_read_by_others(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.json") as stream:
        stream.write("{}")
    assert mode(tmp_path / "a.json") == 0o644


def test_no_secret_of_a_person_lies_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    database = Database(f"sqlite:///{path}")
    desk = ReviewQueue(db=database)
    token = add_user(desk, "ann")
    session = log_in(desk, token)
    assert session is not None
    from sentinel_pipeline.review.users import session_of

    person = session_of(desk, session)
    assert person is not None
    again = session_of(desk, session)
    assert again is not None and again.csrf == person.csrf and len(person.csrf) >= 32
    database.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (token, session, person.csrf):
        assert secret.encode() not in content
