"""Blocks of a table give what one pass over it gives: the same rows, labels, hits and mix, byte for
byte. The work of a cluster's tasks is done in this process here; ``test_on_ray`` does it on two
nodes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sentinel_pipeline import cli
from sentinel_pipeline.candidates import file_blocks
from sentinel_pipeline.candidates.file_blocks import read_on_ray
from sentinel_pipeline.candidates.files import (
    CandidateFile,
    places_of,
    read_files,
    read_stretch,
    stretch_lines,
)
from sentinel_pipeline.candidates.pairs import to_candidates
from sentinel_pipeline.critic import label_blocks, score
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.mix import decontam, dedup, survey
from sentinel_pipeline.records import Quarantined
from sentinel_pipeline.sandbox import Grader
from sentinel_pipeline.store import tables
from sentinel_pipeline.store.tables import schema, table_writer, write_parquet
from sentinel_pipeline_tests.scale.pipeline import make_all


class Here:
    """Stands in for ``cluster.Shared``: the value as another process would get it."""

    def __init__(self, value: Any) -> None:
        self._data = pickle.dumps(value)

    def get(self) -> Any:
        return pickle.loads(self._data)


def tables_here(work: Callable[[Any], pa.Table], items: Sequence[Any]) -> Iterator[pa.Table]:
    """Stands in for ``cluster.map_tables``: each item as another process would get it."""
    for item in items:
        table = pickle.loads(pickle.dumps(work))(pickle.loads(pickle.dumps(item)))
        if table.num_rows:
            yield table


@pytest.fixture
def blocks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (file_blocks, label_blocks, decontam, dedup, survey):
        monkeypatch.setattr(module, "map_tables", tables_here)
    for module in (decontam, survey):
        monkeypatch.setattr(module, "Shared", Here)
    monkeypatch.setattr(score, "RayGrader", Grader)
    monkeypatch.setattr(tables, "ROW_GROUP", 100)
    monkeypatch.setattr(file_blocks, "STRETCH", 5_000)


def test_in_blocks_every_file_is_the_one_that_a_single_pass_makes(
    sources: list[Path], tmp_path: Path, blocks_here: None
) -> None:
    local = make_all(sources, tmp_path / "local", "local")
    blocks = make_all(sources, tmp_path / "blocks", "ray")
    assert local.hits and {"exact", "near"} <= set(local.left_out)
    assert local.quarantined > 30
    assert blocks == local
    names = sorted(path.name for path in (tmp_path / "local").iterdir())
    assert "labels.parquet" in names
    for name in names:
        ours, theirs = (tmp_path / each / name for each in ("blocks", "local"))
        assert ours.read_bytes() == theirs.read_bytes(), name


def test_label_writes_the_same_files_by_either_engine(
    sources: list[Path], tmp_path: Path, blocks_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path))
    (tmp_path / "data" / "recipes").mkdir(parents=True)
    files = [str(path) for path in sorted(sources[0].iterdir()) if path.name != "a.jsonl"]
    for engine in ("local", "ray"):
        arguments = ["label", *files, "--out", str(tmp_path / engine), "--engine", engine, "--json"]
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, result.output
    names = ("accepted.jsonl", "labels.parquet", "quarantine.jsonl", "rejected.jsonl")
    assert sorted(path.name for path in (tmp_path / "ray").iterdir()) == list(names)
    for name in names:
        ours, theirs = (tmp_path / engine / name for engine in ("ray", "local"))
        assert ours.read_bytes() == theirs.read_bytes(), name
        assert theirs.stat().st_size > 0


def test_nothing_after_the_damage_in_a_parquet_file_is_read(
    tmp_path: Path, blocks_here: None
) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    rows = [{"prompt": f"Say {n}.", "response": f"{n} it is, {n * 7919}."} for n in range(600)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100, compression="none")
    start = pq.read_metadata(path).row_group(2).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    local = list(read_files([path]))
    parts = list(read_on_ray([path]))
    refused = [row for row in local if isinstance(row, Quarantined)]
    assert [row.line for row in refused] == [201] and refused[0].reason.startswith("damaged: ")
    assert [row for part in parts for row in part.quarantined] == refused
    read = [row for part in parts for row in part.candidates.to_pylist()]
    assert read == [row.to_row() for row in local if not isinstance(row, Quarantined)]
    assert len(read) == 200


@given(
    lines=st.lists(st.sampled_from([b"", b"{}", b'{"a": 1}\r', "\u00e9\u5b57".encode(), b" " * 30]), max_size=12),
    ended=st.booleans(),
    size=st.integers(1, 40),
)  # fmt: skip
def test_stretches_of_lines_hold_each_line_once_under_its_number(
    lines: list[bytes], ended: bool, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("stretches") / "rows.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n" * ended)
    file = CandidateFile(path, "rows.jsonl", (), to_candidates)
    whole = [asdict(row) for row in read_files([path], root=path.parent)]
    total = path.stat().st_size
    found: list[Any] = []
    before = 0
    for first in range(0, total, size):
        end = min(first + size, total)
        found += [asdict(row) for row in read_stretch(file, first, end, before)]
        before += stretch_lines(file, first, end)
    assert found == whole


CELLS = st.one_of(st.none(), st.text(max_size=9))
TURNS = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=9)}), max_size=3)  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries({"id": st.text(max_size=4), "messages": TURNS, "completion": CELLS, "origin": CELLS}),
    max_size=30,
)  # fmt: skip


@given(rows=ROWS, cuts=st.lists(st.integers(0, 30), max_size=4), one_by_one=st.integers(0, 5))
def test_rows_that_come_as_tables_make_the_file_that_they_make_one_by_one(
    rows: list[dict[str, Any]], cuts: list[int], one_by_one: int, tmp_path_factory: pytest.TempPathFactory
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROW_GROUP", 7)
        patch.setattr(tables, "GROUP_CHARS", 40)
        write_parquet(folder / "rows.parquet", rows, "rows")
        with table_writer(folder / "tables.parquet", "rows") as writer:
            for row in rows[:one_by_one]:
                writer.append(row)
            edges = [one_by_one, *sorted(max(cut, one_by_one) for cut in cuts), len(rows)]
            for start, end in pairwise(edges):
                part = rows[start:end]
                writer.extend(pa.Table.from_pylist(part, schema=schema("rows")))
    assert (folder / "tables.parquet").read_bytes() == (folder / "rows.parquet").read_bytes()


def test_parquet_under_a_url_is_read_as_the_files_are(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("a", "b"):
        rows = [{"prompt": f"Say {name}.", "response": f"{name} it is."}] * 3
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    url = tmp_path.as_uri()
    assert places_of(url) == [f"{url}/a.parquet", f"{url}/b.parquet"]
    assert places_of(f"{url}/b*.parquet") == [f"{url}/b.parquet"]

    def read(paths: Iterable[Path | str]) -> list[tuple[Any, ...]]:
        rows = [row for row in read_files(paths) if not isinstance(row, Quarantined)]
        return [(row.source, row.completion, row.line) for row in rows]

    assert read([url]) == read([tmp_path]) and len(read([url])) == 6
    with pytest.raises(BadInput, match="holds no Parquet file"):
        places_of(f"{url}/none")
    with pytest.raises(BadInput, match="cannot be opened"):
        places_of("nosuch://bucket/rows")
