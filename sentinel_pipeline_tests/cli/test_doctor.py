"""``sentinel doctor``: each thing that can be wrong is named with what to do, and only what stops
the loop fails."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.cli.doctor import Finding, look
from sentinel_pipeline.critic.version import label_version
from sentinel_pipeline.records import LABELS, CriticLabels, Label
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.store.label_cache import LabelCache


def found(home: Home) -> dict[str, Finding]:
    return {one.name: one for one in look(home)}


def test_a_fresh_project_is_ready_and_told_what_rests(home: Home) -> None:
    seen = found(home)
    assert "tiny" in seen["recipes"].found
    assert seen["dagster"].status == "ok", seen["dagster"]
    assert "SqliteRunStorage" in seen["dagster"].found
    assert seen["daemon"].status == "warn" and "SCHEDULER" in seen["daemon"].found
    assert "sentinel ui" in seen["daemon"].fix
    assert not [one for one in seen.values() if one.status == "fail" and one.name != "sandbox"]


def test_a_broken_recipe_fails_with_its_own_error(home: Home) -> None:
    (home.recipes / "bad.toml").write_text("sede = 3\n")
    seen = found(home)["recipes"]
    assert seen.status == "fail" and "Did you mean 'seed'" in seen.fix


def test_a_broken_instance_fails_and_is_no_traceback(home: Home) -> None:
    (home.dagster / "dagster.yaml").write_text("storage: {what: 1}\n")
    seen = found(home)["dagster"]
    assert seen.status == "fail" and "dagster.yaml" in seen.fix


def test_the_device_names_its_owner_and_a_dead_owner_is_none(home: Home) -> None:
    home.device_lock.parent.mkdir(parents=True, exist_ok=True)
    with home.device_lock.open("w") as stream:
        stream.write("4321\n")
        stream.flush()
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        assert found(home)["device"].found.endswith("in use by process 4321")
    assert "in use" not in found(home)["device"].found, (
        "the file still says 4321, but nobody holds it"
    )


def test_a_clock_that_was_set_back_is_noticed(home: Home) -> None:
    store = Store(home, "tiny", run_id="r", loop_id="r")
    with store.writing("mix", recipe_hash="", seed=1) as out:
        out.text("note", "x")
    assert found(home)["clock"].status == "ok"
    os.utime(store.get("mix").path("manifest.json"), (4e9, 4e9))
    assert found(home)["clock"].status == "warn"


def test_alerts_without_a_channel_warn_and_with_one_do_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.root / "data" / "alerts.toml").write_text('[channels]\nteam = "env:SENTINEL_ALERTS"\n')
    monkeypatch.delenv("SENTINEL_ALERTS", raising=False)
    assert "sentinel alert test" in found(home)["alerts"].fix
    monkeypatch.setenv("SENTINEL_ALERTS", "json://localhost")
    assert found(home)["alerts"].found == "sent by team"


def test_json_is_one_object_with_every_check(home: Home) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sentinel_pipeline.cli import main; main()",
            "doctor",
            "--json",
        ],
        capture_output=True,
        text=True,
        cwd=home.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ready"] else 4)
    assert {"recipes", "sandbox", "disk", "device", "clock", "extras", "dagster", "daemon"} <= {
        one["name"] for one in said["checks"]
    }


def test_gc_says_what_would_go_before_it_goes(home: Home) -> None:
    for run_id in ("1", "2"):
        with Store(home, "tiny", run_id=run_id, loop_id=run_id).writing(
            "mix", recipe_hash="", seed=1
        ) as out:
            out.text("note", run_id)
    arguments = ["gc", "--keep", "1", "--days", "0", "--json"]
    dry = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert (
        json.loads(dry.stdout)["removable"] == ["tiny/mix/1"]
        and json.loads(dry.stdout)["removed"] == []
    )
    assert (home.runs / "tiny" / "mix" / "1").is_dir()
    done = CliRunner().invoke(app, arguments)
    assert json.loads(done.stdout)["removed"] == ["tiny/mix/1"]
    assert not (home.runs / "tiny" / "mix" / "1").exists()


def test_gc_forgets_the_labels_of_other_scorer_versions_and_no_others(home: Home) -> None:
    verdict = Label(True, "")
    with LabelCache(home.label_cache) as cache:
        for key, version in ((b"old", "before"), (b"new", label_version())):
            labels = CriticLabels(id="", **dict.fromkeys(LABELS, verdict), scorer_version=version)
            cache.keep({key: labels})
    CliRunner().invoke(app, ["gc", "--dry-run"])
    result = CliRunner().invoke(app, ["gc", "--json"])
    assert json.loads(result.stdout)["labels"] == 1
    with LabelCache(home.label_cache) as cache:
        assert set(cache.find([b"old", b"new"])) == {b"new"}
