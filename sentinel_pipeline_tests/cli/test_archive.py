"""``sentinel archive`` from a mark to its undoing: what is said, what gc does, what another mix
refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sentinel_pipeline.store import Artifact, Home, Ledger, Store
from sentinel_pipeline_tests.cli.conftest import Run


def made(home: Home, asset: str, run_id: str, *parents: Artifact) -> Artifact:
    store = Store(home, "tiny", run_id, run_id)
    with store.writing(asset, parents=parents, recipe_hash="", seed=1) as out:
        out.text("note", run_id)
    os.utime(store.get(asset).folder, (1, 1))
    return store.get(asset)


@pytest.fixture
def runs(home: Home) -> Home:
    for run_id in ("aa1", "aa2", "bb3"):
        made(home, "sft_checkpoint", run_id, made(home, "rebalanced_mix", run_id))
    return home


def removable(run: Run) -> list[str]:
    names: list[str] = json.loads(
        run("gc", "--keep", "1", "--days", "0", "--dry-run", "--json")[1]
    )["removable"]
    return sorted(names)


def test_a_run_is_archived_listed_kept_by_gc_and_let_go_again(run: Run, runs: Home) -> None:
    code, out, err = run(
        "archive", "add", "tiny", "--run", "aa1", "--reason", "July report", "--json"
    )
    names = ["tiny/rebalanced_mix/aa1", "tiny/sft_checkpoint/aa1"]
    assert (code, json.loads(out)) == (
        0,
        {"state": "archived", "changed": names, "unchanged": 0, "dry_run": False},
    )
    assert "archived: tiny/sft_checkpoint/aa1" in err
    assert removable(run) == ["tiny/rebalanced_mix/aa2", "tiny/sft_checkpoint/aa2"]
    code, out, err = run("archive", "list", "--json")
    first = json.loads(out)["marks"][0]
    assert (first["state"], first["reason"]) == ("archived", "July report")
    assert first["marked_by"].startswith("command:") and "July report" in err
    undo = ("archive", "undo", "tiny", "--run", "aa1", "--reason", "read", "--json")
    assert json.loads(run(*undo)[1])["changed"] == names
    assert json.loads(run(*undo)[1]) == {
        "state": "active", "changed": [], "unchanged": 2, "dry_run": False,
    }  # fmt: skip
    assert "Nothing is marked." in run("archive", "list")[2]
    assert len(json.loads(run("archive", "list", "--history", "--json")[1])["marks"]) == 4
    assert len(removable(run)) == 4


def test_what_is_superseded_names_its_successor_and_is_deleted_by_gc(run: Run, runs: Home) -> None:
    arguments = (
        "archive", "supersede", "tiny/sft_checkpoint/aa2", "--by", "tiny/sft_checkpoint/bb3",
        "--reason", "wrong template",
    )  # fmt: skip
    code, _, err = run(*arguments, "--dry-run")
    assert code == 0 and "would be superseded: tiny/sft_checkpoint/aa2" in err
    assert Ledger(runs.ledger).marks() == {}
    assert run(*arguments)[0] == 0
    code, _, err = run("gc", "--keep", "2", "--days", "0")
    assert "superseded by tiny/sft_checkpoint/bb3 (wrong template)" in " ".join(err.split())
    assert [
        path.name for path in sorted((runs.runs / "tiny" / "sft_checkpoint").glob("*[0-9]"))
    ] == [
        "aa1",
        "bb3",
    ]
    code, out, _ = run("archive", "list", "--json")
    assert code == 0 and json.loads(out)["marks"][0]["state"] == "superseded", "its mark stays"
    assert "deleted" in run("archive", "list")[2]
    code, out, _ = run("verify", "--json")
    assert code == 0 and json.loads(out)["chains"][0]["records"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "tiny/sft", "--reason", "x"), "Name sft_checkpoint."),
        (("add", "tinny", "--reason", "x"), "Did you mean 'tiny'"),
        (("add", "tiny", "--reason", " "), "expected one line of 1 to 500 characters"),
        (("supersede", "tiny/sft_checkpoint/aa1", "--by", "tiny", "--reason", "x"), "names 6 artifacts"),
        (("add", "tiny", "--run", "a", "--reason", "x"), "several runs begin with 'a'"),
    ],
)  # fmt: skip
def test_mistakes_mark_nothing(run: Run, runs: Home, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = run("archive", *arguments)
    assert code == 2 and says in err
    assert Ledger(runs.ledger).marks() == {}


def test_a_report_of_bench_is_an_artifact_too(run: Run, home: Home, tmp_path: Path) -> None:
    store = Store(home, "bench", "r1", "r1")
    with store.writing("model-1234", recipe_hash="", seed=1) as out:
        out.text("note", "x")
    assert run("archive", "add", "bench/model-1234", "--reason", "baseline")[0] == 0
    assert list(Ledger(home.ledger).marks()) == ["bench/model-1234/r1"]
    folder = store.get("model-1234").folder
    code, text, _ = run("archive", "add", folder, "--reason", "baseline", "--json")
    assert (code, json.loads(text)["unchanged"]) == (0, 1)
