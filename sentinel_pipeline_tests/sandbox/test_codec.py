"""The codec: what goes through comes back exactly, and nothing else can come to exist."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.sandbox.guest import codec
from sentinel_pipeline.sandbox.guest.codec import Malformed

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None), max_size=20)
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
)
KEYS = st.integers() | st.text(max_size=5) | st.tuples(st.integers(), st.text(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=20,
)


def _refuse(value: Any) -> Any:
    raise AssertionError(f"{value!r} should have a plain form")


def _through(value: Any) -> Any:
    return codec.unpack(codec.from_text(codec.to_text(codec.pack(value, _refuse))), _refuse)


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    return bool(a == b) and (not isinstance(a, float) or str(a) == str(b))


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_every_plain_value_comes_back_exactly(value: Any) -> None:
    assert _same(_through(value), value)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.text(max_size=4), max_size=6))
def test_text_of_a_set_does_not_depend_on_its_order(items: set[str]) -> None:
    ways = {
        codec.to_text(codec.pack(set(order), _refuse))
        for order in (sorted(items), sorted(items, reverse=True))
    }
    assert len(ways) == 1


class LyingInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class LyingStr(str):
    def __getitem__(self, key: Any) -> str:
        return "lie"


class LyingList(list[Any]):
    def __iter__(self) -> Any:
        return iter(["lie"])


@pytest.mark.parametrize(
    "value, base", [(LyingInt(3), 3), (LyingStr("x"), "x"), (LyingList([1]), [1]), (True, True)]
)
def test_subclass_is_reduced_by_its_bases_own_methods(value: Any, base: Any) -> None:
    assert _same(_through(value), base)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_value_are_malformed_and_nothing_else(data: bytes) -> None:
    try:
        codec.unpack(codec.from_text(data), lambda content: content)
    except Malformed:
        return


NODES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*codec.UNPACKERS, "h", "G", "pickle", "__reduce__"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(NODES)
def test_forged_nodes_are_values_or_malformed(node: Any) -> None:
    try:
        codec.unpack(node, lambda content: content)
    except Malformed:
        return


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 5000 + b"]" * 5000,
        b'{"t":' * 300 + b"[]" + b"}" * 300,
        b'{"T":"eval"}',
        b'{"B":"exec"}',
        b'{"B":"__import__"}',
        b'{"h":1,"t":[]}',
        b"NaN",
        b"1 2",
        b"\xff\xfe1\x00",
        b"1" * 5000,
        b'{"i":5}',
        b'{"d":[[[],1]]}',
        b'{"r":["0x0","0x1","0x0"]}',
        b'{"F":["0x1","0x0"]}',
        b'{"dt":"never"}',
        b"",
    ],
)
def test_hostile_text_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        codec.unpack(codec.from_text(text), _refuse)


def test_a_value_that_holds_itself_is_malformed() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Malformed, match="too deeply"):
        codec.pack(loop, _refuse)


def test_endless_iterator_is_cut_and_says_so() -> None:
    import itertools

    got = codec.unpack(codec.pack(map(abs, itertools.count()), _refuse), _refuse)
    with pytest.raises(RuntimeError, match="endless"):
        list(got)
