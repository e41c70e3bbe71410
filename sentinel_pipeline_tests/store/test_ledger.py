"""The ledger is the gate: no evidence, stale evidence and bad evidence all refuse."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import pytest

from sentinel_pipeline.errors import GateRefused, Infrastructure
from sentinel_pipeline.records import Decided, GateVerdict, Interval, VerdictKey
from sentinel_pipeline.store import Ledger
from sentinel_pipeline.store import ledger as ledger_module

VERDICT = GateVerdict(
    name="pass_at_1",
    subject="tiny/sft_report",
    subject_hash="abc",
    verdict="pass",
    measured=0.8,
    threshold=0.4,
    n=300,
    interval=Interval(0.75, 0.84),
    reason="80 %",
    scorer_version="s1",
    policy_hash="p1",
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "ledger.sqlite")


def require(ledger: Ledger, **changes: str) -> GateVerdict:
    key = VerdictKey(
        name="pass_at_1",
        subject="tiny/sft_report",
        subject_hash="abc",
        scorer_version="s1",
        policy_hash="p1",
    )
    return ledger.require(replace(key, **changes))


def test_a_verdict_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    ledger.record(VERDICT, recipe="tiny", run_id="r1")
    assert require(ledger) == VERDICT
    assert ledger.verdicts(recipe="tiny") == [VERDICT]
    assert ledger.verdicts(recipe="other") == []


def test_no_evidence_is_not_a_pass(ledger: Ledger) -> None:
    with pytest.raises(
        GateRefused, match="no verdict on tiny/sft_report .* no evidence is not a pass"
    ):
        require(ledger)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subject_hash": "other"}, "has no verdict"),
        ({"scorer_version": "s2"}, "stale: decided by scorer s1, now s2"),
        ({"policy_hash": "p2"}, "stale: its policy changed"),
        ({"suite_file": "f2"}, "stale: the file of its suite changed. Rebuild the task bank"),
    ],
)
def test_a_verdict_holds_for_one_content_scorer_and_policy(
    ledger: Ledger, changes: dict[str, str], says: str
) -> None:
    ledger.record(VERDICT, recipe="tiny", run_id="r1")
    with pytest.raises(GateRefused, match=says):
        require(ledger, **changes)


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
def test_only_a_pass_lets_go_on_and_the_newest_counts(
    ledger: Ledger, verdict: Literal["fail", "inconclusive"]
) -> None:
    ledger.record(VERDICT, recipe="tiny", run_id="r1")
    ledger.record(replace(VERDICT, verdict=verdict, reason="why"), recipe="tiny", run_id="r2")
    with pytest.raises(GateRefused, match=f"{verdict}. why"):
        require(ledger)


def test_many_processes_write_at_once_and_none_is_lost(ledger: Ledger) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from dataclasses import replace
        from sentinel_pipeline.store import Ledger
        from sentinel_pipeline_tests.store.test_ledger import VERDICT
        ledger = Ledger(Path({str(ledger.path)!r}))
        for i in range(10):
            ledger.record(replace(VERDICT, n=i), recipe="tiny", run_id=sys.argv[1])
    """
    script = textwrap.dedent(code)
    writers = [subprocess.Popen([sys.executable, "-c", script, str(n)]) for n in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    for n in range(4):
        assert [verdict.n for verdict in ledger.verdicts(run_id=str(n))] == list(range(10))


def test_a_verdict_that_is_none_of_the_three_cannot_be_written(ledger: Ledger) -> None:
    import sqlite3

    with pytest.raises(sqlite3.IntegrityError):
        ledger.record(
            replace(VERDICT, verdict="maybe"),  # type: ignore[arg-type]  # the table refuses it too
            recipe="tiny",
            run_id="r1",
        )


def test_a_ledger_of_an_earlier_version_is_kept_and_read(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as old:
        Ledger(tmp_path / "new.sqlite").verdicts()
        made = sqlite3.connect(tmp_path / "new.sqlite").execute(
            "select sql from sqlite_master where name = 'verdicts'"
        )
        old.execute(made.fetchone()[0].replace(",\n    against_hash text\n", "\n"))
        old.execute(
            "insert into verdicts (recorded_at, recipe, run_id, name, subject, subject_hash, verdict, threshold, n, reason, "
            "scorer_version, policy_hash) values ('2026', 'tiny', 'r', 'g', 's', 'h', 'pass', 0.4, 3, 'why', 's1', 'p1')"
        )
    found = Ledger(path).verdicts()
    assert [(one.name, one.against_hash) for one in found] == [("g", None)]


def test_a_verdict_answers_for_the_key_that_it_was_recorded_under(ledger: Ledger) -> None:
    key = VerdictKey(name="g", subject="t/r", subject_hash="h", scorer_version="s", policy_hash="p")
    decided = Decided(verdict="pass", measured=0.5, threshold=0.4, n=3, interval=None, reason="why")
    ledger.record(key.verdict(decided), recipe="tiny", run_id="r1")
    passed = ledger.require(key)
    assert (passed.stale(key), passed.reason) == (None, "why")
    assert passed.stale(replace(key, against_hash="base1")) == "it compared with another report"


def test_a_paired_gate_without_the_report_to_compare_with_refuses_any_verdict(
    ledger: Ledger,
) -> None:
    ledger.record(replace(VERDICT, against_hash="base1"), recipe="tiny", run_id="r1")
    with pytest.raises(GateRefused, match="compared with another report"):
        require(ledger, against_hash="")


def test_a_paired_verdict_holds_for_the_report_that_it_compared_with(ledger: Ledger) -> None:
    ledger.record(replace(VERDICT, against_hash="base1"), recipe="tiny", run_id="r1")
    assert require(ledger, against_hash="base1").against_hash == "base1"
    with pytest.raises(GateRefused, match="compared with another report"):
        require(ledger, against_hash="base2")


@pytest.fixture
def locked(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """Somebody else is writing and does not end."""
    ledger.verdicts()
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("begin exclusive")
    yield other
    other.close()


def test_a_writer_waits_for_another_one(ledger: Ledger, locked: sqlite3.Connection) -> None:
    writer = threading.Thread(
        target=ledger.record, args=(VERDICT,), kwargs={"recipe": "tiny", "run_id": "r1"}
    )
    writer.start()
    writer.join(0.5)
    assert writer.is_alive()
    locked.execute("commit")
    writer.join(60)
    assert ledger.verdicts() == [VERDICT]


def test_a_ledger_that_stays_locked_is_infrastructure_and_records_nothing(
    ledger: Ledger, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "PATIENCE_S", 0.1)
    with pytest.raises(Infrastructure, match=r"ledger\.sqlite cannot be used: database is locked"):
        ledger.record(VERDICT, recipe="tiny", run_id="r1")
    locked.execute("rollback")
    assert ledger.verdicts() == []


def test_the_newest_verdict_counts_though_the_clock_was_set_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record(VERDICT, recipe="tiny", run_id="r1")

    class Earlier(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(dt, "datetime", Earlier)
    ledger.record(replace(VERDICT, verdict="fail"), recipe="tiny", run_id="r2")
    assert [entry.recorded_at[:4] for entry in ledger.entries()][1] == "2001"
    with pytest.raises(GateRefused, match="fail"):
        require(ledger)
