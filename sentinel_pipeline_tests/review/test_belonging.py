"""A correction enters the mixes of its own recipes and of no other; who said so stands in the
trail."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.review import schema
from sentinel_pipeline.review.answer_labels import labelled_answers
from sentinel_pipeline.review.backup import backup, restore
from sentinel_pipeline.review.belonging import assign, recipes_of
from sentinel_pipeline.review.cards import Filters, list_cards, trail
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.exporting import Exported, release
from sentinel_pipeline.review.importing import Imported, import_file
from sentinel_pipeline.review.review_queue import ReviewQueue, Unknown
from sentinel_pipeline.review.summary import approved_waiting, choices, summary
from sentinel_pipeline.review.trail import check_trail
from sentinel_pipeline_tests.review.material import Clock, record, write_lines
from sentinel_pipeline_tests.review.test_firewall import approve
from sentinel_pipeline_tests.review.test_queue import ANN


@pytest.fixture
def desk(db: Database, clock: Clock) -> ReviewQueue:
    return ReviewQueue(db=db, clock=clock)


def bring(
    desk: ReviewQueue, folder: Path, rows: list[dict[str, object]], *recipes: str
) -> Imported:
    path = write_lines(folder / "a.jsonl", rows)
    return import_file(desk, path, actor="ann", recipes=recipes)


def belonging(desk: ReviewQueue, number: int) -> tuple[str, ...]:
    with desk.db.reading() as connection:
        return recipes_of(connection, f"card-{number:06d}")


def ids(exported: Exported) -> list[str]:
    return [row.record.id for row in exported.rows]


def ours(number: int, model: str, source: str = "sentinel-benchmark") -> dict[str, object]:
    return record(number, source=source, model_id=model)


def test_a_mix_takes_the_corrections_of_its_recipe_and_counts_those_of_others(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    bring(desk, tmp_path, [record(1)], "mine")
    bring(desk, tmp_path, [record(2)], "theirs")
    bring(desk, tmp_path, [record(3)])
    bring(desk, tmp_path, [record(4)], "mine", "theirs")
    for number in range(1, 5):
        approve(desk, f"card-{number:06d}")
    mine = release(desk, "retire", actor="recipe:mine", recipe="mine")
    assert (ids(mine), mine.elsewhere, mine.unassigned) == (
        ["card-000001", "card-000004"], 1, 1,
    )  # fmt: skip
    theirs = release(desk, "retire", actor="recipe:theirs", recipe="theirs")
    assert (ids(theirs), theirs.new) == (["card-000002", "card-000004"], 1)
    everything = release(desk, "retire", actor="ann")
    assert len(everything.rows) == 4 and everything.elsewhere == everything.unassigned == 0


def test_each_recipe_waits_for_the_corrections_that_its_own_mixes_have_not_taken(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    bring(desk, tmp_path, [record(1), record(2)], "mine", "theirs")
    approve(desk, "card-000001")
    assert [approved_waiting(desk, name)[0] for name in ("mine", "theirs", "other")] == [1, 1, 0]
    release(desk, "retire", actor="recipe:mine", recipe="mine")
    assert [approved_waiting(desk, name)[0] for name in ("mine", "theirs")] == [0, 1]
    approve(desk, "card-000002")
    assert [approved_waiting(desk, name)[0] for name in ("mine", "theirs")] == [1, 2]


def test_labels_of_single_answers_belong_to_a_recipe_as_corrections_do(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    bring(desk, tmp_path, [record(1), record(2)], "mine")
    bring(desk, tmp_path, [record(3)], "theirs")
    approve(desk, "card-000001")
    for number in (2, 3):
        decide(desk, ANN, f"card-{number:06d}", 1, "model_rejected")
    release(desk, "retire", actor="recipe:mine", recipe="mine")
    assert [row.reason for row in labelled_answers(desk, "mine")] == [
        "correction", "corrected", "flagged",
    ]  # fmt: skip
    assert [row.task_id for row in labelled_answers(desk, "theirs")] == ["task-3"]


def test_a_failure_of_our_own_model_knows_its_recipe_and_a_foreign_one_is_nobodys(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [ours(1, "tiny/sft"), ours(2, "tiny:dpo", "chat"), record(3), ours(4, "no-stage")]
    bring(desk, tmp_path, [*rows, ours(5, "Qwen/Qwen2.5", "another-harness")])
    assert [belonging(desk, number) for number in range(1, 6)] == [
        ("tiny",), ("tiny",), (), (), (),
    ]  # fmt: skip
    assert summary(desk).unassigned == 3
    bring(desk, tmp_path, [ours(6, "tiny/sft")], "named")
    assert belonging(desk, 6) == ("named",), "who names a recipe decides"


def test_a_known_card_joins_the_recipes_of_a_later_import_once(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    assert bring(desk, tmp_path, [record(1), record(2)]) == Imported(2)
    assert bring(desk, tmp_path, [record(1), record(1)], "mine") == Imported(0, 2, joined=1)
    assert bring(desk, tmp_path, [record(1)], "mine") == Imported(0, 1)
    changed = record(2, model_response="another")
    assert bring(desk, tmp_path, [changed], "mine") == Imported(0, 0, 1), "it is another failure"
    assert (belonging(desk, 1), belonging(desk, 2)) == (("mine",), ())


def test_assigning_names_cards_by_what_they_are_and_stands_in_the_trail(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    rows = [record(n, benchmark_run_id=f"night-{n % 2}") for n in range(4)]
    bring(desk, tmp_path, rows)
    assert assign(desk, ["mine"], actor="command:ann", run="night-1", dry_run=True) == 2
    assert summary(desk).unassigned == 4
    assert assign(desk, ["mine", "theirs"], actor="command:ann", run="night-1") == 2
    assert assign(desk, ["mine"], actor="command:ann", unassigned=True, run="night-0") == 2
    assert (belonging(desk, 1), belonging(desk, 2)) == (("mine", "theirs"), ("mine",))
    assert assign(desk, ["mine"], actor="command:bob", card_ids=["card-000001"], remove=True) == 1
    assert belonging(desk, 1) == ("theirs",)
    event = trail(desk, most=1)[0]
    assert (event.actor, event.action, event.card_id) == ("command:bob", "assign", "card-000001")
    assert event.detail == {"recipes": ["mine"], "cards": 1, "remove": True}
    assert check_trail(desk.db).broken is None
    with pytest.raises(BadInput, match="nothing says which cards"):
        assign(desk, ["mine"], actor="command:ann")
    with pytest.raises(BadInput, match="Did you mean 'night-1'"):
        assign(desk, ["mine"], actor="command:ann", run="night-11")
    with pytest.raises(Unknown, match="no card 'card-9'"):
        assign(desk, ["mine"], actor="command:ann", card_ids=["card-9"])


def test_a_card_that_a_person_took_out_of_a_recipe_stays_out_until_a_person_lets_it_in(
    desk: ReviewQueue, tmp_path: Path
) -> None:
    bring(desk, tmp_path, [ours(6, "tiny/sft"), ours(7, "tiny/sft")])
    name = record(6)["id"]
    assert assign(desk, ["tiny"], actor="command:bob", card_ids=[name], remove=True) == 1
    again = bring(desk, tmp_path, [ours(6, "tiny/sft"), ours(7, "tiny/sft")])
    assert (again.duplicates, again.joined) == (2, 0)
    assert bring(desk, tmp_path, [ours(6, "tiny/sft")], "tiny").joined == 0
    assert (belonging(desk, 6), belonging(desk, 7)) == ((), ("tiny",))
    assert bring(desk, tmp_path, [ours(6, "tiny/sft")], "mine").joined == 1, "of that one only"
    assert assign(desk, ["tiny"], actor="command:bob", card_ids=[name]) == 1
    assert assign(desk, ["mine"], actor="command:bob", card_ids=[name], remove=True) == 1
    assert bring(desk, tmp_path, [ours(6, "tiny/sft")]).joined == 0
    assert belonging(desk, 6) == ("tiny",)


def test_the_page_filters_by_recipe(desk: ReviewQueue, tmp_path: Path) -> None:
    bring(desk, tmp_path, [record(1)], "mine")
    bring(desk, tmp_path, [record(2)], "theirs")
    assert choices(desk)["recipe"] == ["mine", "theirs"]
    (line,) = list_cards(desk, ANN, Filters(recipe="theirs"))
    assert line.id == "card-000002"


def old_queue(url: str, folder: Path) -> None:
    """A queue as version 3 left it: cards of both kinds, a correction that left."""
    database = Database(url)
    desk = ReviewQueue(db=database)
    bring(desk, folder, [ours(1, "tiny/sft"), ours(2, "tiny/base"), record(3)])
    approve(desk, "card-000001")
    release(desk, "retire", actor="ann")
    approve(desk, "card-000002")
    with database.writing() as connection:
        schema.card_recipes.drop(connection)
        connection.execute(schema.version.delete().where(schema.version.c.version > 3))
    database.close()


def test_the_cards_of_an_older_queue_get_the_recipe_that_their_record_names(
    url: str, tmp_path: Path
) -> None:
    old_queue(url, tmp_path)
    desk = ReviewQueue(db=Database(url))
    assert [belonging(desk, number) for number in (1, 2, 3)] == [("tiny",), ("tiny",), ()]
    assert approved_waiting(desk, "tiny")[0] == 1, "what left already is not proposed again"
    exported = release(desk, "retire", actor="recipe:tiny", recipe="tiny")
    assert ids(exported) == ["card-000001", "card-000002"]
    desk.db.close()


def test_a_backup_of_an_older_queue_is_read_by_the_same_rule(tmp_path: Path) -> None:
    source = ReviewQueue(db=Database(f"sqlite:///{tmp_path / 'source.sqlite'}"))
    bring(source, tmp_path, [ours(1, "tiny/sft"), record(3)], "named")
    backup(source, tmp_path / "new.gz")
    lines = gzip.decompress((tmp_path / "new.gz").read_bytes()).splitlines()
    rows = [json.loads(line) for line in lines]
    rows[0]["schema"] = 3
    del rows[-1]["end"]["card_recipes"]
    old = [row for row in rows if row.get("table") != "card_recipes"]
    (tmp_path / "old.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, old)).encode()))
    for name, expected in (("new", ("named",)), ("old", ("tiny",))):
        target = ReviewQueue(db=Database(f"sqlite:///{tmp_path / name}.sqlite"))
        restore(target, tmp_path / f"{name}.gz")
        assert belonging(target, 1) == expected
        target.db.close()
