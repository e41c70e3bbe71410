"""Rows of a user's own tasks, and the division of files of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sentinel_pipeline.records import Quarantined
from sentinel_pipeline.records.task_source import TaskSource
from sentinel_pipeline.task_sources.divide import Division, Placed, divide

_WORDS = (
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "inlet",
    "jetty",
    "knoll",
    "ledge",
    "marsh",
    "notch",
    "oasis",
    "pearl",
    "quarry",
    "ridge",
    "shoal",
    "thicket",
    "upland",
    "valley",
    "willow",
    "xylem",
    "yarrow",
    "zephyr",
    "anchor",
    "beacon",
    "cobble",
    "drift",
)


def told(number: int, words: int = 24) -> str:
    """A request that is like no other."""
    return " ".join(random.Random(number).choices(_WORDS, k=words))


def task(number: int, **fields: Any) -> dict[str, Any]:
    """A task about text, quick to check; its answer stands in its request."""
    answer = f"answer {number}"
    return {
        "task_id": number,
        "prompt": f"{told(number)} {number}",
        "verifier": {"kind": "text_answer", "accepted": [answer]},
        "reference": answer,
        **fields,
    }


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def divided(root: Path, *sources: TaskSource, seed: int = 1) -> Division:
    scratch = root / f"scratch-{len(list(root.glob('scratch-*')))}"
    scratch.mkdir()
    return divide(sources, seed, root=root, scratch=scratch)


def placed(division: Division, *, check: bool = True) -> dict[str, Placed]:
    """The rows that are used, by id."""
    return {
        item.row.id: item
        for item in division.rows(check=check)
        if not isinstance(item, Quarantined)
    }


def reasons(division: Division) -> dict[tuple[str, int], str]:
    """File and line of every quarantined row -> why."""
    return {
        (item.file, item.line): item.reason
        for item in division.rows()
        if isinstance(item, Quarantined)
    }
