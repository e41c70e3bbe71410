"""The stream of raw candidates: every source is in it, nothing is judged, nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.candidates.raw import raw_candidates
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Candidate, Quarantined, Task
from sentinel_pipeline.records.data_spec import CandidatesSpec, HubSource
from sentinel_pipeline.tasks.families import FAMILIES
from sentinel_pipeline.tasks.task_bank import build

TASKS = build(21, {family.name: 40 for family in FAMILIES}, {}).train
ROW = json.dumps({"prompt": "Say hi.", "response": "hi"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mine.jsonl").write_text(f"{ROW}\nnot json\n{ROW}\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(f"{ROW}\n{ROW}\n{ROW}\n")
    return tmp_path


def test_all_four_sources_are_in_one_stream(root: Path) -> None:
    spec = CandidatesSpec(
        corrupted_share=0.5, files=("mine.jsonl",), hub=(HubSource(name="set", limit=2),)
    )
    rows = list(raw_candidates(TASKS, spec, 3, root=root))
    sources = Counter(row.source for row in rows if isinstance(row, Candidate))
    assert sources["reference"] == 200 and 60 < sources["corrupted"] < 140
    assert sources["file:mine.jsonl"] == 2 and sources["hub:set"] == 2
    assert [(row.file, row.line) for row in rows if isinstance(row, Quarantined)] == [
        ("mine.jsonl", 2)
    ]


def test_only_corrupted_candidates_have_a_planted_defect() -> None:
    for row in raw_candidates(TASKS, CandidatesSpec(corrupted_share=1.0), 3):
        assert isinstance(row, Candidate) and (row.planted is not None) == (
            row.source == "corrupted"
        )


def test_ids_are_unique() -> None:
    ids = [
        row.id
        for row in raw_candidates(TASKS, CandidatesSpec(corrupted_share=2.0), 3)
        if isinstance(row, Candidate)
    ]
    assert len(ids) == len(set(ids)) == 600


def test_the_same_seed_gives_the_same_stream() -> None:
    spec = CandidatesSpec(corrupted_share=0.5)
    first, second, other = (list(raw_candidates(TASKS, spec, seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_a_corrupted_variant_follows_its_reference_and_keeps_task_and_verifier() -> None:
    rows = [
        row
        for row in raw_candidates(TASKS, CandidatesSpec(corrupted_share=1.0), 5)
        if isinstance(row, Candidate)
    ]
    for gold, dirty in zip(rows[::2], rows[1::2]):
        assert (gold.source, dirty.source, gold.task_id) == (
            "reference",
            "corrupted",
            dirty.task_id,
        )
        assert gold.verifier == dirty.verifier and gold.messages == dirty.messages


def source_of(row: object) -> str:
    assert isinstance(row, Candidate), row
    return row.source


def test_no_corruption_means_none() -> None:
    rows = raw_candidates(TASKS, CandidatesSpec(corrupted_share=0.0), 1)
    assert {source_of(row) for row in rows} == {"reference"}


def test_a_missing_file_of_the_recipe_is_bad_input(root: Path) -> None:
    with pytest.raises(BadInput, match="nowhere.jsonl: there is no such file"):
        list(raw_candidates((), CandidatesSpec(files=("nowhere.jsonl",)), 1, root=root))


def test_the_stream_is_lazy() -> None:
    def endless() -> Iterator[Task]:
        while True:
            yield TASKS[0]

    stream = raw_candidates(endless(), CandidatesSpec(corrupted_share=0.0), 1)
    assert [source_of(next(stream)) for _ in range(3)] == ["reference"] * 3
