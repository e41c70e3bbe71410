"""``sentinel extract`` as people and scripts meet it: a line a row, a comparison, bad rows by their
line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.critic.outputs import Comparison, outputs, read_outputs

ROWS = (
    '{"completion": "{\\"s\\": 4,5}"}',
    '{"completion": "{\\"ids\\":[10,20],\\"s\\": 4.5}"}',
    '{"completion": [{"role": "assistant", "content": "```json\\n{\'a\': None,}\\n```"}]}',
    '"{\\"a\\": 1}"',
    "",
    '{"completion": "não sei"}',
    '{"completion": "{\\"a\\": 1e999}"}',
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "outputs.jsonl"
    path.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return path


def test_a_line_for_each_row(file: Path) -> None:
    done = CliRunner().invoke(app, ["extract", str(file), "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0 and len(lines) == 6
    assert lines[0] == {"value": {"s": 4.5}, "leniencies": ["decimal_comma"], "error": None}
    assert lines[2]["value"] == {"a": None} and lines[2]["leniencies"][0] == "fenced"
    assert (
        lines[4]["error"].startswith("not_json")
        and lines[5]["error"] == "not_json: a number out of range"
    )
    assert "NaN" not in done.stdout and "Infinity" not in done.stdout


def test_the_comparison_counts_what_failed_before_and_what_changed(file: Path) -> None:
    done = CliRunner().invoke(app, ["extract", str(file), "--compare", "--json"])
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (report["rows"], report["read_before"], report["read_now"], report["gained"]) == (
        6,
        3,
        5,
        2,
    )
    assert (report["lost"], report["changed"], report["bad_rows"]) == (0, 0, 0)
    assert report["leniencies"]["decimal_comma"] == 1 and report["errors"] == {"not_json": 1}
    assert "changed value" in done.stderr


def test_bad_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write('{"out": "{\\"a\\": 1}"}\nnot json\n{"other": 1}\n[1]\n{"out": 5}\n')
    done = CliRunner().invoke(app, ["extract", str(path), "--field", "out", "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 2 and [line["value"] for line in lines] == [
        {"a": 1},
        None,
        None,
        None,
        None,
    ]
    assert [line["error"].split(":")[0] for line in lines[1:]] == ["bad_row"] * 4
    assert "mixed.jsonl.gz:2" in done.stderr.replace(
        "\n", ""
    ) and "no field out" in done.stderr.replace("\n", " ")


def test_a_cut_tail_is_repaired_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text(json.dumps({"text": '{"a": [1, 2'}), encoding="utf-8")
    plain = CliRunner().invoke(app, ["extract", str(path)])
    repaired = CliRunner().invoke(app, ["extract", str(path), "--repair"])
    assert json.loads(plain.stdout)["error"].startswith("truncated")
    assert json.loads(repaired.stdout) == {
        "value": {"a": [1]},
        "leniencies": ["truncated"],
        "error": None,
    }


def test_a_changed_value_would_be_counted() -> None:
    from sentinel_pipeline.critic.json_reader import Extracted
    from sentinel_pipeline.critic.outputs import Read

    seen = Comparison()
    seen.add(Read(1, Extracted({"a": 1.0}, "json"), {"a": 1}, None))
    seen.add(Read(2, Extracted(None, "json", (), "not_json: x"), {"a": 1}, None))
    assert (seen.changed, seen.lost, len(seen.examples)) == (1, 1, 2)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x1f\x8b broken"])
def test_files_that_are_no_text_are_bad_input(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("x.jsonl.gz" if content[0] == 0x1F else "x.jsonl")
    path.write_bytes(content)
    done = CliRunner().invoke(app, ["extract", str(path)])
    assert "cannot be read" in str(done.exception) and str(path) in str(done.exception)
    with pytest.raises(Exception, match="no such file"):
        list(read_outputs(outputs(tmp_path / "absent.jsonl")))


def test_values_of_a_thought_are_not_taken_for_the_answers(tmp_path: Path) -> None:
    rows = [
        {"completion": '<think>{"a": 1}</think>{"a": 2}'},
        {"completion": '<think>{"a": 1}'},
        {"messages": [{"role": "assistant", "content": None, "reasoning_content": '{"a": 1}'}]},
    ]
    file = tmp_path / "outputs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["extract", str(file)])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["value"] for line in lines] == [{"a": 2}, None, None]
    reason = "unfinished_thought: the thought never ended: there is no answer"
    assert [line["error"] for line in lines] == [None, reason, reason]
