"""Import: the seed's record comes in whole; nothing is lost, doubled or overwritten, however often
and wherever it stops."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Message
from sentinel_pipeline.records.sft_candidate import SftCandidate
from sentinel_pipeline.review import importing
from sentinel_pipeline.review.blind import add_batch, next_item
from sentinel_pipeline.review.cards import read_card
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.importing import Imported, files_of, import_file
from sentinel_pipeline.review.review_queue import ReviewQueue, User
from sentinel_pipeline.review.schema import bodies, cards, quarantine
from sentinel_pipeline.secrets import MASK
from sentinel_pipeline_tests.review.material import ADD_ONE, SEED_RECORD, Clock, record, write_lines

ANN = User("ann", "reviewer")


@pytest.fixture
def desk(db: Database, clock: Clock) -> ReviewQueue:
    return ReviewQueue(db=db, clock=clock)


def count(desk: ReviewQueue) -> int:
    with desk.db.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(cards)).scalar_one())


def reasons(desk: ReviewQueue) -> list[tuple[int, str]]:
    with desk.db.reading() as connection:
        rows = connection.execute(
            select(quarantine.c.line, quarantine.c.reason).order_by(quarantine.c.line)
        ).all()
    return [(row.line, row.reason) for row in rows]


def test_the_seeds_record_survives_key_for_key(desk: ReviewQueue, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    assert import_file(desk, path, actor="ann") == Imported(imported=1)
    with desk.db.reading() as connection:
        card = read_card(connection, desk, SEED_RECORD["id"], ANN)
    assert card.record.to_json() == SEED_RECORD
    assert list(card.record.to_json()) == list(SEED_RECORD)
    assert (card.status, card.version, card.correction) == ("needs_review", 1, None)


def test_a_card_holds_no_secret_and_its_file_may_come_again(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    key = "gh" + "p_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
    changes = {
        "model_response": f"token = '{key}'",
        "failure_reason": f"exception: {key}",
        "prompt_messages": [{"role": "user", "content": f"Use {key}."}],
    }
    path = write_lines(tmp_path / "sft_candidates.jsonl", [record(1, **changes), f"{{{key}"])
    assert import_file(desk, path, actor="ann") == Imported(imported=1, quarantined=1)
    assert import_file(desk, path, actor="ann") == Imported(duplicates=1, quarantined=1)
    with desk.db.reading() as connection:
        card = read_card(connection, desk, "card-000001", ANN)
        tables = [connection.execute(select(table)).all() for table in (bodies, quarantine)]
    assert card.record.model_response == f"token = '{MASK}'"
    assert card.record.prompt_messages[0].content == f"Use {MASK}."
    assert key.casefold() not in str(tables).casefold()


def test_turns_are_read_as_the_critic_reads_them(desk: ReviewQueue, tmp_path: Path) -> None:
    """Parts, a developer's turn, calls of tools and their results; what would be lost is
    quarantined by name."""
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Faro"}'}}
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Faro?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "21"},
    ]
    seen = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]
    rows = [
        record(1) | {"prompt_messages": turns},
        record(2) | {"prompt_messages": seen},
    ]
    path = write_lines(tmp_path / "sft_candidates.jsonl", rows)
    assert import_file(desk, path, actor="ann") == Imported(1, 0, 0, 1)
    with desk.db.reading() as connection:
        card = read_card(connection, desk, record(1)["id"], ANN)
    asked = card.record.prompt_messages
    assert [turn.role for turn in asked] == ["system", "user", "assistant", "tool"]
    assert asked[1].content == "Weather in Faro?" and "<tool_call>" in asked[2].content
    ((line, reason),) = reasons(desk)
    assert line == 2 and reason.endswith("prompt_messages[0].content: has parts that are not text")


def test_importing_again_changes_nothing(desk: ReviewQueue, tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "sft_candidates.jsonl", [record(n) for n in range(5)] + ["{broken"]
    )
    assert import_file(desk, path, actor="ann") == Imported(5, 0, 0, 1)
    assert import_file(desk, path, actor="ann") == Imported(0, 5, 0, 1)
    assert (count(desk), len(reasons(desk))) == (5, 1)


def test_a_changed_duplicate_is_reported_and_not_overwritten(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    import_file(desk, write_lines(tmp_path / "a.jsonl", [record(1)]), actor="ann")
    changed = record(1, model_response="another answer")
    elsewhere = record(1, timestamp="2027-01-01T00:00:00Z", tokens_per_sec=1.0, node_id=None)
    path = write_lines(tmp_path / "b.jsonl", [changed, elsewhere])
    assert import_file(desk, path, actor="ann") == Imported(0, 1, 1, 0)
    with desk.db.reading() as connection:
        assert read_card(connection, desk, "card-000001", ANN).record.model_response == "answer 1"
    line, reason = reasons(desk)[0]
    assert line == 1 and reason.startswith("changed: card-000001 is a card already")


def test_two_lines_of_one_id_in_one_file(desk: ReviewQueue, tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "a.jsonl", [record(1), record(1), record(1, failure_reason="other: reason")]
    )
    assert import_file(desk, path, actor="ann") == Imported(1, 1, 1, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"status": "done"},
            "record: status: 'done' is not a choice. Known: approved, discarded, model_rejected, needs_review",
        ),
        ({"quality_score": 1.5}, "record: quality_score: is 1.5, expected 0 to 1"),
        ({"quality_score": True}, "record: quality_score: expected float, got bool (True)"),
        ({"prompt_messages": []}, "record: prompt_messages: expected a non-empty list"),
        (
            {"prompt_messages": [{"role": "assistant", "content": "x"}]},
            "record: prompt_messages: ends with a turn of",
        ),
        ({"id": ""}, "record: id: expected 1 to 200 characters"),
        ({"id": "a\u202eb"}, "record: id: holds characters that cannot be printed"),
        ({"model_response": None}, "record: model_response: expected text, got null"),
        (
            {"status": "approved"},
            "record: corrected_response: status is approved, but there is no correction",
        ),
        (
            {"corrected_response": "x"},
            "record: corrected_response: expected null while status is needs_review",
        ),
        ({"surprise": 1}, "record: surprise: unknown key"),
    ],
)
def test_a_bad_record_is_quarantined_with_its_line_and_field(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"))
    path = write_lines(tmp_path / "a.jsonl", [record(1), record(2) | change, record(3)])
    assert import_file(desk, path, actor="ann") == Imported(2, 0, 0, 1)
    assert reasons(desk)[0][0] == 2
    assert reasons(desk)[0][1].startswith(reason), reasons(desk)


def test_an_absent_null_is_not_a_null(desk: ReviewQueue, tmp_path: Path) -> None:
    row = record(1)
    del row["corrected_response"]
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", [row]), actor="ann").quarantined == 1
    assert reasons(desk)[0][1] == "record: corrected_response: is missing and has no default"


def test_decided_records_keep_their_status_and_secrets_stay_out(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    key = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    rows = [
        record(1, status="approved", corrected_response="one"),
        record(2, status="discarded"),
        record(3, status="approved", corrected_response=f"token = '{key}'"),
    ]
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", rows), actor="ann") == Imported(
        2, 0, 0, 1
    )
    with desk.db.reading() as connection:
        card = read_card(connection, desk, "card-000001", ANN)
    assert (card.status, card.correction, card.checked, card.decided_by) == (
        "approved",
        "one",
        "import",
        "import",
    )
    assert "github_token" in reasons(desk)[0][1] and key not in reasons(desk)[0][1]


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil\u202c\x00\ud800 \U0001f600"


def test_hostile_text_comes_back_exactly(desk: ReviewQueue, tmp_path: Path) -> None:
    row = record(
        1, model_response=HOSTILE, failure_reason=f"odd\x00\ud800: {HOSTILE}", task_type=HOSTILE
    )
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", [row]), actor="ann").imported == 1
    with desk.db.reading() as connection:
        assert read_card(connection, desk, "card-000001", ANN).record.model_response == HOSTILE


def test_five_megabytes_are_a_card_and_nine_are_quarantined(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [record(1, model_response="x" * 5_000_000), record(2, model_response="x" * 9_000_000)]
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", rows), actor="ann") == Imported(
        1, 0, 0, 1
    )
    assert reasons(desk)[0][1].startswith("too_long")


def test_an_import_that_is_stopped_goes_on(
    desk: ReviewQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    path = write_lines(tmp_path / "a.jsonl", [record(n) for n in range(35)])

    def stop(_: int, counts: Imported) -> None:
        if counts.imported == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(desk, path, actor="ann", progress=stop)
    assert count(desk) == 20
    assert import_file(desk, path, actor="ann") == Imported(15, 20, 0, 0)


def test_tasks_beside_the_file_give_the_tests_and_complete_cards_later(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    import_file(desk, path, actor="ann")
    write_lines(tmp_path / "sft_candidates.tasks.jsonl", [ADD_ONE.to_json()])
    assert import_file(desk, path, actor="ann").duplicates == 1
    with desk.db.reading() as connection:
        card = read_card(connection, desk, SEED_RECORD["id"], ANN)
        suite = connection.execute(select(cards.c.suite)).scalar_one()
    assert card.task == ADD_ONE and suite == "smoke"


def test_damaged_tasks_stop_the_import_before_anything(desk: ReviewQueue, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    write_lines(tmp_path / "sft_candidates.tasks.jsonl", [{"task_id": "x"}])
    with pytest.raises(
        BadInput, match=r"tasks\.jsonl:1: not a task: suite: is missing and has no default"
    ):
        import_file(desk, path, actor="ann")
    assert count(desk) == 0


def test_a_folder_of_runs_is_found_and_an_empty_one_is_an_error(tmp_path: Path) -> None:
    for run in ("b", "a"):
        write_lines(tmp_path / run / "sft_candidates.jsonl", [])
    assert [path.parent.name for path in files_of(tmp_path)] == ["a", "b"]
    with pytest.raises(BadInput, match=r"holds no sft_candidates\.jsonl"):
        files_of(write_lines(tmp_path / "empty" / "other.jsonl", []).parent)
    with pytest.raises(BadInput, match="there is no such file"):
        files_of(tmp_path / "nowhere")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_reading_any_value_is_a_record_or_a_reason(value: object) -> None:
    with pytest.raises(ValueError):
        SftCandidate.from_json(value)


@given(
    st.sampled_from(sorted(SEED_RECORD)),
    st.none() | st.integers() | st.text() | st.lists(st.text()) | st.floats(),
)
def test_one_odd_field_is_read_back_the_same_or_refused_by_name(field: str, value: object) -> None:
    data = {**SEED_RECORD, field: value}
    try:
        read = SftCandidate.from_json(data)
    except ValueError as error:
        assert str(error).startswith((field, "corrected_response", "messages", "prompt_"))
    else:
        assert json.loads(json.dumps(read.to_json())) == json.loads(json.dumps(data))


@pytest.mark.parametrize("rows", [100_000])
def test_a_hundred_thousand_records_in_half_a_minute(tmp_path: Path, rows: int) -> None:
    """The bound is ten times the measured time: it fails on a wrong complexity, not on a busy
    machine."""
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"))
    path = write_lines(tmp_path / "a.jsonl", [record(n) for n in range(rows)])
    began = time.monotonic()
    assert import_file(desk, path, actor="ann").imported == rows
    assert time.monotonic() - began < 120
    with desk.db.reading() as connection:
        assert connection.execute(select(func.count()).select_from(bodies)).scalar_one() == rows


SHAPES: tuple[dict[str, object], ...] = (
    {"prompt": "Hi", "response": "Hello."},
    {"instruction": "Hi", "output": "Hello."},
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
    {"prompt_messages": [{"role": "user", "content": "Hi"}], "response": "Hello."},
)


def test_a_blind_batch_is_of_any_shape_that_the_critic_reads(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [{"id": f"i{at}", "judge": "good", **shape} for at, shape in enumerate(SHAPES)]
    path = tmp_path / "batch.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert add_batch(desk, path, name="shapes") == len(SHAPES)
    item = next_item(desk, ANN, "shapes")
    assert item is not None
    assert (item.messages, item.response) == ((Message("user", "Hi"),), "Hello.")


def _zipped(data: bytes) -> bytes:
    """Without the time of day, which two test processes would see differently."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x1f\x8bdamaged", "cannot be read on"),
        (_zipped(b'{"id": "a", "prompt": "x"}\n'), "not an item: shape"),
        (_zipped(b'{"id": 3, "prompt": "x", "response": "y"}\n'), "expected text in id"),
        (
            _zipped(b'{"id": "a", "judge": "so", "prompt": "x", "response": "y"}\n'),
            "judge: 'so'",
        ),
        (_zipped(b'{"id": "a", "prompt": "\\ud800", "response": "y"}\n'), "encoding"),
        (_zipped(b"\xff\n"), "encoding"),
        (_zipped(b"\n"), "holds no item"),
    ],
)
def test_a_blind_batch_that_cannot_be_read_is_refused_by_its_reason(
    desk: ReviewQueue, tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "batch.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=says):
        add_batch(desk, path, name="bad")
