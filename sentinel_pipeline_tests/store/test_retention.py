"""Retention: what is named stays, what is old and unnamed goes, and a kill in between leaves
nothing half."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sentinel_pipeline.records import GateVerdict
from sentinel_pipeline.store import Artifact, Home, Ledger, Store
from sentinel_pipeline.store.launched import find_launched, freeze
from sentinel_pipeline.store.retention import removable, remove


def made(home: Home, asset: str, run_id: str, *parents: Artifact) -> Artifact:
    store = Store(home, "tiny", run_id=run_id, loop_id=run_id)
    with store.writing(asset, parents=parents, recipe_hash="", seed=1) as out:
        out.text("note", run_id)
    os.utime(store.get(asset).folder, (int(run_id), int(run_id)))
    return store.get(asset)


def names(home: Home, keep: int = 1, days: float = 0) -> list[str]:
    return [
        f"{one.folder.parent.name}/{one.folder.name}"
        for one in removable(home, keep=keep, days=days)
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_newest_stay_and_older_ones_go_oldest_first(home: Home) -> None:
    for run_id in ("100", "200", "300", "400"):
        made(home, "mix", run_id)
    assert names(home, keep=2) == ["mix/100", "mix/200"]
    assert names(home, keep=2, days=1e5) == [], "none is that old"


def test_what_a_verdict_names_stays(home: Home) -> None:
    report = made(home, "sft_report", "100")
    made(home, "sft_report", "200")
    verdict = GateVerdict(
        name="pass_at_1", subject="tiny/sft_report", subject_hash=report.hash, verdict="fail", measured=0.1, threshold=0.4,
        n=10, interval=None, reason="", scorer_version="", policy_hash="",
    )  # fmt: skip
    assert names(home) == ["sft_report/100"]
    Ledger(home.ledger).record(verdict, recipe="tiny", run_id="100")
    assert names(home) == []


def test_what_a_release_or_a_current_artifact_was_made_from_stays(home: Home) -> None:
    mix = made(home, "mix", "100")
    checkpoint = made(home, "sft_checkpoint", "100", mix)
    made(home, "release_bundle", "100", checkpoint)
    old = made(home, "mix", "200")
    made(home, "sft_checkpoint", "300", made(home, "mix", "300"))
    made(home, "release_bundle", "400")
    assert names(home) == [f"mix/{old.folder.name}"]


def test_a_draft_goes_only_when_nothing_in_it_was_written_lately(home: Home) -> None:
    draft = home.runs / "tiny" / "sft_checkpoint" / ".draft-x"
    (draft / "logs").mkdir(parents=True)
    (draft / "logs" / "steps.jsonl").write_text("{}\n")
    for path in (draft, draft / "logs"):
        os.utime(path, (1, 1))
    assert names(home, days=1) == [], "its log was written just now"
    os.utime(draft / "logs" / "steps.jsonl", (1, 1))
    assert names(home, days=1) == ["sft_checkpoint/.draft-x"]


def test_a_removal_that_was_killed_is_finished_by_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id in ("100", "200"):
        made(home, "mix", run_id)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            list(remove(removable(home, keep=1, days=0)))
    assert [one.manifest.run_id for one in Store(home, "tiny", "", "").history("mix")] == ["200"], (
        "no half artifact"
    )
    gone = list(remove(removable(home, keep=1, days=0)))
    assert [one.folder.name for one in gone] == [".trash-100"]
    assert sorted(path.name for path in (home.runs / "tiny" / "mix").iterdir()) == [
        "200",
        "current",
    ]


def launched(home: Home, loop: str, text: str, days_ago: float = 400) -> Path:
    """Freeze the recipe for ``loop``, so long ago; returns the copy."""
    recipes = home.root / "data" / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    (recipes / "tiny.toml").write_text(text)
    freeze(home, "tiny", loop)
    pointer = home.state / "launched" / loop
    copy = home.state / "recipes" / pointer.read_text().split()[0]
    then = time.time() - days_ago * 86_400
    for path in (pointer, copy):
        os.utime(path, (then, then))
    return copy


def frozen(home: Home, days: float = 0) -> list[str]:
    removables = removable(home, keep=1, days=days)
    return [one.folder.name for one in removables if home.state in one.folder.parents]


def test_a_frozen_recipe_stays_while_a_run_has_an_artifact_or_a_draft(home: Home) -> None:
    copies = {loop: launched(home, loop, f"seed = {loop}\n") for loop in ("100", "200", "300")}
    made(home, "mix", "100")
    (home.runs / "tiny" / "sft_checkpoint" / ".draft-200").mkdir(parents=True)
    (home.runs / "tiny" / "sft_checkpoint" / ".draft-200" / "rows").write_text("")
    assert frozen(home, days=1) == ["300", copies["300"].name]
    assert [item.folder.name for item in remove(removable(home, keep=1, days=1))] == [
        "300", copies["300"].name,
    ]  # fmt: skip
    assert find_launched(home, "tiny", "100") is not None
    assert find_launched(home, "tiny", "200") is not None
    assert find_launched(home, "tiny", "300") is None


def test_a_copy_that_several_runs_were_launched_with_stays_with_the_last_of_them(
    home: Home,
) -> None:
    copy = launched(home, "100", "seed = 1\n")
    launched(home, "200", "seed = 1\n")
    made(home, "mix", "200")
    assert frozen(home) == ["100"] and copy.is_dir()
    list(remove(removable(home, keep=1, days=0)))
    again = find_launched(home, "tiny", "200")
    assert again is not None and again.seed == 1


def test_a_frozen_recipe_goes_with_the_last_artifact_of_its_run_and_after_it(home: Home) -> None:
    copy = launched(home, "100", "seed = 1\n")
    made(home, "mix", "100")
    made(home, "mix", "200")
    going = [one.folder.name for one in removable(home, keep=1, days=0)]
    assert going == ["100", "100", copy.name]
    first = removable(home, keep=1, days=0)[0].folder
    assert home.runs in first.parents, "the artifact before the recipe"


def test_a_run_that_was_launched_today_keeps_its_recipe_whatever_is_asked(home: Home) -> None:
    launched(home, "100", "seed = 1\n", days_ago=0.5)
    assert frozen(home, days=0) == []


def test_a_damaged_manifest_keeps_every_recipe_that_it_may_need(home: Home) -> None:
    launched(home, "100", "seed = 1\n")
    folder = home.runs / "tiny" / "mix" / "900"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{torn")
    assert frozen(home) == []
