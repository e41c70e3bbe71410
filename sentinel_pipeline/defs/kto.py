"""The answers that KTO trains on, in the graph: what critic and people labelled, and the check that
none is a benchmark's. Its checkpoint is made as that of every stage that trains on rows
(``training``); skipped where the recipe does not use it."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from ..gates.fences import NO_ANSWER, decide_clean
from ..records.kto_spec import KtoSpec
from ..records.stages import KTO
from ..records.unpaired import UnpairedAnswer
from ..store import read_jsonl, read_parquet, skipped_reason
from .checks import record_fence
from .mix import suite_tasks, training_tasks
from .review import open_review_queue
from .stage import (
    CheckOutcome,
    Stage,
    View,
    recipe_asset,
    recipe_check,
    skipped_check,
)


@recipe_asset(
    group=KTO.name,
    rooms=["critic", "mix", "pairs", "review"],
    deps=["accepted_set", "rejected_set", "human_corrections", "task_bank"],
    kinds={"python", "parquet"},
)
def unpaired_rows(stage: Stage) -> None:
    """Single answers with a label: accepted and rejected by the critic, approved and flagged by
    people; none of a benchmark."""
    from ..pairs.unpaired import critic_answers, gather
    from ..review.answer_labels import labelled_answers

    if reason := stage.left_out(KTO.name):
        stage.skip(reason)
        return
    spec = stage.recipe.spec_of(KTO.name)
    assert isinstance(spec, KtoSpec)
    stage.require_licensed_scorers()
    names = ("accepted_set", "rejected_set", "human_corrections", "task_bank")
    accepted, rejected, corrections, bank = map(stage.parent, names)
    tables = accepted.path("accepted.parquet"), rejected.path("rejected.parquet")
    with open_review_queue(stage.home) as queue:
        people = labelled_answers(queue, stage.recipe.name)

    def read(tally: Counter[str]) -> Iterator[UnpairedAnswer]:
        return chain(people, critic_answers(*tables, tally))

    built = gather(
        read, suite_tasks(bank), spec.answers, stage.recipe.seed, relatives=training_tasks(bank)
    )
    with stage.making(accepted, rejected, corrections, bank) as out:
        out.metrics["rows"] = out.table(
            "rows.parquet", (answer.to_row() for answer in built.answers), "rows"
        )
        out.jsonl("train.jsonl", (answer.to_trl() for answer in built.answers))
        out.jsonl("labels.jsonl", (answer.to_label() for answer in built.answers))
        out.json("report.json", built.report.to_json())
        out.metrics |= {
            "desirable": sum(built.report.desirable.values()),
            "undesirable": sum(built.report.undesirable.values()),
            "contaminated": built.report.left_out["contaminated"],
        }
    stage.show("answers", built.report.to_markdown())


@recipe_check(KTO.trains_on, blocking=True)
def no_answer_from_a_benchmark(view: View) -> CheckOutcome:
    """Is every labelled answer free of items of a suite that judges the recipe, with one label, and
    are there both labels?"""
    from ..mix.decontam import decontaminate

    made = view.store.get(KTO.trains_on)
    if reason := skipped_reason(made):
        return skipped_check(KTO.trains_on, NO_ANSWER, reason)
    rows = read_parquet(made.path("rows.parquet"))
    labels = read_jsonl(made.path("labels.jsonl"))
    answers = [UnpairedAnswer.from_row(row, label) for row, label in zip(rows, labels, strict=True)]
    bank = view.store.get("task_bank")
    report = decontaminate(
        (answer.candidate() for answer in answers),
        suite_tasks(bank),
        relatives=training_tasks(bank),
        corpus=(),
    )
    repeated = len(answers) - len({answer.id for answer in answers})
    classes = Counter(answer.label for answer in answers)
    faults = {
        "overlap a suite": len(report.hits),
        "are repeated": repeated,
        "labels are missing": 2 - len(classes),
    }
    return record_fence(
        view,
        made,
        NO_ANSWER,
        decide_clean(len(answers), "answers", faults),
        desirable=classes["desirable"],
        undesirable=classes["undesirable"],
        contaminated=len(report.hits),
        repeated=repeated,
    )


KTO_CHECKS = [no_answer_from_a_benchmark]
