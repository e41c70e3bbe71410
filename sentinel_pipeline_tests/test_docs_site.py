"""The docs as a site: every page is built without a warning and loads nothing from elsewhere, the
tutorial's commands print what it says, and the table of the environment is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.tasks.suites import SUITES
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.recording import COLUMNS, LINE, ROWS, picture

VARIABLE = re.compile(r"(?<!_)SENTINEL_[A-Z]+(?:_[A-Z]+)*")
LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"""
)
"""An address that a browser fetches by itself, without a click."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_has_every_page_of_the_docs_in_its_navigation(site: Path) -> None:
    sources = (ROOT / "docs").rglob("*.md")
    pages = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in sources}
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert pages | {"changelog"} <= built
    navigation = set(re.findall(r": ([\w/-]+)\.md", (ROOT / "mkdocs.yml").read_text()))
    assert pages - navigation == set()


def test_no_page_of_the_site_loads_anything_from_elsewhere(site: Path) -> None:
    foreign = {
        (page.name, address)
        for page in site.rglob("*.html")
        for address in LOADED.findall(page.read_text(encoding="utf-8"))
    }
    assert foreign == set()


def test_the_table_of_the_environment_names_every_variable_and_no_other() -> None:
    code = [
        *(ROOT / "sentinel_pipeline").rglob("*.py"),
        *(ROOT / "sentinel_pipeline_tests").rglob("*.py"),
        *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
        ROOT / "Makefile",
    ]
    read = {name for path in code for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    table = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    first = "\n".join(re.findall(r"^\| ([^|]*) \|", table, re.M))
    rows = set(re.findall(r"`(SENTINEL_\w+)`", first))
    assert rows == read


def test_the_tutorials_commands_print_what_it_says(tmp_path: Path) -> None:
    """Its rows are written to a file, and each console block runs; lines below a command are parts
    of what it prints."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    rows = re.search(r"```json\n(.*?)```", text, re.S)
    assert rows
    (tmp_path / "rows.jsonl").write_text(rows[1], encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "SENTINEL_HOME"}
    environment |= {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    folder = tmp_path
    checked = 0
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        printed = ""
        for line in block.splitlines():
            if not line.startswith("$ "):
                assert line in " ".join(printed.split()) or line in printed, (line, printed)
                checked += 1
                continue
            words = line[2:].split()
            if words[0] == "cd":
                folder = folder / words[1]
                continue
            assert words[0] == "sentinel"
            done = subprocess.run(
                [str(Path(sys.executable).with_name("sentinel")), *words[1:]],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
            )
            printed = done.stdout + done.stderr
    assert checked >= 4


def test_a_recording_shows_each_line_at_its_time_and_hostile_text_as_text() -> None:
    lines = [(10.0, "passed sft_report.pass_at_1"), (20.0, "<script>alert(1)</script>" + "x" * 200)]
    tree = ElementTree.fromstring(picture(lines, "sentinel run tiny"))
    texts = [node.text or "" for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:2] == ["$ sentinel run tiny", "passed sft_report.pass_at_1"]
    assert texts[2].startswith("<script>") and len(texts[2]) == COLUMNS
    motion = next(tree.iter("{http://www.w3.org/2000/svg}animateTransform"))
    assert [float(share) for share in motion.attrib["keyTimes"].split(";")] == [0.0, 0.35, 0.7]
    assert motion.attrib["dur"] == "20s"
    moved = [int(value.split()[1]) for value in motion.attrib["values"].split(";")]
    assert [(ROWS * LINE - pixels) // LINE for pixels in moved] == [1, 2, 3]
    with pytest.raises(ValueError, match="nothing was printed"):
        picture([], "sentinel run tiny")


PLANS = {
    "auto-critic-plan": "sentinelbrain-phase3",
    "stage-1-plan": "stage1-qwen2.5-32b-qlora",
    "stage-1-findings": "stage1b-conversation",
    "v41-handoff": "tucano-0.5b-v4.1",
}


@pytest.mark.parametrize(("page", "recipe"), PLANS.items())
def test_what_a_plans_page_says_of_its_recipe_stands_there(page: str, recipe: str) -> None:
    """Settings in backticks are the recipe's own lines, tables are its tables; what is named as a
    suite or a gate is one of the recipe."""
    text = (ROOT / "docs" / "plans" / f"{page}.md").read_text(encoding="utf-8")
    lines = (ROOT / "data" / "recipes" / f"{recipe}.toml").read_text(encoding="utf-8")
    loaded = load_recipe(ROOT / "data" / "recipes" / f"{recipe}.toml")
    assert f"`{recipe}`" in text
    for code in re.findall(r"`([^`]+)`", text):
        table = re.match(r"\[+([\w.]+)\]+", code)
        if table and table[1] != "grpo.reward":
            assert (
                f"[{table[1]}]" in lines or f'"{table[1]}' in lines or table[1] == "tasks.source"
            ), code
        setting = re.search(r"\b([a-z_]+ = (?:\"[^\"]+\"|\[[^\]]*\]|[\w.]+))$", code)
        if setting and "formats" not in code:
            assert setting[1] in lines, code
        gate = re.fullmatch(r"[a-z]+_(?:gain|kept|probe)", code)
        if gate:
            assert code in loaded.gates, code
    for row in re.findall(r"\bsuites?((?: `\w+`,?)+)", text):
        for suite in re.findall(r"`(\w+)`", row):
            assert suite in SUITES, suite
