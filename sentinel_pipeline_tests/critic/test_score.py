"""The one scorer and what its recipe demands of the machine."""

from __future__ import annotations

import pytest

from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.errors import GateRefused
from sentinel_pipeline.records import Message, PythonTests, StdioTests
from sentinel_pipeline.records.data_spec import CriticSpec
from sentinel_pipeline.sandbox.isolation import EVERY_LAYER, from_probe


def test_a_program_over_standard_input_is_scored_from_a_chat_answer() -> None:
    verifier = StdioTests(inputs=("2\n", "3\n"), outputs=("4", "6"))
    answers = (
        "Here:\n\n```python\nprint(2 * int(input()))\n```\n",
        "```python\nprint(4)\n```",
        "```python\nprint(\n```",
    )
    items = [
        Scorable(str(n), (Message("user", "?"),), answer, verifier)
        for n, answer in enumerate(answers)
    ]
    right, prefix, broken = score(items, workers=1)
    assert (right.outcome, right.reason, right.evidence["trust"]) == ("pass", "passed", "separate")
    assert (prefix.outcome, prefix.reason) == (
        "fail",
        "output_differs: case 2 of 2: expected '6', got '4\\n'",
    )
    assert (broken.outcome, broken.syntax_ok) == ("fail", False)


def test_a_recipe_that_demands_more_isolation_than_there_is_runs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weak = from_probe(
        {name: "" if name != "landlock" else "the kernel has none" for name in EVERY_LAYER}
    )
    monkeypatch.setattr("sentinel_pipeline.sandbox.grader.isolation", lambda: weak)
    item = Scorable(
        "a",
        (Message("user", "?"),),
        "def f():\n    return 1\n",
        PythonTests(tests="assert f() == 1", entry_point="f"),
    )
    with pytest.raises(
        GateRefused,
        match="'full' is required, this machine gives 'namespaces' .landlock: the kernel has none",
    ):
        list(score([item], spec=CriticSpec(require_isolation="full"), workers=1))
    assert [
        one.reason
        for one in score([item], spec=CriticSpec(require_isolation="namespaces"), workers=1)
    ] == ["passed"]
