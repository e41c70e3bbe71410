"""`sentinel families` measures levels and prints them."""

from __future__ import annotations

import json

from sentinel_pipeline_tests.cli.conftest import Run


def test_every_level_of_a_family_is_measured(run: Run) -> None:
    code, out, err = run("families", "plans", "shell", "--tasks", "2", "--mutations", "2", "--json")
    assert code == 0, err
    levels = json.loads(out)["families"]
    assert [(level["family"], level["level"]) for level in levels] == [
        ("shell", 1),
        *(("plans", number) for number in range(1, 9)),
    ]
    assert all(level["references_passed"] == level["tasks"] == 2 for level in levels)
    assert levels[-1]["answer_tokens"] > levels[1]["answer_tokens"]
    assert levels[-1]["mutants_passed_share"] == 0.0
    titles = [line.strip() for line in err.splitlines() if line.strip().endswith(")")]
    assert titles == ["shell (devops)", "plans (general_chat)"]
    assert "references" in err and "…" not in err, "no heading is cut at 80 columns"


def test_an_unknown_family_is_refused_with_the_nearest_name(run: Run) -> None:
    code, _, err = run("families", "plan")
    assert code == 2
    assert "Did you mean 'plans'?" in err
