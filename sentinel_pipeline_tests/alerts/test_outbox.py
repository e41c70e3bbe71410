"""The outbox: told once, never lost, retried ever more seldom."""

from __future__ import annotations

import multiprocessing as mp
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.records.alert import Alert
from sentinel_pipeline.store import Outbox
from sentinel_pipeline.store.outbox import CLAIM_S, LONGEST_RETRY_S


def alert(key: str = "a") -> Alert:
    return Alert(key=key, kind="run_failed", recipe="tiny", title="t", body="b", link="l")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite")


def test_the_same_key_is_kept_once(outbox: Outbox) -> None:
    assert outbox.add(alert(), ["mail", "hook"], now=0)
    assert not outbox.add(alert(), ["mail", "hook"], now=5)
    assert [at for at, _ in outbox.alerts()] == [0]
    assert [one.channel for one in outbox.deliveries()] == ["hook", "mail"]


def test_a_claimed_delivery_is_nobody_elses_until_the_claim_runs_out(outbox: Outbox) -> None:
    outbox.add(alert(), ["mail"], now=0)
    assert [one.attempts for one in outbox.claim(now=1)] == [1]
    assert outbox.claim(now=2) == []
    assert [one.attempts for one in outbox.claim(now=1 + CLAIM_S)] == [2], (
        "its deliverer died: sent again, not lost"
    )


def test_what_failed_waits_twice_as_long_each_time_and_at_most_an_hour(outbox: Outbox) -> None:
    outbox.add(alert(), ["mail"], now=0)
    now, waits = 0.0, []
    for _ in range(12):
        (one,) = outbox.claim(now)
        outbox.failed(one, "refused", now)
        due = outbox.deliveries()[0].next_at
        assert outbox.claim(due - 0.1) == []
        waits.append(due - now)
        now = due
    assert waits[:4] == [10, 20, 40, 80]
    assert max(waits) == LONGEST_RETRY_S
    assert outbox.deliveries()[0].error == "refused"


def test_what_was_delivered_is_never_due_again(outbox: Outbox) -> None:
    outbox.add(alert(), ["mail"], now=0)
    (one,) = outbox.claim(now=0)
    outbox.delivered(one, now=3)
    assert outbox.claim(now=1e9) == []
    assert outbox.deliveries()[0].delivered_at == 3


def test_a_clock_that_was_set_back_does_not_hold_alerts_back(outbox: Outbox) -> None:
    day = 86_400.0
    outbox.add(alert(), ["mail"], now=day)
    outbox.failed(outbox.claim(now=day)[0], "down", now=day)
    assert [one.attempts for one in outbox.claim(now=10.0)] == [2]
    assert outbox.claim(now=11.0) == [], "claimed, by the clock of now"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(1, 4000)), max_size=30)
)
def test_every_delivery_ends_delivered_once_whatever_fails_between(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool, int]]
) -> None:
    outbox, now, sent = Outbox(tmp_path_factory.mktemp("outbox") / "o.sqlite"), 0.0, []
    for key, works, wait in steps:
        outbox.add(alert(key), ["mail"], now)
        for one in outbox.claim(now):
            if works:
                outbox.delivered(one, now)
                sent.append(one.alert.key)
            else:
                outbox.failed(one, "down", now)
        now += wait
    for one in outbox.claim(now + LONGEST_RETRY_S):
        outbox.delivered(one, now)
        sent.append(one.alert.key)
    assert sorted(sent) == sorted({key for key, _, _ in steps})


def _claims(path: Path, out: mp.Queue[list[str]]) -> None:
    mine: list[str] = []
    while got := Outbox(path).claim(now=1, limit=3):
        mine += [one.alert.key for one in got]
    out.put(mine)


def test_two_processes_never_claim_the_same_delivery(outbox: Outbox) -> None:
    for index in range(60):
        outbox.add(alert(f"{index:02}"), ["mail"], now=0)
    context = mp.get_context("spawn")
    out: mp.Queue[list[str]] = context.Queue()
    workers = [context.Process(target=_claims, args=(outbox.path, out)) for _ in range(2)]
    for worker in workers:
        worker.start()
    claimed = [key for _ in workers for key in out.get(timeout=120)]
    for worker in workers:
        worker.join()
    assert sorted(claimed) == [f"{index:02}" for index in range(60)]
