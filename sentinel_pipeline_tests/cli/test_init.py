"""``sentinel init``: a project that its own commands accept, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.store import Home

SCORED = [
    {
        "task_id": number,
        "prompt": f"Write f{number}(x) that returns x plus {number}.",
        "tests": f"assert f{number}(1) == {1 + number}",
        "reference": f"def f{number}(x):\n    return x + {number}",
    }
    for number in range(24)
]
PROSE = [
    {
        "instruction": f"Say something kind about the number {number}.",
        "response": f"The number {number} has good neighbours, {number + 1} among them.",
    }
    for number in range(24)
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "stages", "quality"),
    [(SCORED, ("sft", "dpo", "grpo"), "parsed"), (PROSE, ("sft",), "unverified")],
    ids=["scored", "prose"],
)
def test_a_recipe_for_the_users_rows_is_one_that_plan_accepts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, Any]],
    stages: tuple[str, ...],
    quality: str,
) -> None:
    data = write(tmp_path / "My rows.jsonl", rows)
    result = CliRunner().invoke(
        app, ["init", str(tmp_path / "project"), "--data", str(data), "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["first"] == "my-rows"
    home = Home(tmp_path / "project")
    recipe = home.recipe("my-rows")
    assert tuple(stage.name for stage in recipe.chain) == stages
    assert recipe.mix.minimum_quality == quality
    assert (home.root / "data" / "My rows.jsonl").read_bytes() == data.read_bytes()
    monkeypatch.setenv("SENTINEL_HOME", str(home.root))
    plan = CliRunner().invoke(app, ["plan", "my-rows", "--json"])
    assert plan.exit_code == 0, plan.output
    assert json.loads(plan.stdout)["refusals"] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.jsonl", None), ("empty.jsonl", ""), ("odd.jsonl", '{"what": "ever"}\n')],
)
def test_rows_that_cannot_be_read_leave_no_project(
    tmp_path: Path, name: str, content: str | None
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    result = CliRunner().invoke(
        app, ["init", str(tmp_path / "project"), "--data", str(tmp_path / name)]
    )
    assert isinstance(result.exception, BadInput) and name in str(result.exception)
    assert not (tmp_path / "project").exists()


def test_a_readme_of_the_users_stays_and_a_project_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert CliRunner().invoke(app, ["init", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "README.md").read_text() == "mine"
    (tmp_path / "data" / "recipes" / "tiny.toml").write_text("changed")
    again = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert isinstance(again.exception, BadInput)
    assert (tmp_path / "data" / "recipes" / "tiny.toml").read_text() == "changed"
