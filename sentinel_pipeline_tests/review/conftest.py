"""Every test of the queue runs on SQLite and on a real Postgres server that is started for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline.review.database import Database
from sentinel_pipeline_tests.postgres import empty
from sentinel_pipeline_tests.review.material import Clock


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'review.sqlite'}"
    server: str = request.getfixturevalue("postgres")
    empty(server)
    return server


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
