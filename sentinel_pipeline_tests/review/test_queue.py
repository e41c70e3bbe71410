"""Several people at one queue: no card to two of them, no decision lost or overwritten, every
change in the trail."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from sentinel_pipeline.critic.version import label_version
from sentinel_pipeline.records import LABELS
from sentinel_pipeline.review import checking, decisions
from sentinel_pipeline.review.cards import (
    Card,
    Filters,
    list_cards,
    progress,
    read_card,
    similar,
    trail,
)
from sentinel_pipeline.review.checking import Check, check, digest
from sentinel_pipeline.review.database import Database, upsert
from sentinel_pipeline.review.decisions import decide, recent, revise, undo
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.queue import next_card, open_card, renew, save_draft, skip
from sentinel_pipeline.review.review_queue import Conflict, Refused, ReviewQueue, Unknown, User
from sentinel_pipeline.review.schema import cards, checks, history
from sentinel_pipeline_tests.review.material import (
    ADD_ONE,
    GOOD,
    SEED_RECORD,
    Clock,
    record,
    write_lines,
)

ANN, BOB, EVE = User("ann", "reviewer"), User("bob", "reviewer"), User("eve", "lead")


@pytest.fixture
def desk(db: Database, clock: Clock, tmp_path: Path) -> ReviewQueue:
    desk = ReviewQueue(db=db, clock=clock)
    import_file(
        desk, write_lines(tmp_path / "a.jsonl", [record(n) for n in range(6)]), actor="import"
    )
    return desk


def passed(desk: ReviewQueue, card_id: str, text: str) -> None:
    """As if the critic had passed ``text``."""
    row = {"card_id": card_id, "digest": digest(text), "outcome": "pass", "labels": "{}"}
    with desk.db.writing() as connection:
        upsert(
            connection,
            checks,
            {**row, "scorer_version": label_version(), "checked_at": 0.0},
        )


def test_two_people_never_see_one_card_and_one_person_keeps_theirs(desk: ReviewQueue) -> None:
    first, second = next_card(desk, ANN), next_card(desk, BOB)
    assert first and second and first.record.id != second.record.id
    again = next_card(desk, ANN)
    assert again and again.record.id == first.record.id
    assert read_card_of(desk, first.record.id, BOB).lease_by == "ann"


def read_card_of(desk: ReviewQueue, card_id: str, user: User) -> Card:
    with desk.db.reading() as connection:
        return read_card(connection, desk, card_id, user)


def test_a_lease_ends_and_the_card_goes_to_the_next_person(desk: ReviewQueue, clock: Clock) -> None:
    mine = next_card(desk, ANN)
    assert mine
    clock.now += desk.lease_seconds - 1
    assert renew(desk, ANN, mine.record.id) == clock.now + desk.lease_seconds
    clock.now += desk.lease_seconds + 1
    taken = next_card(desk, BOB)
    assert taken and taken.record.id == mine.record.id
    with pytest.raises(Conflict, match="the card is with bob now"):
        renew(desk, ANN, mine.record.id)
    with pytest.raises(Conflict, match="the card is with bob now"):
        decide(desk, ANN, mine.record.id, mine.version, "discarded")


def test_who_lost_the_lease_to_nobody_loses_no_work(desk: ReviewQueue, clock: Clock) -> None:
    mine = next_card(desk, ANN)
    assert mine
    clock.now += 10 * desk.lease_seconds
    assert decide(desk, ANN, mine.record.id, mine.version, "discarded").status == "discarded"


def test_claims_of_many_threads_are_all_different(db: Database, tmp_path: Path) -> None:
    desk = ReviewQueue(db=db)
    import_file(
        desk, write_lines(tmp_path / "b.jsonl", [record(n) for n in range(60)]), actor="import"
    )
    got: list[str] = []

    def work(name: str) -> None:
        for _ in range(6):
            card = next_card(desk, User(name, "reviewer"))
            assert card
            got.append(card.record.id)
            decide(desk, User(name, "reviewer"), card.record.id, card.version, "discarded")

    threads = [threading.Thread(target=work, args=(f"u{n}",)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 60 == len(set(got))
    with db.reading() as connection:
        assert (
            connection.execute(
                select(func.count()).where(cards.c.status == "discarded")
            ).scalar_one()
            == 60
        )


def test_a_decision_on_an_old_version_writes_nothing(desk: ReviewQueue) -> None:
    card = next_card(desk, ANN)
    assert card
    decide(desk, ANN, card.record.id, card.version, "discarded")
    with pytest.raises(Conflict, match="the card was decided by ann: discarded"):
        decide(desk, ANN, card.record.id, card.version, "model_rejected")
    with pytest.raises(Conflict):
        revise(desk, ANN, card.record.id, card.version, "model_rejected")
    assert read_card_of(desk, card.record.id, ANN).status == "discarded"


def test_approving_needs_a_correction_that_passed_its_checks(desk: ReviewQueue) -> None:
    card = next_card(desk, ANN)
    assert card
    name = card.record.id
    with pytest.raises(Refused, match="an approval needs a correction"):
        decide(desk, ANN, name, 1, "approved", "  ")
    with pytest.raises(Refused, match="the checks have not run on this text"):
        decide(desk, ANN, name, 1, "approved", "one")
    with pytest.raises(Refused, match="has no correction"):
        decide(desk, ANN, name, 1, "discarded", "one")
    passed(desk, name, "one")
    with pytest.raises(Refused, match="the checks have not run on this text"):
        decide(desk, ANN, name, 1, "approved", "one!")
    with desk.db.writing() as connection:
        connection.execute(update(checks).values(scorer_version="older"))
    with pytest.raises(Refused, match="the checks have not run on this text"):
        decide(desk, ANN, name, 1, "approved", "one")
    passed(desk, name, "one")
    assert decide(desk, ANN, name, 1, "approved", "one") == decisions.Made(
        name, "approved", 2, None
    )
    assert read_card_of(desk, name, ANN).correction == "one"


def test_the_tasks_own_tests_judge_a_correction(tmp_path: Path) -> None:
    desk = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'q.sqlite'}"))
    write_lines(tmp_path / "a.tasks.jsonl", [ADD_ONE.to_json()])
    import_file(desk, write_lines(tmp_path / "a.jsonl", [SEED_RECORD]), actor="import")
    name = SEED_RECORD["id"]
    wrong = check(desk, ANN, name, SEED_RECORD["model_response"])
    assert (wrong.outcome, wrong.tested) == ("fail", True)
    assert wrong.reason.startswith("tests_pass: assertion"), wrong.reason
    with pytest.raises(Refused, match="the checks do not pass: tests_pass: assertion"):
        decide(desk, ANN, name, 1, "approved", SEED_RECORD["model_response"])
    right = check(desk, ANN, name, GOOD)
    assert (right.outcome, right.reason) == ("pass", "passes its tests")
    assert decide(desk, ANN, name, 1, "approved", GOOD).status == "approved"
    assert read_card_of(desk, name, ANN).checked == "tests"


def test_a_correction_with_a_secret_is_refused_with_the_reason(desk: ReviewQueue) -> None:
    key = "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    found = check(desk, ANN, "card-000001", f"use {key}")
    assert (
        found.outcome == "fail" and found.reason == "no_secret: secret: github_token at character 4"
    )
    with pytest.raises(Refused, match="no_secret: secret: github_token at character 4"):
        decide(desk, ANN, "card-000001", 1, "approved", f"use {key}")


def test_infrastructure_is_neither_pass_nor_fail(desk: ReviewQueue) -> None:
    from sentinel_pipeline.records import CriticLabels, Label

    card = read_card_of(desk, "card-000001", ANN)
    fine = dict.fromkeys(LABELS, Label(True, "ok"))
    open_one = fine | {
        "tests_pass": Label(None, "infra: worker died"),
        "accepted": Label(None, "infra"),
    }
    found = checking.judge(
        card, "one", lambda _: CriticLabels(id="x", scorer_version="1", **open_one)
    )
    assert (found.outcome, found.reason) == ("infra", "tests_pass: infra: worker died")
    assert Check("infra", True, {}).reason.startswith("infra")


def test_undo_brings_the_card_and_the_text_back(desk: ReviewQueue) -> None:
    card = next_card(desk, ANN)
    assert card
    name = card.record.id
    save_draft(desk, ANN, name, "one")
    passed(desk, name, "one")
    decide(desk, ANN, name, 1, "approved", "one")
    assert read_card_of(desk, name, ANN).draft is None
    back = undo(desk, ANN)
    assert (back.status, back.correction, back.draft, back.lease_by, back.version) == (
        "needs_review", None, "one", "ann", 3,
    )  # fmt: skip
    with pytest.raises(Conflict, match="nothing to undo"):
        undo(desk, ANN)
    assert [event.action for event in trail(desk, card_id=name)] == ["undo", "decide"]


def test_undo_goes_back_step_by_step_through_changes_of_mind(desk: ReviewQueue) -> None:
    passed(desk, "card-000000", "zero")
    decide(desk, ANN, "card-000000", 1, "approved", "zero")
    decide(desk, ANN, "card-000001", 1, "discarded")
    revise(desk, ANN, "card-000000", 2, "model_rejected")
    assert undo(desk, ANN).record.id == "card-000000"
    card = read_card_of(desk, "card-000000", ANN)
    assert (card.status, card.correction, card.checked) == ("approved", "zero", "form")
    assert undo(desk, ANN).record.id == "card-000001"
    assert undo(desk, ANN).record.id == "card-000000"
    assert read_card_of(desk, "card-000000", ANN).status == "needs_review"


def test_undo_never_undoes_what_somebody_did_after(desk: ReviewQueue) -> None:
    decide(desk, ANN, "card-000000", 1, "discarded")
    revise(desk, EVE, "card-000000", 2, "model_rejected")
    with pytest.raises(Conflict, match="the card was decided by eve: model_rejected"):
        undo(desk, ANN)
    assert read_card_of(desk, "card-000000", ANN).status == "model_rejected"


def test_only_the_last_ten_own_decisions_can_be_changed_but_by_a_lead(
    db: Database, tmp_path: Path
) -> None:
    desk = ReviewQueue(db=db)
    import_file(
        desk, write_lines(tmp_path / "b.jsonl", [record(n) for n in range(12)]), actor="import"
    )
    for number in range(11):
        decide(desk, ANN, f"card-{number:06d}", 1, "discarded")
    assert [row.card_id for row in recent(desk, ANN)] == [f"card-{n:06d}" for n in range(10, 0, -1)]
    revise(desk, ANN, "card-000001", 2, "model_rejected")
    with pytest.raises(Refused, match="only your own last 10"):
        revise(desk, ANN, "card-000000", 2, "model_rejected")
    with pytest.raises(Refused):
        revise(desk, BOB, "card-000010", 2, "model_rejected")
    assert revise(desk, EVE, "card-000000", 2, "model_rejected").version == 3


def test_drafts_are_kept_for_each_person_whoever_holds_the_card(desk: ReviewQueue) -> None:
    card = next_card(desk, ANN)
    assert card
    save_draft(desk, ANN, card.record.id, "ann's\x00\ud800")
    save_draft(desk, BOB, card.record.id, "bob's")
    assert read_card_of(desk, card.record.id, ANN).draft == "ann's\x00\ud800"
    assert read_card_of(desk, card.record.id, BOB).draft == "bob's"
    assert [line.id for line in list_cards(desk, BOB, Filters(place="draft"))] == [card.record.id]
    save_draft(desk, BOB, card.record.id, "")
    assert progress(desk, BOB).drafts == 0
    assert progress(desk, ANN).drafts == 1


def test_skipped_cards_come_back_when_all_others_are_gone(desk: ReviewQueue) -> None:
    first = next_card(desk, ANN)
    assert first
    skip(desk, ANN, first.record.id)
    skip(desk, ANN, first.record.id)
    seen = []
    for _ in range(5):
        card = next_card(desk, ANN)
        assert card
        seen.append(card.record.id)
        decide(desk, ANN, card.record.id, card.version, "discarded")
    assert first.record.id not in seen
    last = next_card(desk, ANN)
    assert last and last.record.id == first.record.id
    decide(desk, ANN, last.record.id, last.version, "discarded")
    assert next_card(desk, ANN) is None


def test_filters(db: Database, tmp_path: Path) -> None:
    desk = ReviewQueue(db=db)
    rows = [
        record(0, quality_score=0.39, model_id="m1"),
        record(1, quality_score=0.4, task_type="shell"),
        record(2, quality_score=0.7, model_response="100% of Größe_x"),
        record(3, quality_score=None, benchmark_run_id="other"),
    ]
    import_file(desk, write_lines(tmp_path / "b.jsonl", rows), actor="import")

    def ids(**wanted: Any) -> list[str]:
        return [line.id[-1] for line in list_cards(desk, ANN, Filters(**wanted))]

    assert [ids(score=band) for band in ("red", "orange", "yellow")] == [["0"], ["1"], ["2", "3"]]
    assert (
        ids(model="m1") == ["0"] and ids(task_type="shell") == ["1"] and ids(run="other") == ["3"]
    )
    assert (
        ids(text="GRÖSSE_") == ["2"]
        and ids(text="größe_X 100%") == ["2"]
        and ids(text="100_") == []
    )
    assert ids(text="number") == ["0", "1", "2", "3"]
    decide(desk, ANN, "card-000001", 1, "discarded")
    assert ids(place="done") == ["1"] and ids(place="done", status="approved") == []
    assert [line.id[-1] for line in similar(desk, "card-000000")] == ["2", "3"]


def test_a_second_opinion_is_blind_and_a_lead_settles_a_dispute(
    db: Database, clock: Clock, tmp_path: Path
) -> None:
    desk = ReviewQueue(db=db, clock=clock, second_share=1.0)
    import_file(
        desk, write_lines(tmp_path / "b.jsonl", [record(n) for n in range(2)]), actor="import"
    )
    assert decide(desk, ANN, "card-000000", 1, "discarded").second == "wanted"
    assert next_card(desk, ANN, Filters(place="second")) is None
    card = next_card(desk, BOB, Filters(place="second"))
    assert card and (card.blind, card.status, card.decided_by, card.correction) == (
        True,
        "needs_review",
        None,
        None,
    )
    assert list_cards(desk, BOB, Filters(place="done")) == []
    made = decide(desk, BOB, card.record.id, card.version, "model_rejected")
    assert (made.second, read_card_of(desk, card.record.id, BOB).status) == (
        "disputed",
        "discarded",
    )
    assert decisions.opinions_of(desk, card.record.id) == [
        ("ann", "discarded"),
        ("bob", "model_rejected"),
    ]
    settled = revise(desk, EVE, card.record.id, made.version, "model_rejected")
    assert (settled.status, settled.second) == ("model_rejected", "settled")
    assert undo(desk, EVE).second == "disputed"


def test_undo_of_a_second_opinion_asks_for_it_again(
    db: Database, clock: Clock, tmp_path: Path
) -> None:
    desk = ReviewQueue(db=db, clock=clock, second_share=1.0)
    import_file(desk, write_lines(tmp_path / "b.jsonl", [record(0)]), actor="import")
    decide(desk, ANN, "card-000000", 1, "discarded")
    decide(desk, BOB, "card-000000", 2, "discarded")
    assert read_card_of(desk, "card-000000", ANN).second == "agreed"
    back = undo(desk, BOB)
    assert (back.blind, back.second) == (True, "wanted")
    assert decisions.opinions_of(desk, "card-000000") == [("ann", "discarded")]


def test_the_share_of_second_opinions_is_about_what_was_asked(desk: ReviewQueue) -> None:
    third = replace(desk, second_share=0.3)
    chosen = sum(decisions.second_wanted(third, f"card-{n}") for n in range(2000))
    assert 500 < chosen < 700
    assert not any(decisions.second_wanted(desk, f"card-{n}") for n in range(100))


def test_unknown_cards_are_named_as_such(desk: ReviewQueue) -> None:
    for attempt in (
        lambda: open_card(desk, ANN, "no\x00such\ud800"),
        lambda: decide(desk, ANN, "nope", 1, "discarded"),
        lambda: save_draft(desk, ANN, "nope", "x"),
        lambda: similar(desk, "nope"),
        lambda: check(desk, ANN, "nope", "x"),
    ):
        with pytest.raises(Unknown, match="there is no card"):
            attempt()


def test_opening_another_card_gives_the_first_one_back(desk: ReviewQueue) -> None:
    first = next_card(desk, ANN)
    assert first
    other = open_card(desk, ANN, "card-000004")
    assert other.lease_by == "ann"
    assert read_card_of(desk, first.record.id, BOB).lease_by is None
    assert open_card(desk, BOB, "card-000004").lease_by == "ann"


def test_the_trail_holds_every_change(desk: ReviewQueue) -> None:
    decide(desk, ANN, "card-000000", 1, "discarded")
    revise(desk, EVE, "card-000000", 2, "model_rejected")
    with desk.db.reading() as connection:
        assert connection.execute(select(func.count()).select_from(history)).scalar_one() == 3
    newest = trail(desk)[0]
    assert (newest.actor, newest.action, newest.detail["before"]["status"]) == (
        "eve",
        "revise",
        "discarded",
    )
