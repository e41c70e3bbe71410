"""``make fuzz`` says at its end how many inputs of each kind were made."""

from __future__ import annotations

import pytest

from sentinel_pipeline_tests.fuzz.strategies import COUNTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, count in sorted(COUNTS.items()):
        terminalreporter.write_line(f"fuzz: {count:8,} {name}")
