"""``sentinel next``: the tree asked over recorded curves, the recipe written, nothing started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.cli.scaled import Scale, write_scaled
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.store import Home

RECIPE = "tucano-0.5b-v4.1"


def recorded(folder: Path, mean: float, half: float = 0.01, end: int = 600, **tasks: float) -> Path:
    path = folder / "curves.jsonl"
    rows: list[dict[str, Any]] = [
        {"step": step, "grad_norm": 0.1, "learning_rate": 5e-6} for step in range(1, end, 50)
    ]
    start: dict[str, Any] = {"step": 0}
    for name, value in {"mean_reward": 0.358, "extraction": 0.17}.items():
        start |= {
            f"eval/{name}": value,
            f"eval/{name}/low": value - 0.001,
            f"eval/{name}/high": value + 0.001,
            f"eval/{name}/n": 148,
        }
    last: dict[str, Any] = {"step": end}
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
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [start, *rows, last]), encoding="utf-8"
    )
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


def test_a_shrunk_recipe_leads_to_no_recipe(home: Home, tmp_path: Path) -> None:
    write_scaled(home, RECIPE, Scale.tiny)
    before = sorted(home.recipe_names())
    arguments = ["next", f"{RECIPE}-tiny", "--curves", str(recorded(tmp_path, 0.62)), "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    report = json.loads(done.stdout)
    assert (report["verdict"], report["scenario"]) == ("decided", "A"), "asked as at full scale"
    assert (report["next_recipe"], report["written"]) == (None, False)
    assert f"{RECIPE}-tiny is shrunk: it leads to no recipe" in done.stderr
    assert sorted(home.recipe_names()) == before


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
        "held-out prompts would distinguish it from 0.192" in report["would_decide"]
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


def test_curves_that_end_at_step_130_of_600_decide_nothing_and_say_how_to_go_on(
    home: Home, tmp_path: Path
) -> None:
    before = sorted(home.recipe_names())
    _, report, printed = ask("--curves", str(recorded(tmp_path, 0.62, end=130)))
    assert (report["verdict"], report["scenario"], report["next_recipe"]) == (
        "ambiguous",
        None,
        None,
    )
    assert "the curves end at step 130 of 600" in report["would_decide"] and "--resume" in printed
    assert sorted(home.recipe_names()) == before
    assert {question["answer"] for question in report["questions"][1:]} == {"open"}


def test_a_run_that_its_own_rule_stopped_has_ended(home: Home, tmp_path: Path) -> None:
    """Extraction below .20 after step 100, twice: the run stops there, and the tree is asked."""
    path = recorded(tmp_path, 0.40, end=130, extraction=0.1)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    again = {**rows[-1], "step": 120}
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:-1], again, rows[-1]]))
    _, report, _ = ask("--curves", str(path))
    assert (report["verdict"], report["scenario"]) == ("decided", "B")


def test_the_tree_goes_on_after_the_warm_up(home: Home, tmp_path: Path) -> None:
    ask("--curves", str(recorded(tmp_path, 0.45, extraction=0.1)))
    name = "tucano-0.5b-base-v4.2"
    warm = home.recipe(name)
    assert warm.stages == ("sft", "grpo")
    (tmp_path / "second").mkdir()
    for scenario, values in {"B-enough": (0.6, 0.5), "B-size": (0.45, 0.1)}.items():
        curves = recorded(tmp_path / "second", values[0], extraction=values[1])
        done = CliRunner().invoke(
            app, ["next", name, "--curves", str(curves), "--json"], catch_exceptions=False
        )
        report = json.loads(done.stdout)
        assert (report["scenario"], report["written"]) == (scenario, False)
        assert report["next_recipe"] == str(home.recipes / "tucano-3.7b-v4.2.toml")


def test_the_handoffs_four_questions_are_answered_by_name(home: Home, tmp_path: Path) -> None:
    path = recorded(tmp_path, 0.58, insights=0.3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    early = {**rows[-1], "step": 10}
    early |= {
        f"eval/extraction{end}": value
        for end, value in {"": 0.40, "/low": 0.36, "/high": 0.44, "/n": 148}.items()
    }
    middle = {**rows[-1], "step": 130}
    middle |= {
        f"eval/mean_reward{end}": value
        for end, value in {"": 0.47, "/low": 0.46, "/high": 0.48, "/n": 148}.items()
    }
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows[:-1], early, middle, rows[-1]])
    )
    _, report, printed = ask("--curves", str(path))
    replies = {question["name"]: question for question in report["questions"]}
    assert {name: reply["answer"] for name, reply in replies.items()} == {
        "parser": "yes",
        "after_130": "yes",
        "lowest": "insights",
        "end": "yes",
    }
    assert (
        "0.230 [0.190, 0.270] (0.400 itself) above the start's on 148 prompts at step 10, 0.17 in the run before"
        in replies["parser"]["text"]
    )
    assert "+0.110 [+0.096, +0.124]" in replies["after_130"]["text"]
    assert "Which task has the lowest reward at the end? insights" in printed
