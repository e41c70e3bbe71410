"""The guard: open only when nothing forbids, and every reason is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.chat.guard import Situation, decide

FINE = Situation(
    switch="0", training=None, headroom_bytes=4 << 30, needed_bytes=1 << 30, probe="pass"
)


def test_open_when_nothing_forbids() -> None:
    assert decide(FINE).open and not decide(FINE).experimental and decide(FINE).reasons == ()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"switch": None}, "SENTINEL_WEB_CHAT_DISABLED is not set"),
        ({"switch": "1"}, "SENTINEL_WEB_CHAT_DISABLED is '1'"),
        ({"switch": ""}, "SENTINEL_WEB_CHAT_DISABLED is ''"),
        ({"training": "4321"}, "in use by process 4321"),
        ({"headroom_bytes": 1 << 29}, "0.5 GiB of memory are free and the model needs 1.0"),
        ({"probe": "fail"}, "format probe of this checkpoint says fail"),
        ({"probe": "missing"}, "has not been taken"),
        ({"probe": "inconclusive"}, "says inconclusive"),
    ],
)
def test_each_thing_that_forbids_is_named(changed: dict[str, Any], says: str) -> None:
    decision = decide(replace(FINE, **changed))
    assert not decision.open
    (reason,) = decision.reasons
    assert says in reason


def test_an_unproven_checkpoint_opens_only_when_asked_for_and_is_labelled() -> None:
    decision = decide(replace(FINE, probe="fail", allow_experimental=True))
    assert decision.open and decision.experimental
    assert "says fail" in decision.reasons[0]


def test_asking_for_it_opens_nothing_else() -> None:
    decision = decide(
        replace(FINE, probe="fail", allow_experimental=True, training="1", switch="1")
    )
    assert not decision.open and len(decision.reasons) == 2


@given(
    st.builds(
        Situation,
        switch=st.sampled_from([None, "0", "1", "false", "00", " 0"]),
        training=st.sampled_from([None, "1"]),
        headroom_bytes=st.integers(0, 10),
        needed_bytes=st.integers(0, 10),
        probe=st.sampled_from(["pass", "fail", "inconclusive", "missing"]),
        allow_experimental=st.booleans(),
    )
)
def test_never_open_without_switch_device_and_memory_and_never_silently_experimental(
    now: Situation,
) -> None:
    decision = decide(now)
    if decision.open:
        assert now.switch == "0" and now.training is None and now.headroom_bytes >= now.needed_bytes
        assert decision.experimental == (now.probe != "pass")
        assert not decision.experimental or now.allow_experimental
    else:
        assert decision.reasons
