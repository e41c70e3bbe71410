"""A file of a few kilobytes costs a few megabytes, whatever it unpacks to; the rows around a bomb
are read all the same."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentinel_pipeline.candidates import files as module
from sentinel_pipeline.candidates.decode import MAX_LINE_BYTES
from sentinel_pipeline.candidates.files import files_of, read_files
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Candidate, Quarantined
from sentinel_pipeline.store.foreign import foreign_rows
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.suites import rows as suite_rows

BIG = 12 * 2**20
ROW = {"prompt": "Add 1 and 2.", "completion": "3"}
MEMORY = """
import sys
from pathlib import Path
from sentinel_pipeline.candidates.files import read_files
import pyarrow.parquet
def peak():  # of this program alone: what getrusage tells begins with that of whoever started it
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
before = peak()
count = sum(1 for _ in read_files([Path(sys.argv[1])]))
print(count, peak() - before)
"""


def repeated(text: str, rows: int) -> pa.Array:
    places = pa.array([0] * rows, pa.int32())
    return pa.DictionaryArray.from_arrays(places, pa.array([text]))


def write(path: Path, **columns: Any) -> Path:
    options: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": 2**30}
    pq.write_table(pa.table(columns), path, **options)
    return path


def conversations(content: list[str]) -> pa.Array:
    roles = pa.array(["user", "assistant"] * len(content))
    texts = pa.array([text for each in content for text in ("q", each)])
    turns = pa.StructArray.from_arrays([roles, texts], names=["role", "content"])
    return pa.ListArray.from_arrays(pa.array(range(0, 2 * len(content) + 1, 2), pa.int32()), turns)


def read(path: Path) -> tuple[list[Candidate], list[Quarantined]]:
    rows = list(read_files([path]))
    return (
        [row for row in rows if isinstance(row, Candidate)],
        [row for row in rows if isinstance(row, Quarantined)],
    )


def bomb(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.parquet"
    prompts = pa.array(["p"] * 400)
    if kind == "dictionary":
        return write(path, prompt=prompts, completion=repeated("x" * BIG, 400))
    if kind == "nested":
        return write(path, messages=conversations(["x" * BIG] * 12))
    if kind == "page":
        return write(path, prompt=["p"], completion=["x" * (70 * 2**20)])
    if kind == "list":
        return write(path, n=pa.array([[7] * 8_000_000], pa.list_(pa.int8())))
    table = pa.table({"prompt": ["p"] * 12, "completion": ["x" * BIG] * 12})
    encoding = {"completion": "DELTA_BYTE_ARRAY"}
    pq.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding=encoding)
    return path


@pytest.mark.parametrize("kind", ["dictionary", "nested", "page", "list", "delta"])
def test_no_parquet_file_costs_more_than_its_bytes_are_worth(kind: str, tmp_path: Path) -> None:
    """The rows of the first hold 4.7 GiB of text."""
    path = bomb(kind, tmp_path)
    assert path.stat().st_size < 200_000
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    count, mib = map(int, done.stdout.split())
    assert count >= 1 and mib < 400


def test_rows_beside_a_long_one_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {"prompt": ["a", "b", "c"], "completion": ["1", "x" * (MAX_LINE_BYTES + 1), "3"]}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    rows, refused = read(tmp_path / "t.parquet")
    assert [row.completion for row in rows] == ["1", "3"]
    (row,) = refused
    assert (
        row.line == 2
        and row.reason == f"too_long: {MAX_LINE_BYTES + 2} bytes, the most is {MAX_LINE_BYTES}"
    )


def test_rows_are_the_same_as_without_bounds(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["a", None, "é" * 3, ""]),
        "raw": pa.array([b"1", b"", None, b"\xff"]),
        "large": pa.array(["x"] * 4, pa.large_string()),
        "turns": pa.array([[{"role": "user", "content": "c"}], [], None, [{"role": "a", "content": None}]]),
        "names": pa.array([["a", "b"], None, [], ["c"]]),
        "number": pa.array([1.5, None, 3.0, 4.0]),
        "fixed": pa.array([[1, 2]] * 4, pa.list_(pa.int64(), 2)),
        "map": pa.array([[("k", "v")], None, [], [("a", "b")]], pa.map_(pa.string(), pa.string())),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=3)
    rows = [
        row.data.to_pylist()[0] for row in foreign_rows(tmp_path / "t.parquet", 10**6) if row.data
    ]
    assert rows == pq.read_table(tmp_path / "t.parquet").to_pylist()
    sizes = [row.size for row in foreign_rows(tmp_path / "t.parquet", 10**6)]
    assert sizes[0] > sizes[1] and all(size < 400 for size in sizes)


def test_a_table_that_repeats_itself_honestly_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", prompt=["p" * 2000] * 3000, completion=["c" * 900] * 3000)
    rows, refused = read(path)
    assert (len(rows), refused) == (3000, [])


def test_a_value_of_a_document_is_bounded_before_it_is_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    row = json.dumps(ROW)
    path.write_text(f"[{row}, {row}, {json.dumps([[]] * 3_000_000)}, {row}]")
    rows, refused = read(path)
    assert len(rows) == 2
    assert refused[0].line == 3 and refused[0].reason.startswith("too_long: a value of more than")


@pytest.mark.parametrize("size", [10, 70_000, 1_200_000, 6_000_000])
def test_long_values_of_a_document_are_read_whole(size: int, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([ROW | {"completion": "x" * size}, ROW, ROW], indent=1))
    rows, refused = read(path)
    assert [len(row.completion) for row in rows] == [size, 1, 1] and not refused


def test_a_row_of_a_table_over_many_lines_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as stream:
        stream.write("prompt,completion\nq,a\n")
        for _ in range(3 * MAX_LINE_BYTES // 100_000):
            stream.write('"' + "x" * 50_000 + "\n" + "y" * 50_000 + '",')
    rows, refused = read(path)
    assert len(rows) == 1
    assert f"a row of more than {MAX_LINE_BYTES} bytes" in refused[0].reason


def test_what_cannot_be_read_is_listed_up_to_a_ceiling_and_then_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUARANTINED", 5)
    path = tmp_path / "t.jsonl"
    path.write_text("{\n" * 20 + json.dumps(ROW) + "\n")
    rows, refused = read(path)
    assert len(rows) == 1 and len(refused) == 6
    assert (refused[4].line, refused[5].line) == (5, 20)
    assert refused[5].reason.startswith("too_many: 15 more rows of this file cannot be read")


def test_links_out_of_a_folder_are_not_followed_and_named(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text(json.dumps(ROW) + "\n")
    folder = tmp_path / "import"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "own.jsonl").write_text(json.dumps(ROW) + "\n")
    (folder / "inside.jsonl").symlink_to(folder / "more" / "own.jsonl")
    (folder / "out.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "up.jsonl").symlink_to("../secret.jsonl")
    (folder / "broken.jsonl").symlink_to(tmp_path / "gone.jsonl")
    (folder / "loop").symlink_to(folder)
    (folder / "elsewhere").symlink_to(tmp_path)
    assert [path.name for path in files_of(folder)] == ["inside.jsonl", "own.jsonl"]
    rows, refused = read(folder)
    assert len(rows) == 2
    assert {Path(row.file).name for row in refused} == {"out.jsonl", "up.jsonl"}
    assert all("is not followed" in row.reason for row in refused)
    (tmp_path / "named").symlink_to(folder)
    assert len(files_of(tmp_path / "named")) == 2, "a person named the folder, link or not"
    assert files_of(folder / "out.jsonl"), "a person named the file"


def test_a_folder_of_links_only_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    folder = tmp_path / "import"
    folder.mkdir()
    (folder / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    with pytest.raises(BadInput, match=r"Links that lead out of it are not followed \(b.jsonl\)"):
        files_of(folder)


def test_a_suite_file_is_bounded_by_its_lines_and_by_what_it_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite_rows, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "s.jsonl"
    path.write_text('{"a": "' + "x" * 2000)
    with pytest.raises(BadInput, match=r"s.jsonl:1: a line of more than 1000 bytes"):
        load_suite("humaneval", data=path)
    monkeypatch.setattr(suite_rows, "MAX_UNPACKED_BYTES", 5000)
    with gzip.open(tmp_path / "s.jsonl.gz", "wt") as stream:
        stream.write("\n" * 6000)
    with pytest.raises(BadInput, match="unpacks to more than 5000 bytes"):
        load_suite("humaneval", data=tmp_path / "s.jsonl.gz")
