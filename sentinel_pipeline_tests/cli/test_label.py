"""``sentinel label`` and ``sentinel audit`` as their users meet them: hostile files, reruns, exit
codes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.critic.thoughts import Parted, part
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import LABELS
from sentinel_pipeline.store import Home, Ledger
from sentinel_pipeline.tasks.task_bank import EVERY_FAMILY

GOOD = json.dumps({"prompt": "Write f.", "response": "def f():\n    return 1\n"}).encode()
HOSTILE = [
    GOOD,
    b'{"prompt": "p", "response": "caf\xe9"}',
    b'{"prompt": "p", "response": "a\x00b"}',
    json.dumps({"prompt": "p", "response": "x" * 9_000_000}).encode(),
    b'{"a":' * 20_000,
    b'{"prompt": "p", "prompt": "q", "response": "r"}',
    b'{"prompt": 1, "response": 2}',
    b"[1, 2]",
    b'{"prompt": "p", "response": ""}',
    json.dumps({"prompt": "p", "response": "(" * 200_000}).encode(),
    json.dumps({"prompt": "p", "rejected": "Red.", "chosen": "Blue."}).encode(),
    GOOD[:30],
]
REASONS = [
    "encoding",
    "nul",
    "too_long",
    "too_deep",
    "duplicate_key",
    "field",
    "shape",
    "field",
    "truncated",
]


def test_hostile_rows_are_quarantined_with_their_lines_and_a_rerun_grades_nothing(
    home: Home, tmp_path: Path
) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out"
    file.write_bytes(b"\n".join(HOSTILE))
    for known in (0, 4):
        done = CliRunner().invoke(app, ["label", str(file), "--out", str(out), "--json"])
        assert done.exit_code == 0, done.output
        said = json.loads(done.stdout)
        assert (said["rows"], said["quarantined"], said["accepted"], said["known"]) == (
            4,
            9,
            2,
            known,
        )
        assert set(said["labels"]) == set(LABELS)
    quarantined = [json.loads(line) for line in (out / "quarantine.jsonl").open(encoding="utf-8")]
    assert [row["reason"].partition(":")[0] for row in quarantined] == REASONS
    assert [row["line"] for row in quarantined] == [2, 3, 4, 5, 6, 7, 8, 9, 12]
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").open(encoding="utf-8")]
    assert [row["line"] for row in rejected] == [10, 11]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", b""), ("a.jsonl", b"\n\n"), ("a.txt", b"x"), ("absent.jsonl", None)],
)
def test_nothing_to_label_is_an_error(
    home: Home, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = CliRunner().invoke(app, ["label", str(tmp_path / name), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, BadInput) and done.exception.exit_code == 2


def test_the_audit_licenses_and_remembers(home: Home) -> None:
    done = CliRunner().invoke(app, ["audit", "--json"])
    assert done.exit_code == 0, done.output
    scorers = json.loads(done.stdout)["scorers"]
    assert all(
        one["licensed"] and one["stable"] and not one["bad_accepted"] and one["gold"] == 1.0
        for one in scorers
    )
    assert {one.subject for one in Ledger(home.ledger).verdicts()} == {
        one["name"] for one in scorers
    }


def test_the_rewards_alone_with_the_hacks_of_every_family(home: Home) -> None:
    done = CliRunner().invoke(app, ["audit", "--rewards", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [(one["name"], one["licensed"]) for one in report["scorers"]] == [("rewards", True)]
    families = {one["name"]: one for one in report["families"]}
    assert set(families) == {family.name for family in EVERY_FAMILY} | {"smoke"}
    for one in families.values():
        assert one["licensed"] and one["hacks"] >= 18, one
        assert (one["gold"], one["gold_accepted"], one["bad_accepted"], one["hacks_paid"]) == (
            3,
            3,
            0,
            0,
        ), one
    assert [(one.subject, one.verdict) for one in Ledger(home.ledger).verdicts()] == [
        ("rewards", "pass")
    ]


def test_a_canary_that_the_critic_accepts_costs_the_licence(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        import_module("sentinel_pipeline.cli.audit"), "_SAMPLE", 3
    )  # tasks decide nothing here
    row = {
        "id": "fine",
        "prompt": "Write f.",
        "completion": "def f():\n    return 1\n",
        "label": "no_secret",
        "reasons": ["secret"],
    }
    (home.canaries / "zz.jsonl").write_text(json.dumps(row), encoding="utf-8")
    done = CliRunner().invoke(app, ["audit", "--json"])
    assert done.exception is not None and getattr(done.exception, "exit_code", None) == 3
    refused = {
        one["name"]: one for one in json.loads(done.stdout)["scorers"] if not one["licensed"]
    }
    assert set(refused) == {"critic"} and refused["critic"]["bad_accepted"] == 1


def test_an_accepted_row_keeps_the_thought_that_came_in_a_field_and_is_read_again(
    home: Home, tmp_path: Path
) -> None:
    answer = {"role": "assistant", "content": "Hello there.", "reasoning_content": "greet back"}
    file, out = tmp_path / "rows.jsonl", tmp_path / "out"
    file.write_text(json.dumps({"messages": [{"role": "user", "content": "Hi"}, answer]}) + "\n")
    for source, number in ((file, 1), (out / "accepted.jsonl", 2)):
        target = out if number == 1 else tmp_path / "again"
        done = CliRunner().invoke(app, ["label", str(source), "--out", str(target), "--json"])
        assert json.loads(done.stdout)["accepted"] == 1, done.output
        (row,) = map(json.loads, (target / "accepted.jsonl").open(encoding="utf-8"))
        text = row["completion"][0]["content"]
        assert part(text) == Parted("\ngreet back\n", "Hello there.")


def test_what_label_writes_is_labelled_again_as_it_was(home: Home, tmp_path: Path) -> None:
    """Calls of tools, tests, category and task: an accepted and a rejected row keep what they are
    judged by."""
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Faro"}'}}
    offered = [{"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}]
    expected = json.dumps([{"weather": {"city": ["Faro"]}}])
    calls = {"kind": "function_calls", "functions": json.dumps(offered), "expected": expected}
    asked = {"role": "user", "content": "Weather in Faro?"}
    tested = {"instruction": "Write f.", "tests": "assert f(2) == 4", "category": "code", "task_id": "t1"}  # fmt: skip
    rows = [
        {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [call]}], "verifier": calls},
        tested | {"output": "def f(n):\n    return 2 * n"},
        tested | {"output": "def f(n):\n    return n"},
    ]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, again = tmp_path / "first", tmp_path / "again"
    done = CliRunner().invoke(app, ["label", str(file), "--out", str(first), "--json"])
    counts = json.loads(done.stdout)
    assert (counts["accepted"], counts["quarantined"]) == (2, 0), done.output
    sources = [str(first / "accepted.jsonl"), str(first / "rejected.jsonl")]
    done = CliRunner().invoke(app, ["label", *sources, "--out", str(again), "--json"])
    repeated = json.loads(done.stdout)
    assert {name: repeated[name] for name in ("accepted", "quarantined", "labels")} == {
        name: counts[name] for name in ("accepted", "quarantined", "labels")
    }
    written = [json.loads(line) for line in (again / "accepted.jsonl").open(encoding="utf-8")]
    assert [(row.get("task_id"), row.get("category")) for row in written] == [
        (None, None),
        ("t1", "code"),
    ]
