"""The small base model, made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_pipeline_tests.training.material import pretrain_small, sft_material


@pytest.fixture(scope="session", autouse=True)
def little_text_for_tokenizers() -> Iterator[None]:
    """A tokenizer of 600 entries needs no 60 modules; the real amounts are the tiny recipe's to
    try."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentinel_pipeline.training.embedded.embedded_model.TOKENIZER_DOCUMENTS", 300)
        patch.setattr("sentinel_pipeline.training.embedded.embedded_model.TOKENIZER_SOURCES", 5)
        yield


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain_small(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training rows (JSONL) and a suite (Parquet)."""
    return sft_material(tmp_path_factory.mktemp("material"))
