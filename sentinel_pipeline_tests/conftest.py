"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.postgres import postgres as postgres
from sentinel_pipeline_tests.tools import missing_tool

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
# What a long run finds is kept beside the project's other examples and tried first the next time.
settings.register_profile(
    "fuzz", deadline=None, database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "fuzz")
)
if os.environ.get("SENTINEL_FUZZ"):
    settings.load_profile("fuzz")
else:
    settings.load_profile("ci" if os.environ.get("CI") else "default")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Busy test processes side by side: one thread each, and one that waits must not spin.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first: with several test processes none is left alone at the end."""
    minutes = (
        "test_loop",
        "test_night",
        "test_dagster_ui",
        "test_repeats",
        "test_launch",
        "test_run_job",
    )

    def place(item: pytest.Item) -> tuple[bool, int]:
        named = [number for number, name in enumerate(minutes) if f"/{name}.py" in item.nodeid]
        return item.get_closest_marker("slow") is None, min(named, default=len(minutes))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: no collection of garbage needs to look at them
    again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # extension modules look for leaks at the end


@pytest.fixture(scope="session")
def benchmarks_dir() -> Path:
    """The folder of public benchmark files; skips, saying so, where it is absent."""
    folder = Path(os.environ.get("SENTINEL_BENCHMARKS", ROOT.parent / "shared" / "benchmarks"))
    if not folder.is_dir():
        pytest.skip(
            f"no public benchmark files at {folder}: set SENTINEL_BENCHMARKS to their folder"
        )
    return folder


@pytest.fixture(scope="session")
def cases_dir() -> Path:
    """The folder of small inputs with their right outcomes; skips, saying so, where it is
    absent."""
    folder = Path(os.environ.get("SENTINEL_CASES", ROOT.parent / "shared" / "cases"))
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}: set SENTINEL_CASES to their folder")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if found is None:
        missing_tool("Chromium")
    return str(found)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A project folder of its own: recipes copied, no artifacts, a fresh Dagster home."""
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("recipes", "suites", "canaries"):
        shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    dagster_home = tmp_path / "data" / "state" / "dagster"
    dagster_home.mkdir(parents=True)
    shutil.copy(ROOT / "dagster.yaml", dagster_home / "dagster.yaml")
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    return Home(tmp_path)
