"""Dagster's home on a machine that has none yet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sentinel_pipeline.cli.run import prepare_instance
from sentinel_pipeline.store import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return Home(tmp_path)


def test_unset_it_is_made_with_our_settings(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    prepare_instance(home)
    assert os.environ["DAGSTER_HOME"] == str(home.dagster)
    assert (home.dagster / "dagster.yaml").read_text() == (home.root / "dagster.yaml").read_text()


def test_a_named_folder_that_is_missing_is_made_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home.root / "else" / "where"))
    prepare_instance(home)
    assert (home.root / "else" / "where" / "dagster.yaml").samefile(home.root / "dagster.yaml")


def test_an_existing_one_stays_as_it_is(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.root / "mine").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home.root / "mine"))
    prepare_instance(home)
    assert list((home.root / "mine").iterdir()) == []
