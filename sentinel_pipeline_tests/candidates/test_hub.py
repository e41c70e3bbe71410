"""Hub data sets: a local folder reads like the hub, and no network is an error that says what to
do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel_pipeline.candidates import hub
from sentinel_pipeline.candidates.hub import read_hub
from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records import Candidate, Quarantined


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(5)] + [
        {"instruction": "Say nothing.", "input": "", "output": ""}
    ]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_local_folder_is_read_without_a_network(folder: Path) -> None:
    rows = list(read_hub("set", "train", root=folder))
    assert [type(row) for row in rows] == [Candidate] * 5 + [Quarantined]
    broken = rows[5]
    assert isinstance(broken, Quarantined)
    assert broken.line == 6 and "field 'output'" in broken.reason


def test_rows_name_their_data_set(folder: Path) -> None:
    row = next(iter(read_hub("set", "train", root=folder)))
    assert isinstance(row, Candidate) and (row.source, row.line) == ("hub:set", 1)


def test_the_limit_is_kept(folder: Path) -> None:
    assert len(list(read_hub("set", "train", limit=2, root=folder))) == 2


def test_an_unknown_split_is_bad_input_that_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"no split 'best'.*train"):
        list(read_hub("set", "best", root=folder))


def test_an_unreachable_hub_is_infrastructure_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str, split: str) -> object:
        raise ConnectionError("Couldn't reach 'a/b' on the Hub")

    monkeypatch.setattr(hub, "_rows", refuse)
    with pytest.raises(
        Infrastructure,
        match=r"'a/b' \(split train\) cannot be reached.*hf download --repo-type dataset a/b",
    ):
        list(read_hub("a/b", "train"))


def test_a_network_that_fails_midway_is_infrastructure_and_not_a_short_data_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def two_then_gone(name: str, split: str) -> object:
        yield {"prompt": "x", "response": "y"}
        yield {"prompt": "x", "response": "z"}
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(hub, "_rows", two_then_gone)
    rows = read_hub("a/b", "train")
    assert [type(next(rows)) for _ in range(2)] == [Candidate] * 2
    with pytest.raises(Infrastructure, match="reset by peer"):
        next(rows)


def test_a_data_set_that_does_not_exist_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class DatasetNotFoundError(Exception):
        pass

    def missing(name: str, split: str) -> object:
        raise DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub or cannot be accessed.")

    monkeypatch.setattr(hub, "_rows", missing)
    with pytest.raises(BadInput, match="there is no data set 'a/b' on the hub"):
        list(read_hub("a/b", "train"))


def test_a_damaged_local_file_is_quarantined_where_it_breaks(folder: Path) -> None:
    path = folder / "set" / "train.jsonl"
    path.write_bytes(path.read_bytes() + b"{broken\n")
    rows = list(read_hub("set", "train", root=folder))
    assert isinstance(rows[-1], Quarantined) and rows[-1].reason.startswith(
        "damaged: the rest cannot be read"
    )
