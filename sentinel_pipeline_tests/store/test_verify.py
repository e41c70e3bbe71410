"""What was damaged is named, decides nothing, and stops nobody who does not need it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.bench.leaderboard import standings
from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import Infrastructure
from sentinel_pipeline.store import Artifact, Home, Ledger, Store
from sentinel_pipeline.store.verify import damage_by_part, damage_of, database_damage, finished


def make(home: Home, run_id: str, asset: str = "mix") -> Artifact:
    store = Store(home, "tiny", run_id=run_id, loop_id=run_id)
    with store.writing(asset, recipe_hash="", seed=1) as out:
        for name in ("a.json", "b.json", "more/c.json"):
            out.json(name, {"run": run_id, "name": name})
    return store.get(asset)


def flip(path: Path) -> None:
    """One bit, size and name unchanged."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_damaged_file_is_no_evidence_and_the_others_still_are(home: Home) -> None:
    made = make(home, "1")
    assert made.json("a.json")["name"] == "a.json"
    flip(made.folder / "a.json")
    with pytest.raises(
        Infrastructure,
        match=r"mix/1/a\.json is damaged: its bytes are not those of its manifest. Rebuild mix",
    ):
        made.path("a.json")
    assert made.json("b.json")["run"] == "1"
    flip(made.folder / "more" / "c.json")
    with pytest.raises(Infrastructure, match="c.json is damaged"):
        made.path("more")


def test_a_file_that_is_gone_from_a_folder_is_noticed(home: Home) -> None:
    made = make(home, "1")
    (made.folder / "more" / "c.json").unlink()
    with pytest.raises(Infrastructure, match="damaged"):
        made.path("more")


def test_a_damaged_manifest_is_named_and_stops_no_other_run(home: Home) -> None:
    make(home, "1"), make(home, "2")
    (home.runs / "tiny/mix/2/manifest.json").write_text("{")
    store = Store(home, "tiny", run_id="3", loop_id="3")
    assert [one.manifest.run_id for one in store.history("mix")] == ["1"]
    with pytest.raises(Infrastructure, match=r"2/manifest.json is damaged"):
        store.get("mix")
    make(home, "3")
    assert store.get("mix").manifest.run_id == "3"
    assert [one.file for folder in finished(home) for one in damage_of(home, folder)] == [
        "manifest.json"
    ]
    assert standings(home.runs, "1") == []


def test_who_may_not_stay_long_compares_large_files_by_size(home: Home) -> None:
    made = make(home, "1")
    flip(made.folder / "a.json")
    assert made.damage() == made.damage(1 << 20) == ["a.json"]
    assert made.damage(1) == []
    (made.folder / "a.json").write_text("")
    assert made.damage(1) == ["a.json"]


def test_a_manifest_that_was_changed_does_not_hide_what_it_names(home: Home) -> None:
    made = make(home, "1")
    path = made.folder / "manifest.json"
    data = json.loads(path.read_text())
    data["files"] = data["files"][1:]
    path.write_text(json.dumps(data))
    assert [one.file for one in damage_of(home, made.folder)] == ["manifest.json"]


def test_by_parts_or_at_once_the_same_is_found(home: Home) -> None:
    folders = [make(home, str(n)).folder for n in range(4)]
    flip(folders[1] / "b.json")
    (folders[2] / "manifest.json").write_text("no")
    whole = [one for folder in folders for one in damage_of(home, folder)]
    found, place, steps = [], 0, 0
    while steps < 100:
        some, reached = damage_by_part(home, folders, place, 0.0)
        found += some
        steps += 1
        if reached == place:
            break
        place = reached
    assert sorted(found) == sorted(whole) and len(whole) == 2
    assert (
        damage_by_part(home, folders, 0, 60.0)[0]
        == damage_by_part(home, folders, 0, 60.0)[0]
        == whole
    )


def test_a_damaged_ledger_is_named_by_verify_and_refuses_as_infrastructure(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(home.root))
    ledger = Ledger(home.ledger)
    ledger.verdicts()
    assert database_damage(home) == []
    with sqlite3.connect(home.ledger) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    data = bytearray(home.ledger.read_bytes())
    data[100:4000] = b"\xff" * 3900
    home.ledger.write_bytes(data)
    done = CliRunner().invoke(app, ["verify", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["damaged"] == [{"artifact": "state", "file": "ledger.sqlite"}]
    with pytest.raises(Infrastructure, match=r"the ledger .*ledger\.sqlite cannot be used"):
        ledger.verdicts()
