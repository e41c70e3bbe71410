"""An error quotes the addresses of this installation without what opens them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.secrets import MASK, mask_error


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("postgres://user:pw@h/db", "pw"),
        ("postgresql://sentinel:password@127.0.0.1/sentinel", "password"),
        ("postgresql+psycopg2://sentinel:s3cr3t@db.lan:5432/x?sslmode=require", "s3cr3t"),
        ("https://user:hunter2@example.com/x", "hunter2"),
        ("s3://AKIAIOSFODNN7EXAMPLE:abc/def@bucket/x", "abc/def"),
        ("http://tok3n@host/x", "tok3n"),
        ("sftp://me:p%40ss@h/p", "p%40ss"),
        ("redis://:pa55@h:1/0", "pa55"),
        ("postgresql://u:a@b@h/x", "a@b"),
        ("mailto://bob:letmein@example.org?to=team@example.org", "letmein"),
        ("postgresql://u@h/x?password=hunter2", "hunter2"),
        ("https://h/x?token=abc123&b=2", "abc123"),
        ("https://h/x?a=1&api_key=abc123", "abc123"),
        ("https://h/?X-Amz-Signature=0123abc", "0123abc"),
        ("https://h/?sig=0123abc", "0123abc"),
        ("mysql://root:root1@localhost/x", "root1"),
    ],
)
def test_no_password_and_no_key_of_an_address_is_shown(address: str, secret: str) -> None:
    for error in (
        BadInput(f"{address!r} cannot be used."),
        Infrastructure(f"no answer: {address}"),
    ):
        assert secret not in str(error).replace("password=", "") and MASK in str(error)
    assert mask_error(mask_error(address)) == mask_error(address)
    assert secret not in mask_error({"a": [(address,)]})["a"][0][0].replace("password=", "")


@pytest.mark.parametrize(
    "text",
    [
        "'file:///tmp/x' cannot be used",
        "http://127.0.0.1:8000/v1#ORG/MODEL@main",
        "Expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH.",
        "postgresql://sentinel:${POSTGRES_PASSWORD}@postgres/sentinel",
        "git@github.com:org/repo and ORG/NAME@REVISION",
        "sftp://me@host/p",
        "https://h/x?page=2&sort=asc",
        "s3://bucket/sentinel",
    ],
)
def test_what_opens_nothing_stays(text: str) -> None:
    assert mask_error(text) == text


@given(
    scheme=st.sampled_from(["postgres", "postgresql+psycopg", "https", "s3", "sftp", "redis"]),
    user=st.text("abcXYZ019._-", max_size=8),
    password=st.text("abcxyz!%$^&*()-_=+[]{}|;,.~", min_size=4, max_size=12).map(lambda t: f"q{t}"),
)
def test_a_password_of_any_signs_is_hidden(scheme: str, user: str, password: str) -> None:
    assert password not in mask_error(f"cannot reach {scheme}://{user}:{password}@db.example/x now")
