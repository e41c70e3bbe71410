"""Which of Dagster's lines ``sentinel ui`` shows."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sentinel_pipeline.defs.dev_server import is_true
from sentinel_pipeline_tests.conftest import ROOT

UNUSED = (
    "Found a dagster instance configuration value (dagster.yaml) in the current folder, but your "
    "DAGSTER_HOME environment variable is set to x. The dagster.yaml file will not be used"
)


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("dagster", logging.WARNING, "", 0, text, (), None)


def test_the_line_about_settings_that_are_not_used_is_shown_only_where_it_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dagster-home"
    folder.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert is_true(line(UNUSED)), "there is no link to it"
    (folder / "dagster.yaml").symlink_to("../dagster.yaml")
    assert not is_true(line(UNUSED))
    assert is_true(line("Serving dagster-webserver on http://127.0.0.1:3000"))
    (folder / "dagster.yaml").unlink()
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    assert is_true(line(UNUSED)), "another file"


def test_it_is_dagsters_own_command() -> None:
    command = [sys.executable, "-m", "sentinel_pipeline.defs.dev_server", "dev", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.returncode == 0 and "Start a local deployment of Dagster" in done.stdout
