"""What the digest's sensor remembers, hashes and names, and that it tells before it writes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.costs import note_attempt
from sentinel_pipeline.defs import digest as module
from sentinel_pipeline.defs.digest import AWAY_S, Watch, nightly_digest
from sentinel_pipeline.defs.nightly import NIGHT_TAG
from sentinel_pipeline.store import Home, Outbox, Store
from sentinel_pipeline_tests.defs.test_nightly import instance as instance
from sentinel_pipeline_tests.defs.test_nightly import past_run, recipe, tick
from sentinel_pipeline_tests.store.test_verify import flip

NIGHT = "2026-01-02"


class Sensor:
    """The sensor over many ticks, with its cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> str:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        said = nightly_digest(context)
        self.cursor = context.cursor
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message)


@pytest.fixture
def sensor(instance: dg.DagsterInstance) -> Iterator[Sensor]:
    yield Sensor(instance)


def page(home: Home) -> str:
    return (home.digests / f"{NIGHT}.md").read_text()


def made(home: Home, run_id: str, asset: str = "task_bank") -> Path:
    store = Store(home, "tiny", run_id=run_id, loop_id=run_id)
    with store.writing(asset, recipe_hash="-", seed=1) as out:
        out.json("a.json", {"a": 1})
        note_attempt(out.folder / "logs", "start")
    return store.get(asset).folder


@given(st.lists(st.tuples(st.floats(0, 2e9), st.sampled_from("ab")), max_size=8))
def test_a_watch_survives_its_cursor(ticks: list[tuple[float, str]]) -> None:
    watch = Watch()
    for now, daemon in ticks:
        watch = watch.ticked(now, daemon)
        assert Watch.read(json.dumps(asdict(watch))) == watch


def test_a_late_tick_another_daemon_and_a_clock_that_was_set_back_are_remembered() -> None:
    first = Watch().ticked(1000.0, "one")
    assert first.away == () and first.ticked(1030.0, "one").away == ()
    assert first.ticked(1000.0 + AWAY_S + 1, "one").away == ((1000.0, 1001.0 + AWAY_S),)
    assert first.ticked(1030.0, "two").away == ((1000.0, 1030.0),)
    assert first.ticked(100.0, "one").away == ((1000.0, 100.0),)
    assert first.ticked(995.0, "one").away == (), "a clock that is kept in time steps back a little"
    old = first.ticked(1030.0, "two")
    assert old.ticked(1e9, "two").away == ((1030.0, 1e9),), "what is days ago is forgotten"


def test_an_absent_daemon_is_named_only_where_the_night_was(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home
) -> None:
    # Yesterday: whatever the hour, its two o'clock is over.
    night = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
    past_run(instance, DagsterRunStatus.FAILURE, **{NIGHT_TAG: night})
    two = dt.datetime.fromisoformat(f"{night}T02:00:00+00:00").timestamp()
    away = [[two - 90_000, two - 80_000], [two + 1, two + 61]]
    sensor.cursor = json.dumps({"away": away})
    assert sensor.tick() == f"wrote {night}.md"
    text = (home.digests / f"{night}.md").read_text()
    assert text.count("was away between") == 1
    assert "- Dagster's daemon was away between 02:00:01 and 02:01:01: killed or restarted" in text


def test_damage_of_the_night_is_named_a_part_at_a_time(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = past_run(instance, DagsterRunStatus.SUCCESS, **{NIGHT_TAG: NIGHT})
    folders = [made(home, run_id, asset) for asset in ("mix", "task_bank")]
    elsewhere = made(home, "another-night")
    flip(folders[1] / "a.json")
    flip(elsewhere / "a.json")
    monkeypatch.setattr(module, "VERIFY_S", 0.0)
    said = [sensor.tick()]
    while said[-1].startswith("hashing"):
        assert len(said) < 20
        said.append(sensor.tick())
    assert len(said) > 3 and said[-1] == f"wrote {NIGHT}.md"
    assert (
        f"- tiny/task_bank/{run_id}/a.json is damaged: its bytes are not those that were written.\n"
        in page(home)
    )
    assert "another-night" not in page(home)


def test_a_run_whose_process_is_gone_does_not_hold_the_digest_up(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home
) -> None:
    past_run(
        instance, DagsterRunStatus.STARTED, **{NIGHT_TAG: NIGHT, "sentinel/pid": "4194304:gone-1"}
    )
    assert [sensor.tick(), sensor.tick()][1] == f"wrote {NIGHT}.md"
    assert "- tiny: the run failed. its process has ended" in page(home)


def test_a_broken_recipe_is_named_and_the_others_run(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home
) -> None:
    (home.recipes / "broken.toml").write_text("nightly = true\nsede = 3\n")
    assert set(tick(instance)[0]) == {"tiny"}
    past_run(instance, DagsterRunStatus.SUCCESS, **{NIGHT_TAG: NIGHT})
    sensor.tick()
    assert "- broken: did not run, its file is broken." in page(
        home
    ) and "Did you mean 'seed'" in page(home)


def test_cost_is_what_workers_took_at_the_recipes_rate(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home
) -> None:
    recipe(home, "tiny", "[budget]\nhourly_rate = 3600.0\n")
    run_id = past_run(instance, DagsterRunStatus.FAILURE, **{NIGHT_TAG: NIGHT})
    folder = home.runs / "tiny" / "sft_checkpoint" / f".draft-{run_id}" / "logs"
    folder.mkdir(parents=True)
    rows = [{"event": "start", "time": 4e9}, {"event": "end", "time": 4e9 + 2.5}]
    (folder / "attempts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sensor.tick()
    assert "| 0.00 | 2.50 USD |" in page(home), (
        "of a killed stage too; the run itself took no time at all"
    )


def test_it_is_told_before_the_page_stands(
    instance: dg.DagsterInstance, sensor: Sensor, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.root / "data" / "alerts.toml").write_text('[[rules]]\non = "digest"\nto = []\n')
    past_run(instance, DagsterRunStatus.SUCCESS, **{NIGHT_TAG: NIGHT})
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_json", _full)
        with pytest.raises(OSError):
            sensor.tick()
    assert len(Outbox(home.outbox).alerts()) == 1
    assert sensor.tick() == f"wrote {NIGHT}.md" and len(Outbox(home.outbox).alerts()) == 1


def _full(*_: object, **options: object) -> None:
    raise OSError(28, "No space left on device")
