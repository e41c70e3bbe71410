"""The small base model, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from .material import pretrain_small, sft_material


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain_small(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training rows (JSONL) and a suite (Parquet)."""
    return sft_material(tmp_path_factory.mktemp("material"))
