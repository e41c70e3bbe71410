"""Records and a clock for the tests of the queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sentinel_pipeline.records import PythonTests
from sentinel_pipeline.records.sft_candidate import ReviewTask

SEED_RECORD: dict[str, Any] = {
    "id": "7b0c6c0e-0d0e-4a7e-9a55-0d2f6a7d1c11",
    "source": "cf-orch-benchmark",
    "benchmark_run_id": "1f0f2a52-0b7e-4a53-9d0c-7c8a0f8d2b10",
    "timestamp": "2026-04-07T21:31:31-07:00",
    "status": "needs_review",
    "prompt_messages": [
        {"role": "system", "content": "You write Python."},
        {
            "role": "user",
            "content": "Write a function `add_one` that returns its argument plus one.",
        },
    ],
    "model_response": "def add_one(x):\n    return x - 1\n",
    "corrected_response": None,
    "quality_score": 0.3,
    "failure_reason": "pattern_match: 1/3 required patterns matched; missing: [...]",
    "task_id": "code-function",
    "task_type": "code",
    "task_name": "Code: Write a Python function",
    "model_id": "Qwen/Qwen2.5-3B-Instruct",
    "model_name": "Qwen2.5-3B",
    "node_id": "heimdall",
    "gpu_id": 0,
    "tokens_per_sec": 38.4,
}
"""The labelling request's record, its ellipses filled in."""
GOOD = "def add_one(x):\n    return x + 1\n"
ADD_ONE = ReviewTask(
    task_id="code-function",
    suite="smoke",
    family="functions",
    verifier=PythonTests(
        tests="assert add_one(1) == 2\nassert add_one(-1) == 0", entry_point="add_one"
    ),
)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def record(number: int, **changes: Any) -> dict[str, Any]:
    """The seed's record with another id, task and prompt."""
    return {
        **SEED_RECORD,
        "id": f"card-{number:06d}",
        "task_id": f"task-{number}",
        "prompt_messages": [{"role": "user", "content": f"Say the number {number} in words."}],
        "model_response": f"answer {number}",
        **changes,
    }


def write_lines(path: Path, rows: list[Any]) -> Path:
    """A JSONL file; text is written as it is, other values as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    return path
