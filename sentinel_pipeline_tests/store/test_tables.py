"""Tables: what goes in comes out, in order, streaming; labels stand beside their candidates by
position."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.records import (
    Candidate,
    CriticLabels,
    Label,
    Message,
    PythonTests,
    Task,
    TextAnswer,
    Verifier,
)
from sentinel_pipeline.store import read_parquet, sha256_file, write_parquet
from sentinel_pipeline.store.labelled import (
    accepted_rows,
    count_labels,
    reject_reasons,
    rejected_rows,
)
from sentinel_pipeline.store.tables import ROW_GROUP


def candidate(index: int, completion: str = "x") -> Candidate:
    return Candidate(
        id=f"c{index}", source="file:a", messages=(Message("user", "hi"),), completion=completion
    )


def labels(index: int, accepted: bool | None, reason: str = "ok") -> CriticLabels:
    passed = Label(True, "ok")
    return CriticLabels(
        id=f"c{index}", syntax_pass=Label(accepted, reason), tests_pass=passed, entrypoint_match=passed,
        format_pass=passed, no_secret=passed, no_repetition=passed, accepted=Label(accepted, reason), scorer_version="s",
    )  # fmt: skip


@settings(max_examples=20)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=20))
def test_candidates_survive_their_table(
    tmp_path_factory: pytest.TempPathFactory, completions: list[str]
) -> None:
    path = tmp_path_factory.mktemp("t") / "candidates.parquet"
    rows = [candidate(i, text) for i, text in enumerate(completions)]
    assert write_parquet(path, (row.to_row() for row in rows), "candidates") == len(rows)
    assert [Candidate.from_row(row) for row in read_parquet(path)] == rows


def test_tasks_survive_their_table_with_any_verifier(tmp_path: Path) -> None:
    verifiers: list[Verifier] = [
        PythonTests(tests="assert f(1) == 1", entry_point="f"),
        TextAnswer(accepted=("a", "b")),
    ]
    tasks = [
        Task(
            id=str(i),
            suite="s",
            category="devops",
            family="f",
            messages=(Message("user", "q"),),
            verifier=v,
            reference="a",
        )
        for i, v in enumerate(verifiers)
    ]
    write_parquet(tmp_path / "t.parquet", (task.to_row() for task in tasks), "tasks")
    assert [Task.from_row(row) for row in read_parquet(tmp_path / "t.parquet")] == tasks


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_parquet(tmp_path / name, (candidate(i).to_row() for i in range(100)), "candidates")
    assert sha256_file(tmp_path / "a") == sha256_file(tmp_path / "b")


def test_a_table_that_fails_midway_does_not_exist(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield candidate(1).to_row()
        raise RuntimeError("source died")

    with pytest.raises(RuntimeError, match="source died"):
        write_parquet(tmp_path / "t.parquet", rows(), "candidates")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Path, Path]:
    """Over two row groups of candidates, two of them with one id: every third accepted, every fifth
    left open."""
    count = ROW_GROUP + 50
    outcome = {i: None if i % 5 == 0 else i % 3 == 0 for i in range(count)}
    ids = {i: 0 if i == 3 else i for i in range(count)}
    write_parquet(
        tmp_path / "c",
        ({**candidate(i).to_row(), "id": f"c{ids[i]}"} for i in range(count)),
        "candidates",
    )
    write_parquet(
        tmp_path / "l",
        (labels(ids[i], outcome[i], "syntax_error: x").to_row() for i in range(count)),
        "labels",
    )
    return tmp_path / "c", tmp_path / "l"


def test_accepted_and_rejected_divide_the_candidates_in_order(labelled: tuple[Path, Path]) -> None:
    accepted = [row["id"] for row in accepted_rows(*labelled)]
    rejected = [row["id"] for row in rejected_rows(*labelled)]
    count = ROW_GROUP + 50
    expected = [f"c{0 if i == 3 else i}" for i in range(count) if i % 5 and i % 3 == 0]
    assert accepted == expected
    assert len(accepted) + len(rejected) == count


def test_rejected_rows_carry_their_labels(labelled: tuple[Path, Path]) -> None:
    row = next(rejected_rows(*labelled))
    assert CriticLabels.from_row(row).syntax_pass == Label(None, "syntax_error: x")


def test_counts_and_reasons_say_what_happened(labelled: tuple[Path, Path]) -> None:
    counts = count_labels(labelled[1])
    assert sum(counts["accepted"].values()) == ROW_GROUP + 50
    assert counts["tests_pass"]["true"] == ROW_GROUP + 50
    assert reject_reasons(labelled[1])[0] == {
        "label": "syntax_pass", "code": "syntax_error", "rows": counts["syntax_pass"]["false"],
    }  # fmt: skip
