"""``sentinel next``: the tree asked over recorded curves, the recipe written, nothing started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.store import Home

RECIPE = "tucano-0.5b-v4.1"


def recorded(folder: Path, mean: float, half: float = 0.01, **tasks: float) -> Path:
    path = folder / "curves.jsonl"
    rows: list[dict[str, Any]] = [
        {"step": step, "grad_norm": 0.1, "learning_rate": 5e-6} for step in range(1, 600, 50)
    ]
    last: dict[str, Any] = {"step": 600}
    for name, value in {
        "mean_reward": mean,
        "extraction": mean,
        "sql_qa": mean,
        "insights": mean,
        "push": mean,
        **tasks,
    }.items():
        last |= {
            f"eval/{name}": value,
            f"eval/{name}/low": value - half,
            f"eval/{name}/high": value + half,
            f"eval/{name}/n": 148,
        }
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, last]), encoding="utf-8")
    return path


def ask(*arguments: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["next", RECIPE, *arguments, "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout), done.stderr


def test_scenario_c_is_written_beside_its_evidence(home: Home, tmp_path: Path) -> None:
    before = sorted(home.recipe_names())
    code, report, told = ask("--curves", str(recorded(tmp_path, 0.53, insights=0.1)))
    assert (code, report["verdict"], report["scenario"], report["written"]) == (
        0,
        "decided",
        "C-insights",
        True,
    )
    target = home.recipes / "tucano-0.5b-v4.2-insights.toml"
    assert report["next_recipe"] == str(target)
    assert (
        "# C-insights: eval/insights < 0.2: 0.100 [0.090, 0.110] on 148: holds"
        in target.read_text(encoding="utf-8")
    )
    assert home.recipe("tucano-0.5b-v4.2-insights").tasks.train["insights"] == 350
    assert sorted(home.recipe_names()) == sorted([*before, "tucano-0.5b-v4.2-insights"])
    assert not home.runs.exists(), "nothing was started"
    assert "Nothing was started" in told


def test_scenario_a_is_the_recipe_that_is_there(home: Home, tmp_path: Path) -> None:
    code, report, _ = ask("--curves", str(recorded(tmp_path, 0.62)))
    assert (code, report["scenario"], report["written"]) == (0, "A", False)


def test_ambiguous_evidence_writes_nothing(home: Home, tmp_path: Path) -> None:
    before = sorted(home.recipe_names())
    _, report, told = ask("--curves", str(recorded(tmp_path, 0.56, half=0.05)))
    assert (report["verdict"], report["scenario"], report["next_recipe"]) == (
        "ambiguous",
        None,
        None,
    )
    assert (
        "held-out prompts would distinguish it from 0.55" in report["would_decide"]
        and "ambiguous" in told
    )
    assert sorted(home.recipe_names()) == before


def test_no_scenario_says_what_to_do(home: Home, tmp_path: Path) -> None:
    _, report, _ = ask("--curves", str(recorded(tmp_path, 0.52)))
    assert report["verdict"] == "none" and "no scenario of the tree fits" in report["would_decide"]


def test_bad_input_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no grpo_checkpoint yet"):
        ask()
    (home.recipes / "plain.toml").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="no decision tree"):
        CliRunner().invoke(app, ["next", "plain"], catch_exceptions=False)
    path = tmp_path / "bad.jsonl"
    for text, says in (
        ("{}", "'step': expected a whole number"),
        ('{"step": 1, "a": "x"}', "'a': expected a number"),
    ):
        path.write_text(text + "\n", encoding="utf-8")
        with pytest.raises(BadInput, match=says):
            ask("--curves", str(path))
