"""Where output goes: people read standard error, programs read one JSON object on standard output."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def emit(value: dict[str, Any]) -> None:
    """One JSON object on standard output; NaN and infinity are refused, since they are no JSON."""
    json.dump(value, sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
    sys.stdout.flush()
