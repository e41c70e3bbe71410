"""Masked text holds no secret, masking twice is masking once, and errors and rows are masked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records import Message
from sentinel_pipeline.secrets import MASK, find_credentials, mask
from sentinel_pipeline.secrets.mask import is_harmless
from sentinel_pipeline_tests.secrets.made_secrets import MADE_TEXT, Draw, MadeSecret, made_secrets

MADE = list(made_secrets(rounds=1, seed=11))
KEY = "gh" + "p_" + Draw(Random(2)).of("abcdefghkmnpqrstuvwxyz23456789ABCDEFGH", 36)
PASSWORD = "k8#Pz!2v" + "Qm9Lw"


@given(st.lists(st.sampled_from(MADE), min_size=1, max_size=4), st.sampled_from(MADE_TEXT))
def test_a_masked_text_holds_no_secret(secrets: list[MadeSecret], between: str) -> None:
    text = between.join(secret.text for secret in secrets)
    masked = mask(text)
    assert list(find_credentials(masked)) == []
    assert mask(masked) == masked
    assert MASK in masked


@given(
    st.text(max_size=300)
    | st.from_regex(r"(?:pass|pwd|token|key|://|:|=|@|\"|'| |[a-zA-Z0-9!#$]{1,9}){1,20}")
)
def test_masking_any_text_twice_changes_nothing_and_never_raises(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked
    assert list(find_credentials(masked)) == []


@pytest.mark.parametrize("secret", MADE, ids=lambda secret: f"{secret.group}: {secret.provider}")
def test_no_part_of_a_value_is_left(secret: MadeSecret) -> None:
    masked = mask(f"before\n{secret.text}\nafter")
    value = secret.value.strip()
    pieces = {value[at : at + 12] for at in range(len(value) - 12, len(value) // 2, -6)} or {value}
    assert [piece for piece in pieces if piece in masked] == [], masked


@given(
    st.text(alphabet=st.characters(codec="ascii"), max_size=200)
    | st.sampled_from([s.text for s in MADE])
)
def test_a_harmless_message_is_one_in_which_the_detector_finds_nothing(text: str) -> None:
    if is_harmless(text):
        assert list(find_credentials(text)) == []


def test_rows_are_masked_in_every_field_and_keep_their_form() -> None:
    row: dict[str, Any] = {
        "id": 7,
        "messages": [{"role": "user", "content": f"use {KEY}"}],
        "password": PASSWORD,
        "turns": (Message("user", f"TOKEN={KEY}"),),
        "none": None,
        "rate": 0.5,
    }
    masked = mask(row)
    assert masked == {
        "id": 7,
        "messages": [{"role": "user", "content": f"use {MASK}"}],
        "password": MASK,
        "turns": (Message("user", f"TOKEN={MASK}"),),
        "none": None,
        "rate": 0.5,
    }
    assert isinstance(masked["turns"][0], Message)
    assert KEY in json.dumps(row), "the row itself is left as it is"


def test_an_error_shows_no_secret_of_what_it_quotes() -> None:
    url = f"postgres://app:{PASSWORD.replace('#', '')}@db.acme.io/orders"
    assert str(Infrastructure(f"{url} does not answer")) == (
        f"postgres://app:{MASK}@db.acme.io/orders does not answer"
    )
    error = BadInput(
        f"unknown token {KEY}", file="recipe.toml", field="api_key", fix="Take it out."
    )
    assert KEY not in str(error)
    assert str(error).startswith("recipe.toml, field 'api_key': unknown token")
    assert str(error).endswith("Take it out.")


@pytest.mark.parametrize(
    "text",
    [
        "recipe.toml:3, field 'max_steps': expected a whole number from 1 to 10000000.",
        "/tmp/pytest-of-root/pytest-12/test_rows0/rows.jsonl: holds no row.",
        "ValueError: not enough values to unpack (expected 2, got 1)",
    ],
)
def test_an_ordinary_message_is_told_without_loading_the_detector(text: str) -> None:
    assert is_harmless(text)
    assert mask(text) == text
