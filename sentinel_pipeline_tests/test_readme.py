"""The README and the docs say what is there: commands and options exist, links and pictures lead
somewhere, names are known."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from sentinel_pipeline.cli import app
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.jobs import JOBS
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
GRAPH = (ROOT / "docs" / "graph.md").read_text(encoding="utf-8")
GATES = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:^\s*|&& |=\S+ |\.venv/bin/)sentinel ([a-z]+[^`\n#|]*)")
"""A command's start: of a line, after another command, or after a variable's setting."""
ROOT_COMMAND: Any = typer.main.get_command(app)


def command_lines(page: Path) -> list[str]:
    """What stands after ``sentinel`` in code: indented lines, fenced blocks and backticks."""
    found, fenced = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        pieces = [line] if fenced or line.startswith("    ") else re.findall(r"`([^`]+)`", line)
        found += [match[1] for piece in pieces for match in COMMAND.finditer(piece)]
    return [line.split(" && ")[0].split("  ")[0] for line in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for line in command_lines(page):
        command = ROOT_COMMAND
        words = shlex.split(line)
        while words and getattr(command, "commands", None):
            assert words[0] in command.commands, f"{page.name}: sentinel {line}"
            command = command.commands[words.pop(0)]
        options = {option for one in command.params for option in one.opts} | {"--help"}
        for word in words:
            assert not word.startswith("--") or word.partition("=")[0] in options, (
                f"{page.name}: sentinel {line}: {word}"
            )


def test_the_readme_tells_of_every_verb() -> None:
    told = {line.split()[0] for page in PAGES for line in command_lines(page)}
    assert set(ROOT_COMMAND.commands) <= told, sorted(set(ROOT_COMMAND.commands) - told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            path = page.parent / target
            assert path.exists(), f"{page.name}: {target}"
            assert path.suffix != ".png" or path.read_bytes().startswith(b"\x89PNG"), target


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        target
        for page in PAGES
        for target in re.findall(r"images/([\w-]+\.png)", page.read_text(encoding="utf-8"))
    }
    assert {path.name for path in (ROOT / "docs" / "images").glob("*.png")} == shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(
        r"`((?:benchmarks|deploy|sentinel_pipeline\w*)/[a-z_][\w./-]*?)(?: [^`]*)?`",
        page.read_text(encoding="utf-8"),
    )
    for path in named:
        assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_make_targets_recipes_jobs_and_assets_are_those_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.M)) <= targets, page.name
    table = RECIPES[RECIPES.index("| recipe | what it is |") : RECIPES.index("## Data")]
    told = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`([\w.-]+)`", row.split("|")[1] if row[:1] == "|" else "")
    }
    assert told == set(Home(ROOT).recipe_names())
    graph = GRAPH[GRAPH.index("## Assets") : GRAPH.index("## The night")]
    names = set(re.findall(r"`(\w+)`", graph))
    assets = {
        key.to_user_string() for key in defs.get_repository_def().asset_graph.get_all_asset_keys()
    }
    assert assets <= names, sorted(assets - names)
    nodes = defs.get_repository_def().asset_graph.asset_nodes
    told = set(re.findall(r"^\| (\w+) \| `", graph, re.M))
    assert told == {node.group_name for node in nodes}
    assert {job.name for job in JOBS} <= names


def test_the_default_gates_are_told_with_their_names() -> None:
    from sentinel_pipeline.records.stages import STAGE_NAMES, default_gates

    assert {name for name in default_gates(STAGE_NAMES) if f"`{name}`" not in GATES} == set()


def test_the_recipe_in_the_docs_is_one(tmp_path: Path) -> None:
    from sentinel_pipeline.records.recipe import load_recipe

    text = next(
        block for block in re.findall(r"```toml\n(.*?)```", RECIPES, re.S) if "[model]" in block
    )
    (tmp_path / "mine.toml").write_text(text)
    assert load_recipe(tmp_path / "mine.toml").gates["gain"].against == "base"


def test_the_judge_in_the_docs_is_one(tmp_path: Path) -> None:
    from sentinel_pipeline.records.recipe import load_recipe

    text = (ROOT / "docs" / "suites.md").read_text()
    block = next(
        block for block in re.findall(r"```toml\n(.*?)```", text, re.S) if "[judge.model]" in block
    )
    (tmp_path / "mine.toml").write_text(block)
    model = load_recipe(tmp_path / "mine.toml").judge.model
    assert model is not None and model.name == "judge-7b"


def test_services_in_the_docs_are_those_of_the_files() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    names = re.findall(r"sentinel-\{([\w,]+)\}\.service", text)[0].split(",")
    assert {f"sentinel-{name}" for name in names} | {"sentinel-mirror"} == {
        path.stem for path in (ROOT / "deploy" / "systemd").glob("*.service")
    }
    assert yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"]
