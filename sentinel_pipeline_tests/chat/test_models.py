"""Which checkpoints are offered, by whose probe they are judged, and what is held in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.chat.guard import SWITCH
from sentinel_pipeline.chat.models import Models
from sentinel_pipeline.chat.probe import probe
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline.generation.targets import find_target
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.store.marks import find_artifacts, mark
from sentinel_pipeline.worker.device import device_lock
from sentinel_pipeline_tests.chat.material import (
    add_checkpoint,
    add_probe,
    license_scorers,
    report_json,
    write_model,
)


@pytest.fixture
def ready(home: Home, small_model: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """``tiny/sft`` without a probe, licensed scorers, the switch open."""
    monkeypatch.setenv(SWITCH, "0")
    add_checkpoint(home, "tiny", "sft", small_model)
    license_scorers(home)
    return home


def state(home: Home) -> tuple[str, str]:
    return probe(home, home.recipe("tiny"), "sft", find_target(home, "tiny/sft"))[:2]


def test_a_probe_that_nobody_took_is_missing_and_says_how_to_take_it(ready: Home) -> None:
    assert state(ready) == ("missing", "Take it: sentinel bench tiny/sft --suite format_probe.")


@pytest.mark.parametrize(
    ("passed", "n", "change", "expected", "says"),
    [
        (40, 40, {}, "pass", "whole interval"),
        (38, 40, {}, "pass", "whole interval"),
        (37, 40, {}, "inconclusive", "more items"),
        (10, 40, {}, "fail", "25.0 %"),
        (39, 39, {}, "inconclusive", "39 of 40 items"),
        (40, 40, {"scorer_version": "old"}, "inconclusive", "stale"),
        (40, 40, {"model_hash": "of another"}, "missing", "Take it"),
        (40, 40, {"decoding": {"prompt_format": "raw"}}, "missing", "Take it"),
        (40, 40, {"interval": 7}, "missing", "Take it"),
    ],
)
def test_the_probe_is_of_this_checkpoint_whole_fresh_and_clear(
    ready: Home, passed: int, n: int, change: dict[str, Any], expected: str, says: str
) -> None:
    add_probe(ready, "tiny", "sft", passed, n, **change)
    found, reason = state(ready)
    assert found == expected and says in reason


def test_without_licensed_scorers_a_perfect_probe_proves_nothing(
    home: Home, small_model: Path
) -> None:
    add_checkpoint(home, "tiny", "sft", small_model)
    add_probe(home, "tiny", "sft", 40)
    found, reason = state(home)
    assert found == "inconclusive" and "never audited" in reason


def test_a_report_of_bench_counts_and_the_newest_decides(ready: Home) -> None:
    add_probe(ready, "tiny", "sft", 40)
    target = find_target(ready, "tiny/sft")
    with Store(ready, "bench", "later", "later").writing(
        target.slug, recipe_hash="-", seed=1
    ) as out:
        out.json(
            "format_probe/report.json",
            report_json("format_probe", "bench", target.model_hash, 4, 40),
        )
    assert state(ready)[0] == "fail"


def test_a_new_checkpoint_has_no_probe_until_it_takes_its_own(ready: Home, tmp_path: Path) -> None:
    add_probe(ready, "tiny", "sft", 40)
    models = Models(ready, None, experimental=False)
    first = models.open("tiny/sft")
    add_checkpoint(ready, "tiny", "sft", write_model(tmp_path / "other", seed=9), run_id="run-2")
    with pytest.raises(GateRefused, match="has not been taken"):
        models.open("tiny/sft")
    add_probe(ready, "tiny", "sft", 40, run_id="run-2")
    assert models.open("tiny/sft").session is not first.session


def test_experimental_opens_what_was_named_and_says_why(ready: Home) -> None:
    assert Models(ready, None, experimental=False).look("tiny/sft").open is False
    opened = Models(ready, ("tiny",), experimental=True).open("tiny/sft")
    assert opened.clearance.experimental and "has not been taken" in opened.clearance.reasons[0]


def test_the_guard_is_asked_again_and_memory_goes_back_while_somebody_trains(ready: Home) -> None:
    add_probe(ready, "tiny", "sft", 40)
    models = Models(ready, None, experimental=False)
    session = models.open("tiny/sft").session
    assert models.open("tiny/sft").session is session
    with device_lock(ready.device_lock):
        with pytest.raises(GateRefused, match="the device is in use by process"):
            models.open("tiny/sft")
        assert models.sessions == {}
    assert models.open("tiny/sft").session is not session


def test_a_model_is_loaded_as_its_recipe_says_and_again_where_its_process_died(
    ready: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, bool]] = []

    class Toy:
        alive = True

        def __init__(self, folder: Path, *, trust_remote_code: bool) -> None:
            loaded.append((folder.parent.parent.name, trust_remote_code))

        def retire(self) -> None:
            self.alive = False

    monkeypatch.setattr("sentinel_pipeline.chat.models.ModelProcess", Toy)
    models = Models(ready, ("tiny",), experimental=True)
    first = models.open("tiny/sft").session
    assert models.open("tiny/sft").session is first and len(loaded) == 1
    path = ready.recipes / "tiny.toml"
    path.write_text('[model]\nsource = "org/name"\ntrust_remote_code = true\n')
    first.retire()
    assert models.open("tiny/sft").session is not first
    assert loaded == [("sft_checkpoint", False), ("sft_checkpoint", True)]


@pytest.mark.parametrize("name", ["nosuch", "tiny/dpo", "tiny:../../etc", "../tiny", ""])
def test_unknown_names_are_bad_input(ready: Home, name: str) -> None:
    with pytest.raises(BadInput):
        Models(ready, (name,), experimental=False)
    with pytest.raises(BadInput, match="no model"):
        Models(ready, None, experimental=False).open(name)


def test_an_archived_checkpoint_is_offered_only_where_somebody_names_it(ready: Home) -> None:
    assert Models(ready, None, experimental=True).names() == ["tiny/sft"]
    mark(ready, find_artifacts(ready, "tiny/sft_checkpoint"), "archived", "old", marked_by="ann")
    assert Models(ready, None, experimental=True).names() == []
    assert Models(ready, ("tiny/sft",), experimental=True).names() == ["tiny/sft"]
