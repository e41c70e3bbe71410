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
from sqlalchemy import func, select, update

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Message
from sentinel_pipeline.records.sft_candidate import SftCandidate
from sentinel_pipeline.review import importing
from sentinel_pipeline.review.blind import add_batch, next_item
from sentinel_pipeline.review.cards import read_card, trail
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide, revise
from sentinel_pipeline.review.exporting import release, write_export
from sentinel_pipeline.review.importing import Imported, files_of, import_file
from sentinel_pipeline.review.review_queue import Refused, ReviewQueue, User
from sentinel_pipeline.review.schema import bodies, cards, corrections, quarantine
from sentinel_pipeline.review.summary import approved_waiting
from sentinel_pipeline.review.trail import check_trail
from sentinel_pipeline.secrets import MASK
from sentinel_pipeline.store import read_jsonl
from sentinel_pipeline_tests.review.material import ADD_ONE, SEED_RECORD, Clock, record, write_lines
from sentinel_pipeline_tests.review.test_queue import passed

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
        ({"": 1}, "record: an extra key: is empty"),
        ({"sur\u202eprise": 1}, "record: an extra key: holds characters that cannot be printed"),
        ({"surprise": float("nan")}, "record: surprise: holds NaN or Infinity"),
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


OWN_KEYS = {
    "reviewer_hint": "off by one",
    "latency": {"first": 0.2, "all": [1, 2, None]},
    "extra": {"extra": True},
    "taken_at": 3,
}
"""Keys that the labelling request does not name, among them some that tables of ours have."""


def test_keys_that_the_request_does_not_name_travel_with_the_card_and_out_again(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "a.jsonl", [SEED_RECORD | OWN_KEYS, record(2)])
    assert import_file(desk, path, actor="ann") == Imported(2, extra=1)
    assert import_file(desk, path, actor="ann") == Imported(0, 2)
    name = SEED_RECORD["id"]
    with desk.db.reading() as connection:
        card = read_card(connection, desk, name, ANN)
    assert card.record.to_json() == SEED_RECORD | OWN_KEYS
    assert card.record.extra == OWN_KEYS
    passed(desk, name, "fine")
    decide(desk, ANN, name, 1, "approved", "fine")
    write_export(release(desk, "retire", actor="ann"), tmp_path / "out")
    (line,) = read_jsonl(tmp_path / "out" / "corrections.lineage.jsonl")
    assert line["extra"] == OWN_KEYS
    (row,) = read_jsonl(tmp_path / "out" / "corrections.jsonl")
    assert list(row) == ["messages"], "what trains has the form that was asked for, and no more"


def test_another_value_of_a_key_of_its_own_is_another_content(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    import_file(desk, write_lines(tmp_path / "a.jsonl", [record(1, hint="a")]), actor="ann")
    path = write_lines(tmp_path / "b.jsonl", [record(1, hint="b"), record(1, hint="a")])
    assert import_file(desk, path, actor="ann") == Imported(0, 1, 1)


def test_a_key_of_its_own_hides_no_secret_and_no_surrogate_stops_an_export(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    key = "gh" + "p_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
    row = record(1, env={"token": key}, odd="\ud800", status="approved", corrected_response="one")
    path = write_lines(tmp_path / "a.jsonl", [row])
    import_file(desk, path, actor="ann", trust_approved=True)
    write_export(release(desk, "retire", actor="ann"), tmp_path / "out")
    (line,) = read_jsonl(tmp_path / "out" / "corrections.lineage.jsonl")
    assert line["extra"] == {"env": {"token": MASK}, "odd": "?"}
    with desk.db.reading() as connection:
        assert key not in str(connection.execute(select(bodies)).all())


def test_what_a_card_can_do_without_may_be_absent(desk: ReviewQueue, tmp_path: Path) -> None:
    optional = (
        "source", "timestamp", "quality_score", "task_name", "model_name", "node_id", "gpu_id", "tokens_per_sec",
    )  # fmt: skip
    row = {key: value for key, value in SEED_RECORD.items() if key not in optional}
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", [row]), actor="ann").imported == 1
    with desk.db.reading() as connection:
        card = read_card(connection, desk, SEED_RECORD["id"], ANN)
    assert card.record.quality_score is None and card.record.tokens_per_sec is None
    assert {key: card.record.to_json()[key] for key in row} == row
    nothing = SEED_RECORD | dict.fromkeys(optional[2:], None) | {"task_name": "", "model_name": ""}
    nothing |= {"source": "", "timestamp": ""}
    path = write_lines(tmp_path / "b.jsonl", [nothing])
    assert import_file(desk, path, actor="ann") == Imported(0, 1), "absent and null are the same"


def test_a_misspelt_key_that_is_needed_is_named_with_its_near_one(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    row = record(1)
    row["model_reponse"] = row.pop("model_response")
    assert import_file(desk, write_lines(tmp_path / "a.jsonl", [row]), actor="ann").quarantined == 1
    assert reasons(desk)[0][1] == (
        "record: model_response: is missing and has no default. The line has 'model_reponse': rename it"
    )


@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        ),
    )
)
def test_any_further_keys_are_read_back_as_they_are(further: dict[str, object]) -> None:
    line = json.dumps({key: value for key, value in further.items() if key not in SEED_RECORD})
    data = SEED_RECORD | json.loads(line)
    assert SftCandidate.from_json(data).to_json() == data


def test_a_line_that_is_nested_too_deeply_is_quarantined(desk: ReviewQueue, tmp_path: Path) -> None:
    deep = json.dumps(record(1))[:-1] + ', "deep": ' + "[" * 900 + "]" * 900 + "}"
    path = write_lines(tmp_path / "a.jsonl", [deep, record(2)])
    counts = import_file(desk, path, actor="ann")
    assert (counts.imported + counts.quarantined, counts.imported >= 1) == (2, True)


def test_decided_records_keep_their_status_and_secrets_stay_out(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    key = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    rows = [
        record(1, status="approved", corrected_response="one"),
        record(2, status="discarded"),
        record(3, status="approved", corrected_response=f"token = '{key}'"),
    ]
    path = write_lines(tmp_path / "a.jsonl", rows)
    counts = import_file(desk, path, actor="ann", trust_approved=True)
    assert counts == Imported(2, 0, 0, 1, drafts=0, trusted=1)
    with desk.db.reading() as connection:
        card = read_card(connection, desk, "card-000001", ANN)
    assert (card.status, card.correction, card.checked, card.decided_by) == (
        "approved",
        "one",
        "trusted",
        "import",
    )
    (event,) = trail(desk, card_id="card-000001")
    assert (event.actor, event.action) == ("ann", "trust-approved")
    assert "github_token" in reasons(desk)[0][1] and key not in reasons(desk)[0][1]


def test_what_a_file_approves_comes_in_as_a_draft_for_everybody(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [record(1, status="approved", corrected_response="one"), record(2)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert import_file(desk, path, actor="ann") == Imported(2, drafts=1)
    assert import_file(desk, path, actor="ann") == Imported(0, 2)
    for person in (ANN, User("bob", "reviewer")):
        with desk.db.reading() as connection:
            card = read_card(connection, desk, "card-000001", person)
        assert (card.status, card.decided_by, card.correction, card.draft) == (
            *("needs_review", None, None),
            "one",
        )
    with pytest.raises(Refused, match="the checks have not run on this text"):
        decide(desk, ANN, "card-000001", 1, "approved", "one")
    assert release(desk, "retire", actor="ann").rows == []
    passed(desk, "card-000001", "one")
    decide(desk, ANN, "card-000001", 1, "approved", "one")
    (row,) = release(desk, "retire", actor="ann").rows
    assert (row.text, row.decided_by, row.checked) == ("one", "ann", "form")


def test_a_file_that_is_trusted_later_approves_what_nobody_decided(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [record(n, status="approved", corrected_response="one") for n in range(3)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    import_file(desk, path, actor="ann")
    decide(desk, ANN, "card-000000", 1, "discarded")
    counts = import_file(desk, path, actor="eve", trust_approved=True)
    assert counts == Imported(0, 3, trusted=2)
    assert import_file(desk, path, actor="eve", trust_approved=True) == Imported(0, 3)
    exported = release(desk, "retire", actor="ann")
    assert [row.record.id for row in exported.rows] == ["card-000001", "card-000002"]
    assert (exported.trusted, exported.unseen) == (2, 0)
    assert [event.actor for event in trail(desk, card_id="card-000001")] == ["eve"]
    assert check_trail(desk.db).broken is None


def test_what_a_file_approved_when_files_were_believed_leaves_no_more_unseen(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [record(n, status="approved", corrected_response="one") for n in range(2)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    import_file(desk, path, actor="ann", trust_approved=True)
    with desk.db.writing() as connection:
        connection.execute(update(corrections).values(checked="import"))
    exported = release(desk, "retire", actor="ann")
    assert (exported.rows, exported.unseen) == ([], 2)
    assert approved_waiting(desk)[0] == 0
    passed(desk, "card-000000", "one")
    revise(desk, User("eve", "lead"), "card-000000", 1, "approved", "one")
    import_file(desk, write_lines(tmp_path / "b.jsonl", rows[1:]), actor="bob", trust_approved=True)
    exported = release(desk, "retire", actor="ann")
    assert [row.checked for row in exported.rows] == ["form", "trusted"]
    assert (exported.trusted, exported.unseen) == (1, 0)


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
