"""Starting up: what a verb does not use is not imported, and the help that imports nothing is that
of the verbs."""

from __future__ import annotations

import subprocess
import sys
from inspect import cleandoc
from typing import Any

import pytest
import typer

from sentinel_pipeline import cli

HEAVY = ("dagster", "duckdb", "matplotlib", "numpy", "pandas", "pyarrow", "scipy", "torch", "transformers")  # fmt: skip
ROOT_COMMAND: Any = typer.main.get_command(cli.app)


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys; from sentinel_pipeline.cli import main\n"
        f"sys.argv = ['sentinel', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_neither_verbs_nor_typer() -> None:
    modules = modules_after("--help")
    assert modules.isdisjoint({*HEAVY, "typer", "rich", "msgspec"})
    assert not [name for name in modules if name.startswith("sentinel_pipeline.cli.")]


def test_a_verb_imports_its_own_module_and_nothing_heavy() -> None:
    modules = modules_after("gate", "list")
    assert modules.isdisjoint(HEAVY)
    verbs = {verb.place.partition(":")[0] for each in cli.PANELS.values() for verb in each.values()}
    loaded = {name.rpartition(".")[2] for name in modules if name.startswith("sentinel_pipeline.cli.")}  # fmt: skip
    assert loaded & verbs == {"gates"}


def test_the_screen_says_of_each_verb_what_the_verb_says() -> None:
    said = {name: verb.line for verbs in cli.PANELS.values() for name, verb in verbs.items()}
    first = {
        name: " ".join(cleandoc(command.help).split("\n\n")[0].split())
        for name, command in ROOT_COMMAND.commands.items()
    }
    assert said == first
    panels = {name: panel for panel, verbs in cli.PANELS.items() for name in verbs}
    assert panels == {name: command.rich_help_panel for name, command in ROOT_COMMAND.commands.items()}  # fmt: skip


def test_the_screen_has_the_options_of_the_command() -> None:
    context = typer.Context(ROOT_COMMAND)
    options = {each.opts[0]: each.help for each in ROOT_COMMAND.get_params(context)}
    assert options == cli.OPTIONS
    assert " ".join(ROOT_COMMAND.help.split()) == " ".join(cli.ABOUT.split())


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_screen_fits_its_width_and_names_every_verb(width: int) -> None:
    lines = cli.screen(width).splitlines()
    assert max(map(len, lines)) <= width
    boxes = [line for line in lines if line[:1] in "╭│╰" and line]
    assert {len(line) for line in boxes} == {width}
    for name in ROOT_COMMAND.commands:
        assert any(line.startswith(f"│ {name} ") for line in lines), name
