"""What a test needs of the machine: missing on a user's machine it skips, in CI it fails."""

from __future__ import annotations

import importlib.util
import os

import pytest


def missing_tool(what: str) -> None:
    """Skip on a user's machine, naming what is missing; in CI a missing tool is a failure, since CI
    installs it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI installs it")
    pytest.skip(f"{what} is missing")


def need_package(name: str) -> None:
    """Skip on a user's machine where the package is not installed."""
    if importlib.util.find_spec(name) is None:
        missing_tool(name)
