"""The answers of KTO in the graph: from critic and people, none of a suite; skipped where the
recipe does not use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.kto import no_answer_from_a_benchmark
from sentinel_pipeline.defs.review import open_review_queue
from sentinel_pipeline.defs.stage import RECIPES
from sentinel_pipeline.records import Candidate, CriticLabels, Label, Message, Task
from sentinel_pipeline.records.candidate import content_id
from sentinel_pipeline.records.unpaired import UnpairedAnswer
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import User
from sentinel_pipeline.store import Artifact, Home, Store, read_jsonl, skipped_reason
from sentinel_pipeline.store.marks import mark
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.defs.test_licence import _license
from sentinel_pipeline_tests.review.material import record, write_lines

BANK = build(3, {"functions": 12, "chat": 12}, {"functions": 6, "chat": 6})
RECIPE = 'stages = ["sft", "kto"]\n[kto.answers]\nmin_per_class = 4\n'
YES, NO = Label(True, "ok"), Label(False, "assertion")


def candidate(task: Task, completion: str) -> Candidate:
    return Candidate(
        id=content_id(task.messages, completion),
        source="reference",
        messages=task.messages,
        completion=completion,
        task_id=task.id,
    )


def rejected_row(task: Task) -> dict[str, Any]:
    wrong = candidate(task, "nothing of the kind")
    labels = CriticLabels(wrong.id, YES, NO, YES, YES, YES, YES, NO, "v1").to_row()
    return {**labels, **wrong.to_row()}


@pytest.fixture
def store(home: Home) -> Store:
    """A run that has come to its accepted and rejected answers; one of either is an item of a
    suite."""
    (home.recipes / "mine.toml").write_text(RECIPE)
    store = Store(home, "mine", "run-1", "run-1")

    def make(asset: str) -> Any:
        return store.writing(asset, recipe_hash="r", seed=1)

    with make("task_bank") as out:
        (out.folder / "suites").mkdir()
        out.table("suites/heldout.parquet", (task.to_row() for task in BANK.heldout), "tasks")
        out.table("train.parquet", (task.to_row() for task in BANK.train), "tasks")
    good = [candidate(task, task.reference) for task in (*BANK.train[:12], BANK.heldout[0])]
    with make("accepted_set") as out:
        out.table("accepted.parquet", (row.to_row() for row in good), "candidates")
    with make("rejected_set") as out:
        bad = (*BANK.train[8:14], BANK.heldout[1])
        out.table("rejected.parquet", map(rejected_row, bad), "rejected")
    with make("human_corrections") as out:
        out.table("candidates.parquet", [], "candidates")
    _license(home)
    return store


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(home.state)) as instance:
        instance.add_dynamic_partitions(str(RECIPES.name), ["mine"])
        yield instance


def flag(home: Home, folder: Path) -> None:
    """Three answers whose model a reviewer flags: one of a chat, one to an item of a suite, and one
    of another recipe."""
    item = [turn.to_dict() for turn in BANK.heldout[2].messages]
    cards = [record(1, model_response="bad manners"), record(2, prompt_messages=item)]
    others = record(3, model_response="not for this recipe")
    with open_review_queue(home) as queue:
        for rows, recipe in ((cards, "mine"), ([others], "theirs")):
            path = write_lines(folder / "cards.jsonl", rows)
            import_file(queue, path, actor="import", recipes=[recipe])
        for row in [*cards, others]:
            decide(queue, User("ann", "reviewer"), row["id"], 1, "model_rejected")


def materialize(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    asset = defs.get_repository_def().assets_defs_by_key[dg.AssetKey("unpaired_rows")]
    return dg.materialize(
        [asset, no_answer_from_a_benchmark], partition_key="mine", instance=instance
    )


def check_of(done: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (check,) = done.get_asset_check_evaluations()
    return check


def made_by(home: Home) -> Artifact:
    return Store.reading(home, "mine").get("unpaired_rows")


def test_answers_of_critic_and_people_are_gathered_and_those_of_a_suite_are_not(
    instance: dg.DagsterInstance, home: Home, store: Store, tmp_path: Path
) -> None:
    flag(home, tmp_path)
    done = materialize(instance)
    made = made_by(home)
    rows = list(read_jsonl(made.path("train.jsonl")))
    labels = list(read_jsonl(made.path("labels.jsonl")))
    assert [row["label"] for row in rows] == [row["label"] == "desirable" for row in labels]
    people = [row["completion"][0]["content"] for row, label in zip(rows, labels, strict=True)
              if label["origin"] == "person"]  # fmt: skip
    assert people == ["bad manners"]
    assert made.json("report.json")["left_out"]["contaminated"] == 3
    counts = [made.manifest.metrics[name] for name in ("rows", "desirable", "undesirable")]
    assert counts == [19, 12, 7]
    assert {parent.asset for parent in made.manifest.parents} == {
        "accepted_set", "rejected_set", "human_corrections", "task_bank",
    }  # fmt: skip
    assert check_of(done).passed


def test_nothing_is_gathered_from_what_is_superseded(
    instance: dg.DagsterInstance, home: Home, store: Store
) -> None:
    accepted = store.get("accepted_set")
    mark(home, [accepted], "superseded", "labels of an old critic", marked_by="ann")
    with pytest.raises(dg.Failure, match="accepted_set/run-1 is superseded .labels of an old"):
        materialize(instance)
    mark(home, [accepted], "archived", "evidence", marked_by="ann")
    assert materialize(instance).success


def test_the_check_finds_an_answer_of_a_suite_whoever_wrote_the_rows(
    instance: dg.DagsterInstance, home: Home, store: Store
) -> None:
    leak = UnpairedAnswer(
        messages=BANK.heldout[0].messages,
        completion="leaked",
        desirable=True,
        origin="critic",
        source="file:a.jsonl",
        reason="accepted",
    )
    clean = replace(leak, messages=(Message("user", "Say something else."),), desirable=False)
    with store.writing("unpaired_rows", recipe_hash="r", seed=1) as out:
        out.table("rows.parquet", (answer.to_row() for answer in (leak, clean)), "rows")
        out.jsonl("labels.jsonl", (answer.to_label() for answer in (leak, clean)))

    @dg.asset(name="unpaired_rows", partitions_def=RECIPES)
    def made_already() -> None:
        pass

    done = dg.materialize(
        [made_already, no_answer_from_a_benchmark],
        partition_key="mine",
        instance=instance,
        raise_on_error=False,
    )
    check = check_of(done)
    assert not check.passed and "1 overlap a suite" in str(check.description)


def test_a_recipe_without_kto_skips_its_answers_and_their_check(
    instance: dg.DagsterInstance, home: Home, store: Store
) -> None:
    (home.recipes / "mine.toml").write_text('stages = ["sft"]\n')
    done = materialize(instance)
    reason = skipped_reason(made_by(home))
    assert reason is not None and "without kto" in reason
    assert done.success and done.get_asset_check_evaluations() == [], "skipped, not green"
