"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def benchmarks_dir() -> Path:
    """The folder of public benchmark files; skips, saying so, where it is absent."""
    folder = Path(os.environ.get("SENTINEL_BENCHMARKS", ROOT.parent / "shared" / "benchmarks"))
    if not folder.is_dir():
        pytest.skip(f"no public benchmark files at {folder}: set SENTINEL_BENCHMARKS to their folder")
    return folder
