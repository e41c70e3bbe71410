"""What decisions say of single answers: corrections that left, what they correct, flagged models;
disputes say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline.review.answer_labels import labelled_answers
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.exporting import release
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import ReviewQueue
from sentinel_pipeline_tests.review.material import Clock, record, write_lines
from sentinel_pipeline_tests.review.test_queue import ANN, BOB, passed


@pytest.fixture
def queue(db: Database, clock: Clock, tmp_path: Path) -> ReviewQueue:
    queue = ReviewQueue(db=db, clock=clock)
    path = write_lines(tmp_path / "a.jsonl", [record(number) for number in range(4)])
    import_file(queue, path, actor="import")
    return queue


def labels(queue: ReviewQueue) -> list[tuple[str | None, str, bool, str]]:
    return [
        (row.task_id, row.completion, row.desirable, row.reason) for row in labelled_answers(queue)
    ]


def test_a_correction_and_a_flag_label_answers_and_a_discarded_card_does_not(
    queue: ReviewQueue,
) -> None:
    passed(queue, "card-000001", "one")
    decide(queue, ANN, "card-000001", 1, "approved", "one")
    decide(queue, ANN, "card-000002", 1, "discarded")
    decide(queue, ANN, "card-000003", 1, "model_rejected")
    release(queue, "retire", actor="ann")
    assert labels(queue) == [
        ("task-1", "one", True, "correction"),
        ("task-1", "answer 1", False, "corrected"),
        ("task-3", "answer 3", False, "flagged"),
    ]
    row = labelled_answers(queue)[0]
    assert (row.origin, row.messages[-1].content) == ("person", "Say the number 1 in words.")


def test_a_correction_that_has_not_left_the_queue_labels_nothing(queue: ReviewQueue) -> None:
    """Its benchmark item judges still: neither the correction nor what it corrects may train."""
    passed(queue, "card-000001", "one")
    decide(queue, ANN, "card-000001", 1, "approved", "one")
    assert labels(queue) == []
    release(queue, "withhold", actor="ann")
    assert labels(queue) == []
    release(queue, "retire", actor="ann")
    assert len(labels(queue)) == 2


def test_a_disputed_decision_labels_nothing_until_it_is_settled(
    db: Database, tmp_path: Path
) -> None:
    queue = ReviewQueue(db=db, second_share=1.0)
    path = write_lines(tmp_path / "b.jsonl", [record(number) for number in range(2)])
    import_file(queue, path, actor="import")
    for number in range(2):
        decide(queue, ANN, f"card-{number:06d}", 1, "model_rejected")
    assert labels(queue) == []
    decide(queue, BOB, "card-000000", 2, "model_rejected")
    decide(queue, BOB, "card-000001", 2, "discarded")
    assert labels(queue) == [("task-0", "answer 0", False, "flagged")]
