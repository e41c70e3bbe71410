"""A random model made once for all tests of chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_pipeline_tests.chat.material import write_model


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))
