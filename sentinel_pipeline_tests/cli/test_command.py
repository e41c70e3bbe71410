"""The command as a whole: each verb has a description, an example and a page; one address for a
model; errors name the nearest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline import cli
from sentinel_pipeline.bench.sources import open_source
from sentinel_pipeline.chat.models import full_name
from sentinel_pipeline.cli.reference import SHAPES, page, verbs
from sentinel_pipeline.cli.run import ASSETS
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.generation.targets import find_target
from sentinel_pipeline.records.stages import REPORT_STAGES
from sentinel_pipeline.store import Home
from sentinel_pipeline.store.address import (
    StageAddress,
    find_stage,
    recipe_address,
    split_address,
)
from sentinel_pipeline_tests.cli.conftest import Run
from sentinel_pipeline_tests.conftest import ROOT

VERBS = {name: command for _, name, command in verbs()}
SERVERS = {"ui", "chat", "review serve"}
"""Verbs that serve until they are stopped: they have no result to print."""


def words_of(screen: str) -> str:
    """What a screen says, without Rich's boxes and line ends."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", screen).split())


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_a_description_an_example_of_itself_and_json(name: str) -> None:
    command = VERBS[name]
    first, *paragraphs = cleandoc(command.help).split("\n\n")
    assert first.endswith(".") and len(" ".join(first.split())) <= 140, first
    examples = [text for text in paragraphs if text.startswith("    ")]
    assert examples and all(f"sentinel {name}" in text for text in examples)
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) == (name not in SERVERS)
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name} has no help"


def test_the_reference_page_is_what_the_verbs_say() -> None:
    text = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    assert text == page(), "write it: python -m sentinel_pipeline.cli.reference > docs/command.md"


def test_every_shape_belongs_to_a_verb() -> None:
    assert SHAPES.keys() <= VERBS.keys() - SERVERS


@pytest.mark.parametrize(
    "arguments",
    [
        ("power", "--items", "300"),
        ("gate", "list"),
        ("alert", "list"),
        ("verify",),
        ("gc", "--dry-run"),
    ],
    ids=" ".join,
)
def test_json_has_the_keys_that_the_page_promises(
    home: Home, run: Run, arguments: tuple[str, ...]
) -> None:
    code, out, _ = run(*arguments, "--json")
    name = " ".join(word for word in arguments[:2] if f"{arguments[0]} {word}" in VERBS)
    shape = SHAPES[f"{arguments[0]} {name}".strip() if name else arguments[0]]
    top = re.sub(r"\[\{.*\}\]", "", shape)
    assert code == 0 and set(re.findall(r'"(\w+)"', top)) <= json.loads(out).keys()


def test_help_shows_the_verbs_in_their_panels(run: Run) -> None:
    code, out, _ = run("--help")
    titles = re.findall(r"╭─ (\w+) ─", out)
    assert code == 0 and titles == ["Options", "Run", "Data", "Measure", "Govern", "Serve"]
    for verb in {name.split()[0] for name in VERBS}:
        assert re.search(rf"│ {verb} ", out), verb


def test_the_version_is_the_packages(run: Run) -> None:
    from importlib.metadata import version

    assert run("--version")[:2] == (0, f"sentinel {version('sentinel-pipeline')}\n")


def test_brackets_in_help_are_shown_as_they_are_written(run: Run) -> None:
    assert "recipe's [judge] section" in words_of(run("judge", "licence", "--help")[1])
    assert "ORG/NAME[@REVISION]" in words_of(run("bench", "--help")[1])
    assert "[bold]" not in words_of(run("compare", "--help")[1])


@pytest.mark.parametrize("name", VERBS)
def test_no_line_of_help_is_broken_within_a_sentence(
    name: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 2000)
    screen = run(*name.split(), "--help")[1]
    paragraphs = cleandoc(VERBS[name].help).split("\n\n")
    for text in paragraphs:
        if not text.startswith("    "):
            assert " ".join(text.split()) in screen


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [
        (("bench",), "transformers|vllm"),
        (("bench",), "chat|cue|raw"),
        (("grade",), "none|rlimits|seccomp|namespaces|full"),
        (("review", "export"), "retire|withhold"),
        (("gate", "sign-off"), "gap_proof"),
    ],
)
def test_help_lists_the_choices(run: Run, arguments: tuple[str, ...], choices: str) -> None:
    code, out, _ = run(*arguments, "--help")
    screen = "".join(words_of(out).split())
    for choice in choices.split("|"):
        assert choice in screen
    assert code == 0


def test_the_assets_of_until_are_those_of_the_graph() -> None:
    from sentinel_pipeline.definitions import defs
    from sentinel_pipeline.defs.jobs import RELEASE

    graph = defs.get_repository_def().asset_graph
    keys = [key for key in graph.get_all_asset_keys() if graph.get(key).group_name != RELEASE]
    assert set(ASSETS) == {key.to_user_string() for key in keys}
    assert len(ASSETS) == len(set(ASSETS))


NEAREST = [
    (("run", "tinyy"), "Did you mean 'tiny'?"),
    (("run", "tiny", "--until", "rebalanced"), "Did you mean 'rebalanced_mix'?"),
    (("run", "tiny", "--until", "sfft"), "Did you mean 'sft'?"),
    (("plan", "tinyy/sft"), "Did you mean 'tiny'?"),
    (("plan", "tiny/sfft"), "Did you mean 'tiny/sft'?"),
    (("next", "tiny/grppo"), "Did you mean 'tiny/grpo'?"),
    (("release", "tiny/dppo"), "Did you mean 'tiny/dpo'?"),
    (("release", "tiny/sft", "--stage", "dpo"), "Leave one out"),
    (("chat", "tinyy"), "Did you mean 'tiny'?"),
    (("compare", "tinyy", "tiny/sft"), "Did you mean 'tiny'?"),
    (("compare", "tiny/sft", "tiny/dpo"), "Run it first: sentinel run tiny"),
    (("parity", "tiny"), "Run it first: sentinel run tiny"),
    (("parity", "http://127.0.0.1:9/v1#m"), "its weights are not on this machine"),
    (("bench", "tiny/sft", "--suite", "smoke"), "Run it first: sentinel run tiny"),
    (("gate", "list", "tinyy"), "Did you mean 'tiny'?"),
    (("audit", "tinyy"), "Did you mean 'tiny'?"),
]


@pytest.mark.parametrize(("arguments", "answer"), NEAREST, ids=lambda value: str(value)[:60])
def test_a_name_that_does_not_exist_is_answered_with_the_nearest_and_exit_code_2(
    home: Home, run: Run, arguments: tuple[str, ...], answer: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and answer in err


@pytest.fixture
def trained(home: Home) -> Home:
    """Recipe ``tiny`` with checkpoints of base, sft and dpo, and reports of base and sft, as far as
    an address looks."""
    for asset in (
        "base_checkpoint",
        "sft_checkpoint",
        "dpo_checkpoint",
        "base_report",
        "sft_report",
    ):
        folder = home.runs / "tiny" / asset
        folder.mkdir(parents=True)
        (folder / "current").write_text("x")
    return home


def test_one_address_means_the_same_stage_everywhere(trained: Home) -> None:
    for text in ("tiny/sft", "tiny:sft", "tiny/sft_checkpoint", "tiny/sft_report", "tiny/sft/"):
        assert find_stage(trained, text) == StageAddress("tiny", "sft")
        assert full_name(trained, text) == "tiny/sft"
        assert recipe_address(trained, text) == ("tiny", "sft")
    assert find_stage(trained, "tiny") == StageAddress("tiny", "dpo")
    assert find_stage(trained, "tiny", "report") == StageAddress("tiny", "sft")
    assert find_stage(trained, "./tiny") is None and find_stage(trained, "org/name") is None


def test_a_stage_that_is_not_finished_is_answered_with_those_that_are(trained: Home) -> None:
    with pytest.raises(BadInput) as error:
        find_target(trained, "tiny/grpo")
    assert "has no checkpoint of stage 'grpo'" in str(error.value)
    assert "Known: tiny/base, tiny/dpo, tiny/sft." in str(error.value)
    with pytest.raises(BadInput, match="has no report of stage 'dpo'"):
        open_source("tiny/dpo", trained)


@given(
    recipe=st.sampled_from(["tiny", "tiny-moe", "stage1-qwen2.5-32b-qlora"]),
    stage=st.sampled_from(REPORT_STAGES),
    mark=st.sampled_from("/:"),
)
def test_what_an_address_prints_reads_as_the_same_address(
    recipe: str, stage: str, mark: str
) -> None:
    home = Home(ROOT)
    address = split_address(home, f"{recipe}{mark}{stage}")
    assert address == (recipe, stage)
    assert split_address(home, str(StageAddress(recipe, stage))) == address


def test_a_page_of_every_verb_is_in_the_readme_or_the_docs() -> None:
    assert "docs/command.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_exit_codes_are_what_the_help_says(run: Run) -> None:
    from sentinel_pipeline import errors

    codes = (
        errors.EXIT_DONE,
        errors.EXIT_FAILED,
        errors.EXIT_BAD_INPUT,
        errors.EXIT_GATE,
        errors.EXIT_INFRASTRUCTURE,
    )
    assert codes == (0, 1, 2, 3, 4)
    text = "0 done, 1 failed, 2 bad input or usage, 3 a gate refused, 4 infrastructure"
    assert text in words_of(run("--help")[1])


def every_command(command: Any) -> Iterator[Any]:
    yield command
    for child in getattr(command, "commands", {}).values():
        yield from every_command(child)


def test_help_for_the_screen_changes_only_brackets_and_line_ends() -> None:
    import typer

    before = [each.help for each in every_command(typer.main.get_command(cli.app))]
    after = [each.help for each in every_command(cli.readable(typer.main.get_command(cli.app)))]
    assert len(before) == len(after)
    for raw, shown in zip(before, after, strict=True):
        assert (raw or "").split() == shown.replace("\\[", "[").split()
