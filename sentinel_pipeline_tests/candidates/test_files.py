"""Candidate files: whatever is in them, every row comes out, as a candidate or with its file, line
and reason."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates import decode, files
from sentinel_pipeline.candidates.files import read_files
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import Candidate, Quarantined

GOOD = {"prompt": "Say hi.", "response": "hi"}
LINE = json.dumps(GOOD).encode()


def write(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.write_bytes(b"\n".join(lines) + end)
    return path


def outcome(path: Path) -> list[tuple[int | None, str]]:
    """(line, ``ok`` or the reason) of every row."""
    return [
        (row.line, "ok" if isinstance(row, Candidate) else row.reason) for row in read_files([path])
    ]


def codes(path: Path) -> list[tuple[int | None, str]]:
    return [(line, reason.partition(":")[0]) for line, reason in outcome(path)]


BAD_LINES: list[tuple[bytes, str]] = [
    (b"{not json}", "json: Expecting property name enclosed in double quotes at column 2"),
    (b'{"prompt": "x", "response": "y"', "json: Expecting ',' delimiter"),
    (b"[1, 2]", "shape: expected an object, got list"),
    (b"null", "shape: expected an object, got NoneType"),
    (b"\xff\xfe\x00", "nul: 1 NUL byte(s) in the line"),
    (b'{"prompt": "caf\xe9", "response": "y"}', "encoding: byte 16 (0xe9) is not UTF-8"),
    (b"\x00" * 50, "nul: 50 NUL byte(s)"),
    (b"[" * 100_000, "too_deep: nested too deeply"),
    (b'{"a":' * 100_000, "too_deep: nested too deeply"),
    (
        b'{"prompt": "x", "prompt": "y", "response": "z"}',
        "duplicate_key: duplicate key 'prompt' in one object",
    ),
    (
        b'{"prompt": "x", "response": "y", "meta": {"a": 1, "a": 2}}',
        "duplicate_key: duplicate key 'a'",
    ),
    (b'{"prompt": "x", "response": "y", "n": ' + b"9" * 5000 + b"}", "json: Exceeds the limit"),
    (b'{"prompt": "x", "response": "\\ud800"}', "encoding: holds a lone surrogate U+D800"),
    (b'{"prompt": "x", "response": 5}', "field: field 'response': expected text, got int."),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_quarantined_between_two_good_ones(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    path = write(tmp_path / "rows.jsonl", LINE, bad, LINE)
    assert [line for line, _ in outcome(path)] == [1, 2, 3]
    assert [result == "ok" for _, result in outcome(path)] == [True, False, True]
    assert outcome(path)[1][1].startswith(reason)


def test_a_quarantined_line_shows_its_file_and_start(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", b"{" + b"x" * 500)
    (row,) = read_files([path])
    assert isinstance(row, Quarantined)
    assert row.file == str(path) and row.excerpt == "{" + "x" * 199


def test_a_line_of_fifty_megabytes_is_quarantined_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as stream:
        stream.write(LINE + b'\n{"prompt": "')
        for _ in range(50):
            stream.write(b"x" * 2**20)
        stream.write(b'", "response": "y"}\n' + LINE + b"\n")
    tracemalloc.start()
    results = outcome(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line for line, _ in results] == [1, 2, 3] and results[2][1] == "ok"
    assert (
        results[1][1] == f"too_long: {50 * 2**20 + 32} bytes, the most is {decode.MAX_LINE_BYTES}"
    )
    assert peak < 40 * 2**20


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_the_line_limit_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: int
) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", len(LINE) + extra)
    expected = ["ok", "ok"] if extra >= 0 else ["too_long", "too_long"]
    assert [code for _, code in codes(write(tmp_path / "a.jsonl", LINE, LINE, end=b""))] == expected


def test_a_truncated_last_line_is_named_so(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", LINE, LINE[:-8], end=b"")
    assert outcome(path) == [
        (1, "ok"),
        (2, f"truncated: the file ends within the line, at column {len(LINE) - 7}"),
    ]


def test_a_last_line_without_line_end_is_a_row(tmp_path: Path) -> None:
    assert outcome(write(tmp_path / "rows.jsonl", LINE, LINE, end=b"")) == [(1, "ok"), (2, "ok")]


def test_blank_lines_are_no_rows_and_keep_the_count(tmp_path: Path) -> None:
    assert outcome(write(tmp_path / "rows.jsonl", LINE, b"", b"  \r", LINE)) == [
        (1, "ok"),
        (4, "ok"),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    assert outcome(
        write(tmp_path / "rows.jsonl", b"\xef\xbb\xbf" + LINE + b"\r", LINE + b"\r")
    ) == [
        (1, "ok"),
        (2, "ok"),
    ]


def test_a_lone_byte_order_mark_is_no_row(tmp_path: Path) -> None:
    assert outcome(write(tmp_path / "rows.jsonl", b"\xef\xbb\xbf", LINE)) == [(2, "ok")]


def test_an_escaped_nul_is_a_candidate_for_the_critic(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", b'{"prompt": "x", "response": "a\\u0000b"}')
    (row,) = read_files([path])
    assert isinstance(row, Candidate) and row.completion == "a\x00b"


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert outcome(write(tmp_path / "rows.jsonl", b"", end=b"")) == []


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(LINE + b"\n" + LINE))
    assert outcome(path) == [(1, "ok"), (2, "ok")]


def test_a_truncated_gzip_gives_what_it_held_and_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    lines = b"\n".join(json.dumps(GOOD | {"n": number * 7919}).encode() for number in range(5000))
    path.write_bytes(gzip.compress(lines)[:-2000])
    results = codes(path)
    assert (
        len(results) > 100
        and results[-1][1] == "damaged"
        and {code for _, code in results[:-1]} == {"ok"}
    )
    assert results[-1][0] == len(results)


def test_what_only_calls_itself_gzip_is_damaged_and_the_next_file_is_read(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl.gz", LINE)
    second = write(tmp_path / "b.jsonl", LINE)
    rows = list(read_files([first, second]))
    assert isinstance(rows[0], Quarantined) and rows[0].reason.startswith(
        "damaged: the rest of the file cannot be unpacked"
    )
    assert isinstance(rows[1], Candidate)


def test_a_json_array_is_read_element_by_element(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([GOOD, 5, GOOD], indent=2))
    assert codes(path) == [(1, "ok"), (2, "shape"), (3, "ok")]


def test_a_duplicate_key_spoils_one_element_of_an_array(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.json", b"[" + LINE + b', {"a": 1, "a": 2}, ' + LINE + b"]")
    assert codes(path) == [(1, "ok"), (2, "duplicate_key"), (3, "ok")]


def test_an_array_that_breaks_off_gives_what_it_held(tmp_path: Path) -> None:
    assert codes(write(tmp_path / "a.json", b"[" + LINE + b", " + LINE[:-5])) == [
        (1, "ok"),
        (2, "json"),
    ]
    assert codes(write(tmp_path / "b.json", b"[" + LINE + b", ")) == [(1, "ok"), (2, "truncated")]


def test_json_lines_under_the_name_json_are_read(tmp_path: Path) -> None:
    assert outcome(write(tmp_path / "rows.json", LINE, LINE)) == [(1, "ok"), (2, "ok")]


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    return path


def test_parquet_rows_are_read_with_their_numbers(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [GOOD, {"prompt": "x", "response": None}, GOOD])
    assert codes(path) == [(1, "ok"), (2, "shape"), (3, "ok")]


def test_a_parquet_table_of_conversations_is_read(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    (row,) = read_files([parquet(tmp_path / "rows.parquet", [{"messages": turns}])])
    assert isinstance(row, Candidate) and row.completion == "y"


def test_a_parquet_text_that_is_no_utf8_spoils_one_row(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    raw = pa.array([b"fine", b"\xff\xfe", b"fine"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": texts, "response": ["a", "b", "c"]}), path)
    assert codes(path) == [(1, "ok"), (2, "encoding"), (3, "ok")]


def test_a_damaged_parquet_file_is_one_quarantined_line(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [GOOD] * 10)
    path.write_bytes(path.read_bytes()[:-20])
    ((line, reason),) = outcome(path)
    assert line == 1 and reason.startswith("damaged: no Parquet from here on")


def test_many_parquet_row_groups_keep_their_order(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "rows.parquet", [GOOD | {"task_id": str(number)} for number in range(950)]
    )
    assert [row.task_id for row in read_files([path]) if isinstance(row, Candidate)] == [
        str(n) for n in range(950)
    ]


def test_a_folder_is_read_by_name_and_other_files_are_left(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", LINE)
    write(tmp_path / "a.jsonl", LINE)
    write(tmp_path / "README.md", b"# no rows")
    assert [row.source for row in read_files([tmp_path]) if isinstance(row, Candidate)] == [
        "file:a.jsonl",
        "file:b.jsonl",
    ]


def test_paths_are_recorded_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.jsonl", LINE)
    (row,) = read_files(["in/a.jsonl"], root=tmp_path)
    assert row.file == "in/a.jsonl"


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.jsonl: there is no such file"):
        list(read_files([tmp_path / "gone.jsonl"]))


def test_an_unknown_kind_of_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.txt: is of a kind that is not read here.*\.parquet"):
        list(read_files([write(tmp_path / "a.txt", b"x")]))


def test_a_folder_without_candidate_files_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no candidate file"):
        list(read_files([tmp_path]))


def test_the_first_row_comes_before_the_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *[LINE] * 20_000)
    tracemalloc.start()
    first = next(iter(read_files([path])))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(first, Candidate) and peak < 2**20


def test_mbpp_as_distributed_gives_no_quarantine(benchmarks_dir: Path) -> None:
    rows = list(read_files([benchmarks_dir / "mbpp" / "mbpp.jsonl"]))
    assert len(rows) == 974 and all(
        isinstance(row, Candidate) and row.verifier is not None for row in rows
    )


def test_humaneval_as_distributed_gives_no_quarantine(benchmarks_dir: Path) -> None:
    rows = list(read_files([benchmarks_dir / "humaneval" / "HumanEval.jsonl.gz"]))
    assert len(rows) == 164 and all(isinstance(row, Candidate) for row in rows)


@given(
    lines=st.lists(st.binary(max_size=60) | st.just(LINE), max_size=12),
    end=st.sampled_from([b"", b"\n"]),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_one_result_for_each_line_that_is_not_blank(
    tmp_path_factory: Any, lines: list[bytes], end: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    data = b"\n".join(lines) + end
    path.write_bytes(data)
    split = data.split(b"\n")
    expected = [
        n
        for n, line in enumerate(split, 1)
        if (line.removeprefix(b"\xef\xbb\xbf") if n == 1 else line).strip()
    ]
    results = list(read_files([path]))
    assert [row.line for row in results] == expected
    for row in results:
        if isinstance(row, Quarantined):
            assert ": " in row.reason and len(row.excerpt) <= 200
            (row.reason + row.excerpt).encode()
