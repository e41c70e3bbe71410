"""Nothing leaks: an item judges, or its correction trains, never both, whatever the order of
approvals, exports and undos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sentinel_pipeline.records import Message, PythonTests, Task
from sentinel_pipeline.review.approved import approved_rows
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide, revise, undo
from sentinel_pipeline.review.exporting import release, write_export
from sentinel_pipeline.review.firewall import released_corrections, retired_items
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import Conflict, ReviewQueue, User
from sentinel_pipeline.store import read_jsonl, read_parquet
from sentinel_pipeline_tests.review.material import SEED_RECORD, Clock, record, write_lines
from sentinel_pipeline_tests.review.test_queue import ANN, BOB, passed


@pytest.fixture
def desk(db: Database, clock: Clock, tmp_path: Path) -> ReviewQueue:
    desk = ReviewQueue(db=db, clock=clock)
    import_file(
        desk, write_lines(tmp_path / "a.jsonl", [record(n) for n in range(4)]), actor="import"
    )
    return desk


def approve(desk: ReviewQueue, card_id: str, text: str = "fine", user: User = ANN) -> None:
    passed(desk, card_id, text)
    decide(desk, user, card_id, 1, "approved", text)


def item(task_id: str, prompt: str, suite: str = "smoke", reference: str = "") -> Task:
    return Task(
        id=task_id, suite=suite, category="executable_code", family="f", messages=(Message("user", prompt),),
        verifier=PythonTests(tests="assert True"), reference=reference,
    )  # fmt: skip


def test_an_export_is_the_seeds_conversations_in_order_of_ids(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    approve(desk, "card-000002", "two")
    approve(desk, "card-000001", "one")
    decide(desk, ANN, "card-000000", 1, "discarded")
    decide(desk, ANN, "card-000003", 1, "model_rejected")
    first = write_export(release(desk, "retire", actor="ann"), tmp_path / "x")
    rows = list(read_jsonl(tmp_path / "x" / "corrections.jsonl"))
    assert rows == [
        {
            "messages": [
                {"role": "user", "content": f"Say the number {n} in words."},
                {"role": "assistant", "content": t},
            ]
        }
        for n, t in ((1, "one"), (2, "two"))
    ]
    assert list(read_parquet(tmp_path / "x" / "corrections.parquet")) == rows
    lineage = list(read_jsonl(tmp_path / "x" / "corrections.lineage.jsonl"))
    assert [(row["line"], row["card_id"], row["decided_by"]) for row in lineage] == [
        (1, "card-000001", "ann"), (2, "card-000002", "ann"),
    ]  # fmt: skip
    assert write_export(release(desk, "retire", actor="bob"), tmp_path / "y") == first
    assert (tmp_path / "x" / "corrections.parquet").read_bytes() == (
        tmp_path / "y" / "corrections.parquet"
    ).read_bytes()


def test_the_order_of_import_and_decision_does_not_show(desk: ReviewQueue, tmp_path: Path) -> None:
    other = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'other.sqlite'}"))
    import_file(
        other, write_lines(tmp_path / "b.jsonl", [record(n) for n in (3, 1, 2)]), actor="import"
    )
    for number in (1, 2, 3):
        approve(desk, f"card-{number:06d}")
        approve(other, f"card-{4 - number:06d}", user=BOB)
    assert write_export(release(desk, "retire", actor="ann"), tmp_path / "x") == write_export(
        release(other, "retire", actor="bob"), tmp_path / "y"
    )


def test_an_export_loads_in_datasets_and_has_the_form_that_trl_trains_on(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    approve(desk, "card-000001", "one")
    write_export(release(desk, "retire", actor="ann"), tmp_path)
    for kind, name in (("json", "corrections.jsonl"), ("parquet", "corrections.parquet")):
        rows = load_dataset(
            kind, data_files=str(tmp_path / name), split="train", cache_dir=str(tmp_path / "cache")
        )
        assert rows.num_rows == 1 and is_conversational(rows[0])
        assert rows[0]["messages"][-1] == {"role": "assistant", "content": "one"}


def test_cards_that_wait_for_a_second_opinion_do_not_leave(db: Database, tmp_path: Path) -> None:
    desk = ReviewQueue(db=db, second_share=1.0)
    import_file(
        desk, write_lines(tmp_path / "b.jsonl", [record(n) for n in range(3)]), actor="import"
    )
    for number in range(3):
        approve(desk, f"card-{number:06d}")
    passed(desk, "card-000000", "fine")
    decide(desk, BOB, "card-000000", 2, "approved", "fine")
    decide(desk, BOB, "card-000001", 2, "discarded")
    out = release(desk, "retire", actor="ann")
    assert ([row.record.id for row in out.rows], out.waiting) == (["card-000000"], 2)


def test_withheld_means_that_nothing_leaves_and_nothing_is_retired(desk: ReviewQueue) -> None:
    approve(desk, "card-000001")
    out = release(desk, "withhold", actor="ann")
    assert (out.rows, out.withheld, out.new) == ([], 1, 0)
    assert released_corrections(desk) == []
    assert release(desk, "retire", actor="ann").new == 1
    again = release(desk, "withhold", actor="ann")
    assert (len(again.rows), again.withheld, again.new) == (1, 0, 0), (
        "it left before: its item is gone already"
    )


def test_what_left_once_stays_retired_though_the_card_changes(desk: ReviewQueue) -> None:
    approve(desk, "card-000001")
    release(desk, "retire", actor="ann")
    revise(desk, ANN, "card-000001", 2, "discarded")
    assert release(desk, "retire", actor="ann").rows == []
    tasks = [item("task-1", "Say the number 1 in words.")]
    assert [row.task_id for row in retired_items(tasks, released_corrections(desk))] == ["task-1"]


PROMPT = (
    "Write a function merge_windows that takes a list of closed integer windows and returns the shortest list of windows "
    "that covers the same integers, sorted by their start, merging windows that touch or overlap each other."
)


def test_items_are_retired_by_name_and_by_likeness_and_others_are_not(
    db: Database, tmp_path: Path
) -> None:
    desk = ReviewQueue(db=db)
    row = record(1, task_id="smoke/1", prompt_messages=[{"role": "user", "content": PROMPT}])
    import_file(desk, write_lines(tmp_path / "b.jsonl", [row]), actor="import")
    code = "def merge_windows(windows):\n    out = []\n    for a, b in sorted(windows):\n        out.append((a, b))\n"
    code += "    return out\n"
    approve(desk, "card-000001", code)
    release(desk, "retire", actor="ann")
    renamed = code.replace("windows", "spans").replace("out", "result")
    tasks = [
        item("smoke/1", "reworded beyond recognition"),
        item("twin", PROMPT.upper(), suite="heldout"),
        item("near", PROMPT.replace("sorted by their start, ", ""), suite="heldout"),
        item("solved", "Another wording altogether.", reference=renamed),
        item(
            "free",
            "Write a function that reverses a string.",
            reference="def reverse(s):\n    return s[::-1]\n",
        ),
    ]
    found = {row.task_id: row.kind for row in retired_items(tasks, released_corrections(desk))}
    assert found == {
        "smoke/1": "item",
        "twin": "prompt",
        "near": "ngrams",
        "solved": "renamed_solution",
    }


def test_one_suites_item_does_not_retire_the_same_name_in_another_suite_that_is_known(
    db: Database, tmp_path: Path
) -> None:
    from sentinel_pipeline_tests.review.material import ADD_ONE

    desk = ReviewQueue(db=db)
    write_lines(tmp_path / "b.tasks.jsonl", [ADD_ONE.to_json()])
    import_file(desk, write_lines(tmp_path / "b.jsonl", [SEED_RECORD]), actor="import")
    approve(desk, SEED_RECORD["id"])
    release(desk, "retire", actor="ann")
    tasks = [
        item("code-function", "Quite another thing.", suite=suite) for suite in ("smoke", "heldout")
    ]
    assert [(row.suite, row.kind) for row in retired_items(tasks, released_corrections(desk))] == [
        ("smoke", "item")
    ]


CARDS = 5


class NeverBoth(RuleBasedStateMachine):
    """An item judges, or its correction has left: whatever people and recipes do, in whatever
    order."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        folder = Path(tempfile.mkdtemp())
        self.desk = ReviewQueue(db=Database(f"sqlite:///{folder / 'q.sqlite'}"))
        rows = [
            record(n, prompt_messages=[{"role": "user", "content": f"{PROMPT} Case {n}."}])
            for n in range(CARDS)
        ]
        import_file(self.desk, write_lines(folder / "a.jsonl", rows), actor="import")
        self.items = [item(f"task-{n}", f"unlike {n}") for n in range(CARDS)]
        self.left: set[str] = set()

    def version(self, number: int) -> tuple[int, str]:
        from sentinel_pipeline_tests.review.test_queue import read_card_of

        card = read_card_of(self.desk, f"card-{number:06d}", ANN)
        return card.version, card.status

    @rule(
        number=st.integers(0, CARDS - 1),
        text=st.sampled_from(["a b", "c d"]),
        approve=st.booleans(),
    )
    def decision(self, number: int, text: str, approve: bool) -> None:
        version, status = self.version(number)
        name = f"card-{number:06d}"
        passed(self.desk, name, text)
        act = decide if status == "needs_review" else revise
        act(
            self.desk,
            ANN,
            name,
            version,
            "approved" if approve else "discarded",
            text if approve else None,
        )

    @rule()
    def take_back(self) -> None:
        try:
            undo(self.desk, ANN)
        except Conflict as error:
            assert "nothing to undo" in str(error)

    @rule(policy=st.sampled_from(["retire", "withhold"]))
    def export(self, policy: Literal["retire", "withhold"]) -> None:
        self.left |= {row.record.task_id for row in release(self.desk, policy, actor="x").rows}

    @invariant()
    def what_left_judges_no_longer_and_nothing_else_is_retired(self) -> None:
        retired = {
            row.task_id for row in retired_items(self.items, released_corrections(self.desk))
        }
        assert retired == self.left

    @precondition(lambda self: self.left)
    @invariant()
    def exports_are_only_ever_approved_corrections(self) -> None:
        with self.desk.db.reading() as connection:
            assert all(row.text.strip() for row in approved_rows(connection))

    def teardown(self) -> None:
        self.desk.db.close()


NeverBoth.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNeverBoth = NeverBoth.TestCase


def test_lineage_ids_are_the_ids_of_the_rows_that_the_mix_sees(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    approve(desk, "card-000001", "one")
    out = release(desk, "retire", actor="ann")
    write_export(out, tmp_path)
    line = json.loads((tmp_path / "corrections.lineage.jsonl").read_text())
    assert line["row_id"] == out.rows[0].candidate().id
    assert out.rows[0].candidate().source == "human"
