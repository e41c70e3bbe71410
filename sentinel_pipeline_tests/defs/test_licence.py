"""Without a licence in the ledger labels divide nothing and no trainer starts; a failed licence is
as good as none."""

from __future__ import annotations

from functools import partial

import dagster as dg
import pytest

from sentinel_pipeline.audit.exam import Answer, Exam, Question, examine
from sentinel_pipeline.audit.licence import record_licences
from sentinel_pipeline.audit.scorers import SCORERS, present_version
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.stage import RECIPES, unlicensed
from sentinel_pipeline.store import Home, Ledger

QUESTIONS = (Question("g", "suite", True), Question("b", "canaries", False, ("bad",)))


def _answered(answers: list[Answer], items: object) -> list[Answer]:
    return answers


def _license(home: Home, *, but: str | None = None) -> None:
    for name in SCORERS:
        answers = [Answer(True, ()), Answer(name == but, ("bad",))]
        exam = Exam(name, present_version(name), QUESTIONS, partial(_answered, answers))
        record_licences(Ledger(home.ledger), [examine(exam)], exam="e", recipe="tiny", run_id="1")


def _refusal(asset: str) -> str:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(RECIPES.name), ["tiny"])
        found = defs.get_repository_def().assets_defs_by_key[dg.AssetKey(asset)]
        done = dg.materialize(
            [found], partition_key="tiny", instance=instance, raise_on_error=False
        )
        (failure,) = [event for event in done.all_events if event.is_step_failure]
    details = failure.step_failure_data.user_failure_data
    assert details is not None
    return str(details.description)


@pytest.mark.parametrize("asset", ["accepted_set", "rejected_set"])
def test_labels_divide_nothing_without_a_licence(home: Home, asset: str) -> None:
    assert "was never audited" in _refusal(asset)
    _license(home, but="sql_answer")
    assert "sql_answer" in _refusal(asset) and "known-bad answers accepted" in _refusal(asset)
    _license(home)
    assert unlicensed(Ledger(home.ledger)) is None
    assert "has no critic_labels yet" in _refusal(asset), "licensed, it asks for its input"
