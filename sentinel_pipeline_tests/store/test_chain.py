"""Whatever is changed, removed or slipped into a ledger later is found, and lets nothing go on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import GateRefused, Infrastructure
from sentinel_pipeline.records import VerdictKey
from sentinel_pipeline.records.decision_spec import Decision
from sentinel_pipeline.store import Ledger
from sentinel_pipeline_tests.store.test_ledger import VERDICT, require

DECISION = Decision(
    stage="sft",
    action="continue",
    subject_hash="abc",
    reason="80 %",
    metric="pass_at_1",
    measured=0.8,
    interval=None,
    n=300,
    scorer_version="s1",
    point_hash="p1",
)
COLUMNS = [
    *(("verdicts", name) for name in (
        "id", "recorded_at", "recipe", "run_id", "name", "subject", "subject_hash", "verdict", "measured", "threshold", "n",
        "low", "high", "level", "reason", "scorer_version", "policy_hash", "suite_file", "against_hash", "checkpoint_hash",
        "suite_hash", "decoding", "look",
    )),
    *(("decisions", name) for name in ("id", "recorded_at", "recipe", "run_id", "subject_hash", "decision")),
    *(("chain", name) for name in ("seq", "kind", "record", "at", "previous", "hash")),
]  # fmt: skip


def filled(folder: Path) -> Ledger:
    ledger = Ledger(folder / "ledger.sqlite")
    for number in range(4):
        ledger.record(replace(VERDICT, n=number, reason=f"é {number}"), recipe="tiny", run_id="r")
        ledger.record_decision(replace(DECISION, reason=str(number)), recipe="tiny", run_id="r")
    return ledger


def settled(ledger: Ledger) -> Ledger:
    """All of it in one file."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.execute("pragma journal_mode = delete")
    return ledger


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return settled(filled(tmp_path_factory.mktemp("ledger"))).path


def changed(ledger: Ledger, statement: str, *values: Any) -> str | None:
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount == 1
    return ledger.check().broken


def dump(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        tables = ("verdicts", "decisions", "chain")
        return [
            connection.execute(f"select * from {table} not indexed order by rowid").fetchall()
            for table in tables
        ]


def test_a_ledger_that_nobody_touched_is_whole(tmp_path: Path) -> None:
    state = filled(tmp_path).check()
    assert (state.records, state.adopted, state.unchained, state.broken) == (8, 0, 0, None)
    assert re.fullmatch(r"8:[0-9a-f]{64}", state.head)


def test_a_ledger_that_is_not_there_is_whole(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none.sqlite").check().broken is None
    assert not (tmp_path / "none.sqlite").exists()


@given(place=st.sampled_from(COLUMNS), row=st.integers(1, 4), data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_byte_changed_in_any_column_of_any_chained_record_is_found(
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    place: tuple[str, str],
    row: int,
    data: Any,
) -> None:
    table, column = place
    path = tmp_path_factory.mktemp("copy") / "ledger.sqlite"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma ignore_check_constraints = on")
        rowid = f"rowid = {row}"
        (old,) = connection.execute(f"select {column} from {table} where {rowid}").fetchone()
        if isinstance(old, str) and old:
            raw = bytearray(old.encode())
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
            sql = f"update {table} set {column} = cast(? as text) where {rowid}"
            connection.execute(sql, (bytes(raw),))
        else:
            new = data.draw(st.one_of(st.integers(5, 99), st.floats(2, 9), st.just("x")))
            if column in ("id", "seq"):
                new = data.draw(st.integers(100, 2**60))
            connection.execute(f"update {table} set {column} = ? where {rowid}", (new,))
        assert dump(path) != dump(whole)
    broken = Ledger(path).check().broken
    assert broken is not None, place
    if table != "chain" and column != "id":
        assert broken.startswith(f"{table[:-1]} {row}: it was changed since 20")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_byte_changed_anywhere_in_the_file_is_found_or_changes_nothing(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = tmp_path_factory.mktemp("copy") / "ledger.sqlite"
    raw = bytearray(whole.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    if Ledger(path).check().broken is None:
        assert dump(path) == dump(whole)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("delete from verdicts where id = 2", r"verdict 2: it was removed \(link 3\)"),
        ("delete from chain where seq = 5", "link 5: it is missing"),
        (
            "insert into decisions select 99, recorded_at, recipe, run_id, subject_hash, decision from decisions where id = 1",
            "decision 99: it is not in the chain",
        ),
        ("insert into chain select 9, kind, record, at, hash, hash from chain where seq = 8", "decision 4: it is linked again"),
        ("delete from chain where seq = 8", "decision 4: it is not in the chain"),
    ],
)  # fmt: skip
def test_what_was_removed_or_slipped_in_is_named(statement: str, says: str, tmp_path: Path) -> None:
    assert re.match(says, changed(filled(tmp_path), statement) or "")


def test_two_records_that_change_places_are_found(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        for old, new in ((1, 50), (2, 1), (50, 2)):
            connection.execute("update verdicts set id = ? where id = ?", (new, old))
    assert str(ledger.check().broken).startswith("verdict 1: it was changed")


def test_a_head_that_was_kept_shows_that_the_end_was_cut_off_or_all_written_anew(
    tmp_path: Path,
) -> None:
    ledger = filled(tmp_path)
    head = ledger.check().head
    ledger.record(VERDICT, recipe="tiny", run_id="later")
    assert ledger.check(head=head).broken is None
    for table, last in (("chain", 8), ("verdicts", 5), ("decisions", 4)):
        with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
            connection.execute(f"delete from {table} where rowid >= {last}")
    assert ledger.check().broken is None
    assert str(ledger.check(head=head).broken).startswith(f"the head {head}: the chain does not")
    other = filled(tmp_path / "anew")
    assert "does not go through it" in str(other.check(head=head).broken)
    assert "does not go through it" in str(Ledger(tmp_path / "none").check(head=head).broken)


def test_a_changed_verdict_or_decision_lets_nothing_go_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record(replace(VERDICT, verdict="fail"), recipe="tiny", run_id="r")
    ledger.record_decision(replace(DECISION, action="stop"), recipe="tiny", run_id="r")
    with pytest.raises(GateRefused, match="fail. 80 %"):
        require(ledger)
    changed(ledger, "update verdicts set verdict = 'pass'")
    with pytest.raises(Infrastructure, match=r"verdict 1 of .* was changed since it was recorded"):
        require(ledger)
    changed(ledger, """update decisions set decision = replace(decision, '"stop"', '"continue"')""")
    key = VerdictKey(
        name="next", subject="s", subject_hash="abc", scorer_version="s1", policy_hash="p1"
    )
    with pytest.raises(Infrastructure, match="decision 1 of .* was changed"):
        ledger.follow(key)


def test_a_verdict_that_somebody_wrote_into_the_file_is_no_evidence(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    names = ", ".join(name for table, name in COLUMNS if table == "verdicts" and name != "id")
    other = names.replace("subject_hash", "'forged'")
    statement = f"insert into verdicts ({names}) select {other} from verdicts where id = 1"
    assert changed(ledger, statement) == "verdict 5: it is not in the chain"
    with pytest.raises(Infrastructure, match="verdict 5 of .* is not in the ledger's chain"):
        require(ledger, subject_hash="forged")


def test_a_ledger_of_before_is_taken_in_and_said_so(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        connection.execute("drop table chain")
    state = ledger.check()
    assert (state.records, state.unchained, state.since, state.broken) == (0, 8, None, None)
    assert require(ledger).verdict == "pass"
    ledger.record(VERDICT, recipe="tiny", run_id="new")
    state = ledger.check()
    assert (state.records, state.adopted, state.unchained, state.broken) == (9, 8, 0, None)
    assert state.since is not None and state.since.startswith("20")
    assert str(changed(ledger, "update verdicts set n = 7 where id = 1")).startswith("verdict 1: ")


def test_writers_that_are_killed_between_two_records_leave_a_whole_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = f"""
        from pathlib import Path
        from sentinel_pipeline.store import Ledger
        from sentinel_pipeline_tests.store.test_ledger import VERDICT
        ledger = Ledger(Path({str(path)!r}))
        while True:
            ledger.record(VERDICT, recipe="tiny", run_id="r")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    for _ in range(3):
        writers = [subprocess.Popen(command) for _ in range(2)]
        count = len(Ledger(path).verdicts())
        deadline = time.monotonic() + 60
        while len(Ledger(path).verdicts()) < count + 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
    state = Ledger(path).check()
    assert state.broken is None
    assert state.records == len(Ledger(path).verdicts()) >= 18
