"""Artifacts are whole or absent, immutable, and found by run, loop and currency in that order."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.store import Artifact, Home, Store


def store(home: Path, run: str = "run-1", loop: str | None = None) -> Store:
    return Store(Home(home), "tiny", run, loop or run)


def make(
    where: Store, text: str = "a", asset: str = "task_bank", parents: tuple[Artifact, ...] = ()
) -> Artifact:
    with where.writing(asset, parents=parents, recipe_hash="r", seed=1) as out:
        out.json("value.json", {"text": text})
    return where.get(asset)


def test_a_finished_artifact_names_its_files_by_hash(tmp_path: Path) -> None:
    made = make(store(tmp_path))
    assert [entry.path for entry in made.manifest.files] == ["value.json"]
    assert made.damage() == []
    assert made.manifest.versions["code"]


def test_damage_is_named(tmp_path: Path) -> None:
    made = make(store(tmp_path))
    (made.folder / "value.json").write_text("{}")
    assert made.damage() == ["value.json"]
    (made.folder / "value.json").unlink()
    assert made.damage() == ["value.json"]


def test_equal_content_has_an_equal_hash_whenever_it_was_made(tmp_path: Path) -> None:
    first, second = make(store(tmp_path, "run-1")), make(store(tmp_path, "run-2"))
    assert first.hash == second.hash
    assert make(store(tmp_path, "run-3"), "b").hash != first.hash


def test_logs_are_kept_but_are_no_content(tmp_path: Path) -> None:
    plain = make(store(tmp_path, "run-1"))
    with store(tmp_path, "run-2").writing("task_bank", recipe_hash="r", seed=1) as out:
        out.json("value.json", {"text": "a"})
        out.json("logs/timing.json", {"seconds": 3})
    timed = store(tmp_path, "run-2").get("task_bank")
    assert timed.hash == plain.hash
    assert timed.json("logs/timing.json") == {"seconds": 3}


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    where = store(tmp_path)
    with (
        pytest.raises(ZeroDivisionError),
        where.writing("task_bank", recipe_hash="r", seed=1) as out,
    ):
        out.json("value.json", {})
        raise ZeroDivisionError
    assert where.find("task_bank") is None
    assert list((tmp_path / "data/runs/tiny/task_bank").iterdir()) == []


def test_a_finished_artifact_is_never_written_again(tmp_path: Path) -> None:
    where = store(tmp_path)
    make(where)
    with pytest.raises(Infrastructure, match="immutable"):
        make(where, "b")
    assert where.get("task_bank").json("value.json") == {"text": "a"}


def test_long_work_keeps_its_draft_for_the_run_that_resumes_the_loop(tmp_path: Path) -> None:
    first = store(tmp_path, "run-1")
    with (
        pytest.raises(RuntimeError),
        first.writing("sft_checkpoint", recipe_hash="r", seed=1, keep=True) as out,
    ):
        out.json("checkpoint.json", {"step": 100})
        raise RuntimeError
    resumed = store(tmp_path, "run-2", loop="run-1")
    with resumed.writing("sft_checkpoint", recipe_hash="r", seed=1, keep=True) as out:
        assert out.resumed
        assert (out.folder / "checkpoint.json").exists()
    with store(tmp_path, "run-3").writing(
        "sft_checkpoint", recipe_hash="r", seed=1, keep=True
    ) as out:
        assert not out.resumed


def test_a_run_reads_its_own_artifact_then_its_loops_then_the_current_one(tmp_path: Path) -> None:
    make(store(tmp_path, "run-1"), "one")
    make(store(tmp_path, "run-2"), "two")
    assert store(tmp_path, "run-1").get("task_bank").json("value.json") == {"text": "one"}
    assert store(tmp_path, "run-9", loop="run-1").get("task_bank").json("value.json") == {
        "text": "one"
    }
    assert store(tmp_path, "run-9").get("task_bank").json("value.json") == {"text": "two"}


def test_a_missing_artifact_says_what_to_materialize(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="tiny has no task_bank yet. Materialize task_bank first"):
        store(tmp_path).get("task_bank")


def test_origin_is_the_very_parent_whatever_is_current(tmp_path: Path) -> None:
    old = make(store(tmp_path, "run-1"), "old")
    child = make(store(tmp_path, "run-1"), asset="raw_candidates", parents=(old,))
    make(store(tmp_path, "run-2"), "new")
    later = store(tmp_path, "run-3")
    assert later.get("task_bank").json("value.json") == {"text": "new"}
    assert later.origin(child, "task_bank").json("value.json") == {"text": "old"}
    with pytest.raises(Infrastructure, match="is missing"):
        later.origin(child, "sft_report")


def test_a_full_disk_is_infrastructure_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    where = store(tmp_path)
    with (
        pytest.raises(Infrastructure, match="No space left on device"),
        where.writing("task_bank", recipe_hash="r", seed=1) as out,
    ):
        monkeypatch.setattr(os, "fsync", full)
        out.json("value.json", {})
    assert where.find("task_bank") is None


@pytest.mark.parametrize("moment", ["after a file", "before the rename", "before the pointer"])
def test_killed_at_any_moment_an_artifact_is_whole_or_absent(tmp_path: Path, moment: str) -> None:
    """A child really dies by SIGKILL in the middle of writing; what the next process sees is
    judged."""
    code = f"""
        import os, signal
        from pathlib import Path
        from sentinel_pipeline.store import Home, Store, artifacts
        def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
        where = Store(Home(Path({str(tmp_path)!r})), "tiny", "run-1", "run-1")
        if {moment!r} == "before the rename": os.replace = die
        if {moment!r} == "before the pointer": artifacts.sync_folder = die
        with where.writing("task_bank", recipe_hash="r", seed=1) as out:
            out.json("value.json", {{"text": "a"}})
            if {moment!r} == "after a file": die()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert done.returncode == -signal.SIGKILL
    found = store(tmp_path, "run-1").find("task_bank")
    if moment == "before the pointer":
        assert found is not None and found.damage() == []
    else:
        assert found is None
    again = make(store(tmp_path, "run-2", loop="run-1"), "b")
    assert again.damage() == []


def test_a_manifest_survives_its_file(tmp_path: Path) -> None:
    made = make(store(tmp_path))
    data = json.loads((made.folder / "manifest.json").read_text())
    assert type(made.manifest).from_json(data) == made.manifest
