"""Failures beside their answers: the join on disk says what a walk over lists says, in the
failures' order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.records import Candidate, CriticLabels, Label, Message
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.store.labelled import with_answers

NAMES = st.sampled_from("abcd")
ROWS = st.lists(st.tuples(NAMES, st.none() | NAMES, st.none() | NAMES), max_size=12)
_NO = Label(False, "no")
NO = CriticLabels("x", _NO, _NO, _NO, _NO, _NO, _NO, _NO, "x")


def candidate(at: int, name: str, task: str | None, corrected_by: str | None = None) -> Candidate:
    return Candidate(
        id=name,
        source="s",
        messages=(Message("user", "ask"),),
        completion=f"{at}",
        task_id=task,
        corrected_by=corrected_by,
    )


@settings(max_examples=60)
@given(ROWS, ROWS)
def test_the_own_correction_else_the_first_answer_of_the_task(
    bad: list[tuple[str, str | None, str | None]], good: list[tuple[str, str | None, str | None]]
) -> None:
    failed = [candidate(at, *row) for at, row in enumerate(bad)]
    accepted = [candidate(at, name, task) for at, (name, task, _) in enumerate(good)]
    by_id = {one.id: one for one in accepted}
    by_task = {one.task_id: one for one in reversed(accepted) if one.task_id is not None}
    expected = [
        (one.completion, answer.completion)
        for one in failed
        if (answer := by_id.get(one.corrected_by or "") or by_task.get(one.task_id or ""))
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_parquet(folder / "a.parquet", (one.to_row() for one in accepted), "candidates")
        write_parquet(
            folder / "r.parquet",
            (one.to_row() | NO.to_row() | {"id": one.id} for one in failed),
            "rejected",
        )
        found = list(
            with_answers(folder / "r.parquet", folder / "a.parquet", folder / "scratch", 64)
        )
    assert [
        (Candidate.from_row(bad).completion, Candidate.from_row(answer).completion)
        for bad, answer in found
    ] == expected
    assert all(CriticLabels.from_row(bad).accepted.value is False for bad, _ in found)
