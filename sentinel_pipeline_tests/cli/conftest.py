"""The command as a person and a script meet it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from sentinel_pipeline.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """``run(verb, argument, …)`` -> exit code, standard output, standard error."""

    def sentinel(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sentinel", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "160")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    return sentinel
