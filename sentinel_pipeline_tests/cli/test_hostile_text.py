"""What a name, a reason or an answer holds never steers the terminal that shows it, and never is
markup: in lines, tables, titles, rules, progress and JSON, and by the commands that print them."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from sentinel_pipeline.cli import console
from sentinel_pipeline.cli.console import PlainConsole, progress, styled
from sentinel_pipeline.records.printable import visible, visible_json
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.cli.conftest import Run
from sentinel_pipeline_tests.review.material import record, write_lines
from sentinel_pipeline_tests.test_architecture import PACKAGE

HOSTILE = (
    "[/red]",
    "[bold]x",
    "[link=http://evil]x[/link]",
    "[red",
    ":skull:",
    "\x1b[31m\x1b]0;owned\x07",
    "\x9b31m",
    "a\rb\x08c\x7f",
    "\u202eevil\u2066x",
    "\ud800 \udfff",
    "\x00",
    "\u2028line",
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(), max_size=30),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map("".join),
)


def steers(shown: str) -> list[str]:
    """What a terminal would obey."""
    return sorted({mark for mark in shown if visible(mark) != mark})


def printed(write: Callable[[PlainConsole], object]) -> str:
    stream = io.StringIO()
    write(PlainConsole(file=stream, width=200))
    return stream.getvalue()


def _table(text: str, **where: str) -> Table:
    title = where.get("title")
    table = Table(where.get("header", "h"), title=title, caption=where.get("caption"), min_width=90)
    table.add_row(where.get("cell", text))
    return table


WAYS: dict[str, Callable[[PlainConsole, str], object]] = {
    "line": lambda out, text: out.print(text),
    "bare Text": lambda out, text: out.print(Text(text, "bold")),
    "styled": lambda out, text: out.print(styled((text, "red"), text)),
    "soft": lambda out, text: out.print(text, soft_wrap=True),
    "cell": lambda out, text: out.print(_table(text)),
    "styled cell": lambda out, text: out.print(_styled_cell(text)),
    "title": lambda out, text: out.print(_table("x", title=text)),
    "caption": lambda out, text: out.print(_table("x", caption=text)),
    "header": lambda out, text: out.print(_table("x", header=text)),
    "rule": lambda out, text: out.rule(styled((text, "dim"))),
    "plain rule": lambda out, text: out.rule(text.replace("\n", " ")),
}


def _styled_cell(text: str) -> Table:
    table = Table("h")
    table.add_row(styled((text, "green")))
    return table


@pytest.mark.parametrize("way", sorted(WAYS))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_nothing_that_is_printed_steers_the_terminal(way: str, text: str) -> None:
    assert steers(printed(lambda out: WAYS[way](out, text))) == []


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"bare Text"}))
def test_the_text_stays_readable_as_what_it_is(way: str, text: str) -> None:
    shown = printed(lambda out: WAYS[way](out, text))
    assert visible(text) in shown


def test_a_terminal_gets_colours_of_ours_and_nothing_of_the_texts() -> None:
    stream = io.StringIO()
    terminal = PlainConsole(file=stream, width=80, force_terminal=True, color_system="standard")
    terminal.print(styled(("ok", "green"), "\x1b[31mred\x1b[0m"))
    assert "\x1b[32mok\x1b[0m" in stream.getvalue()
    assert "\x1b[31m" not in stream.getvalue() and r"\x1b[31mred" in stream.getvalue()


def test_a_table_cuts_no_word_off_at_eighty_columns() -> None:
    address = "tiny/sft_checkpoint/9800dbe1-8c10-405a-a0de-f542d4a79e75"
    table = Table("artifact", "state", "by", "when (UTC)", "reason")
    table.add_row(address, "superseded, deleted", "somebody", "2026-01-01T00:00", "x" * 90)
    stream = io.StringIO()
    PlainConsole(file=stream, width=80).print(table)
    assert "…" not in stream.getvalue()
    lines = [line.split("│") for line in stream.getvalue().splitlines() if "│" in line]
    assert "".join(line[1].strip() for line in lines) == address
    assert max(map(len, stream.getvalue().splitlines())) <= 80


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_json_says_the_same_and_steers_nothing(text: str) -> None:
    written = visible_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(written) == {text: text} and steers(written) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_bar_and_its_name_are_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(console, "err", PlainConsole(file=stream, width=200))
    with progress(text, text) as bar:
        bar.update(bar.add_task("", total=2), completed=1)
    assert steers(stream.getvalue()) == []


def test_no_other_module_of_the_command_makes_a_console_markup_or_writes_by_itself() -> None:
    """So that what is tested above is all there is."""
    offences = []
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if path.name == "console.py" or not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            own_streams = {
                "reference.py": ["sys.stdout.write"],
                "recipe_reference.py": ["sys.stdout.write"],
                "__init__.py": ["sys.stdout.write"],
                "extract.py": ["sys.stdout.write"],
                "review_admin.py": ["typer.echo"],
            }
            allowed = own_streams.get(path.name, [])
            forbidden = ("print", "Console", "sys.stdout.write", "sys.stderr.write", "typer.echo")
            if name in (*forbidden, "Text.from_markup", "click.echo") and name not in allowed:
                offences.append(f"{path.name}:{node.lineno} {name}")
            for keyword in node.keywords:
                if keyword.arg == "markup" and ast.unparse(keyword.value) != "False":
                    offences.append(f"{path.name}:{node.lineno} markup")
    assert offences == []


def hostile_record(number: int, text: str) -> dict[str, Any]:
    """A record whose every free text is hostile; ids and names of models must be printable."""
    printable = "".join(mark for mark in text if mark.isprintable()) or "[/red]"
    return record(
        number,
        model_id=printable,
        model_name=text,
        task_id=printable,
        task_type=text or "x",
        task_name=text,
        failure_reason=text,
        benchmark_run_id=printable,
    )


def test_review_commands_print_hostile_names(run: Run, home: Home, tmp_path: Path) -> None:
    rows = [hostile_record(number, text) for number, text in enumerate(HOSTILE)]
    file = write_lines(
        tmp_path / "sft_candidates.jsonl", [*rows, {"id": "\x1b[31m", "x": "[/red]"}]
    )
    for arguments in (
        ("import", file, "--json"),
        ("summary",),
        ("summary", "--run", "[/red]"),
        ("lineage", "[/red]"),
        ("lineage", rows[0]["id"]),
        ("user", "remove", "[/red]"),
        ("blind", "report", "[/red]"),
        ("export", "--out", tmp_path / "out [red]"),
    ):
        code, out, shown = run("review", *arguments)
        assert code in (0, 2), (arguments, shown)
        assert steers(shown) == [] and steers(out) == [], arguments
    assert "[/red]" in run("review", "summary")[2]


def test_doctor_shows_an_escape_of_a_recipe_as_text(run: Run, home: Home) -> None:
    bad = home.root / "data" / "recipes" / "bad.toml"
    bad.write_text('description = "x"\n"\\u001b[31mowned" = 1\n"[/red]" = 2\n')
    code, out, shown = run("doctor", "--json")
    assert code in (0, 4) and "owned" in shown
    assert steers(shown) == [] and steers(out) == []


@pytest.mark.parametrize("verb", ["plan", "run", "next", "trace", "bench", "compare", "mix"])
@pytest.mark.parametrize("name", ["[/red]", "[bold]", "../../etc/passwd", "a" * 5000])
def test_a_hostile_name_is_bad_input_and_is_shown_as_text(
    run: Run, home: Home, verb: str, name: str
) -> None:
    more = {"trace": ["x"], "compare": ["x"]}.get(verb, [])
    code, _, shown = run(verb, name, *more)
    assert code == 2 and steers(shown) == []
    assert len(shown) < 20_000


@pytest.mark.parametrize("name", ["\x1b[31m", "a\rb", "\x9b31m", "\x7f"])
def test_an_argument_with_control_characters_is_refused(run: Run, home: Home, name: str) -> None:
    code, _, shown = run("plan", name)
    assert code == 2 and "control character" in shown and steers(shown) == []
