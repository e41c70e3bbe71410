"""Archived stays and is out of sight, superseded is not built on and goes when it is old; who said
so and why is kept and cannot be changed unseen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sentinel_pipeline.bench.leaderboard import standings
from sentinel_pipeline.errors import BadInput, GateRefused, Infrastructure
from sentinel_pipeline.records import GateVerdict
from sentinel_pipeline.records.mark import Mark
from sentinel_pipeline.store import Artifact, Home, Ledger, Store
from sentinel_pipeline.store.marks import find_artifacts, hidden, mark, name_of, refuse_superseded
from sentinel_pipeline_tests.chat.material import report_json
from sentinel_pipeline_tests.store.test_retention import made, names


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def archive(home: Home, *artifacts: Artifact, reason: str = "evidence") -> list[Artifact]:
    return mark(home, artifacts, "archived", reason, marked_by="ann")


def supersede(home: Home, *artifacts: Artifact, by: Artifact | None = None) -> list[Artifact]:
    return mark(home, artifacts, "superseded", "wrong rows", marked_by="ann", replaced_by=by)


def undo(home: Home, *artifacts: Artifact) -> list[Artifact]:
    return mark(home, artifacts, "active", "needed after all", marked_by="bob")


def test_a_mark_says_what_who_when_why_and_what_instead(home: Home) -> None:
    old, new = made(home, "mix", "100"), made(home, "mix", "200")
    assert supersede(home, old, by=new) == [old]
    (found,) = Ledger(home.ledger).marks().values()
    assert found == Mark(
        artifact="tiny/mix/100",
        content_hash=old.hash,
        state="superseded",
        reason="wrong rows",
        marked_by="ann",
        replaced_by="tiny/mix/200",
        recorded_at=found.recorded_at,
    )
    assert found.recorded_at.startswith("20") and found.recorded_at.endswith("+00:00")
    assert found.words == "superseded by tiny/mix/200 (wrong rows)"


def test_what_is_archived_is_never_deleted_nor_what_it_was_made_from(home: Home) -> None:
    mix = made(home, "mix", "100")
    checkpoint = made(home, "sft_checkpoint", "200", mix)
    for run_id in ("300", "400"):
        made(home, "sft_checkpoint", run_id, made(home, "mix", run_id))
    assert names(home) == ["mix/100", "sft_checkpoint/200", "mix/300", "sft_checkpoint/300"]
    archive(home, checkpoint)
    assert names(home) == ["mix/300", "sft_checkpoint/300"]
    undo(home, checkpoint)
    assert names(home) == ["mix/100", "sft_checkpoint/200", "mix/300", "sft_checkpoint/300"]


def test_what_is_superseded_is_not_among_the_newest_and_no_verdict_keeps_it(home: Home) -> None:
    for run_id in ("100", "200", "300"):
        made(home, "sft_report", run_id)
    report = find_artifacts(home, "tiny/sft_report/200")[0]
    verdict = GateVerdict(
        name="pass_at_1", subject="tiny/sft_report", subject_hash=report.hash, verdict="fail", measured=0.1, threshold=0.4,
        n=10, interval=None, reason="", scorer_version="", policy_hash="",
    )  # fmt: skip
    Ledger(home.ledger).record(verdict, recipe="tiny", run_id="200")
    assert names(home, keep=2) == ["sft_report/100"]
    supersede(home, report)
    assert names(home, keep=2) == ["sft_report/200"], "of the two newest others, 100 is one"
    assert names(home, keep=2, days=1e5) == [], "none is that old"


def test_what_a_release_or_the_current_artifact_was_made_from_stays_though_it_is_superseded(
    home: Home,
) -> None:
    mix = made(home, "mix", "100")
    made(home, "release_bundle", "100", made(home, "sft_checkpoint", "100", mix))
    current = made(home, "sft_checkpoint", "200", made(home, "mix", "200"))
    supersede(home, mix, current, *current_parents(home, current))
    assert names(home) == []


def current_parents(home: Home, artifact: Artifact) -> list[Artifact]:
    return [
        found
        for parent in artifact.manifest.parents
        for found in find_artifacts(home, f"tiny/{parent.asset}/{parent.run_id}")
    ]


def test_nothing_new_is_built_on_what_is_superseded(home: Home) -> None:
    old, kept = made(home, "mix", "100"), made(home, "mix", "200")
    supersede(home, old, by=kept)
    archive(home, kept)
    with pytest.raises(
        GateRefused, match=r"superseded by tiny/mix/200 \(wrong rows\): nothing new"
    ):
        refuse_superseded(home, old)
    refuse_superseded(home, kept)
    undo(home, old)
    refuse_superseded(home, old)


def test_leaderboards_leave_marked_reports_out(home: Home) -> None:
    for run_id in ("1", "2", "3"):
        store = Store(home, "tiny", run_id, run_id)
        with store.writing("sft_report", recipe_hash="", seed=1) as out:
            out.json("smoke/report.json", report_json("smoke", "sft", "h", int(run_id), 8))
            out.jsonl("samples_smoke.jsonl", [{"doc": {"task_id": "a"}}])
    archive(home, *find_artifacts(home, "tiny/sft_report/1"))
    supersede(home, *find_artifacts(home, "tiny/sft_report/3"))
    rows = standings(home.runs, "v", hidden(home))
    assert [row.run_id for row in rows] == ["2"]
    assert len(standings(home.runs, "v")) == 3, "who asks sees them"


def test_marking_again_changes_nothing_and_another_reason_is_another_mark(home: Home) -> None:
    report = made(home, "mix", "100")
    assert archive(home, report) == [report]
    assert archive(home, report) == []
    assert archive(home, report, reason="for the auditors") == [report]
    assert undo(home, report) == [report]
    assert undo(home, report) == []
    assert Ledger(home.ledger).marks() == {}
    history = [(mark.state, mark.marked_by) for mark in Ledger(home.ledger).mark_history()]
    assert history == [("archived", "ann"), ("archived", "ann"), ("active", "bob")]


def test_a_dry_run_marks_nothing(home: Home) -> None:
    mix = made(home, "mix", "100")
    assert mark(home, [mix], "archived", "why", marked_by="ann", dry_run=True) == [mix]
    assert Ledger(home.ledger).marks() == {}


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501, "\x1b[2J"])
def test_a_reason_is_one_line_that_can_be_read(home: Home, reason: str) -> None:
    with pytest.raises(BadInput, match="expected one line of 1 to 500 characters"):
        archive(home, made(home, "mix", "100"), reason=reason)


def test_an_artifact_takes_neither_its_own_place_nor_one_from_out_of_use(home: Home) -> None:
    old, new = made(home, "mix", "100"), made(home, "mix", "200")
    with pytest.raises(BadInput, match="cannot take its own place"):
        supersede(home, old, by=old)
    supersede(home, new)
    with pytest.raises(BadInput, match="tiny/mix/200 is superseded itself"):
        supersede(home, old, by=new)


def test_an_address_means_one_artifact_an_asset_a_run_or_a_recipe(home: Home) -> None:
    for run_id in ("100", "110", "200"):
        made(home, "sft_checkpoint", run_id, made(home, "mix", run_id))

    def found(address: str, run: str = "") -> list[str]:
        return [name_of(home, artifact) for artifact in find_artifacts(home, address, run)]

    assert found("tiny/mix/100") == ["tiny/mix/100"]
    assert found("tiny/mix/2") == ["tiny/mix/200"], "a run's id may be shortened"
    assert found("tiny/mix") == ["tiny/mix/100", "tiny/mix/110", "tiny/mix/200"]
    assert found("tiny", "200") == ["tiny/mix/200", "tiny/sft_checkpoint/200"]
    assert len(found("tiny")) == 6
    assert found(str(home.runs / "tiny" / "mix" / "110")) == ["tiny/mix/110"]
    for address, says in (
        ("tiny/mix/1", "several runs begin with '1'"),
        ("tiny/mix/9", "there is no run '9' in tiny/mix"),
        ("tiny/sft", "Name sft_checkpoint."),
        ("tiny/mixx", "Did you mean 'mix'"),
        ("tin", "Did you mean 'tiny'"),
        ("../..", "is not the address of an artifact"),
        ("tiny/mix/100/note", "is not the address of an artifact"),
        ("/etc", "has no artifact|is not the address"),
    ):
        with pytest.raises(BadInput, match=says):
            find_artifacts(home, address)


@pytest.mark.parametrize(
    "statement",
    [
        "update marks set state = 'superseded'",
        "update marks set reason = 'another'",
        "update marks set artifact = 'tiny/mix/200'",
        "delete from chain",
        "insert into marks select 2, recorded_at, artifact, content_hash, 'superseded', reason, marked_by, replaced_by from marks",
    ],
)
def test_a_mark_that_was_changed_since_deletes_nothing(home: Home, statement: str) -> None:
    mix = made(home, "mix", "100")
    made(home, "mix", "200")
    archive(home, mix)
    assert Ledger(home.ledger).check().broken is None
    with closing(sqlite3.connect(home.ledger, isolation_level=None)) as connection:
        connection.execute(statement)
    assert Ledger(home.ledger).check().broken or "delete" in statement
    with pytest.raises(Infrastructure, match="was changed since it was recorded"):
        names(home)
    assert hidden(home) == frozenset(), "a list decides nothing and goes on"


def test_marks_join_the_chain_of_a_ledger_that_has_none_yet(home: Home) -> None:
    mix = made(home, "mix", "100")
    verdict = GateVerdict(
        name="g", subject="s", subject_hash="h", verdict="pass", measured=1.0, threshold=0.4, n=10, interval=None,
        reason="", scorer_version="", policy_hash="",
    )  # fmt: skip
    ledger = Ledger(home.ledger)
    ledger.record(verdict, recipe="tiny", run_id="r")
    with closing(sqlite3.connect(home.ledger, isolation_level=None)) as connection:
        connection.execute("drop table marks")
        connection.execute("delete from chain")
    archive(home, mix)
    state = ledger.check()
    assert (state.records, state.adopted, state.broken) == (2, 1, None)
