"""Who may import whom, and what importing the graph may load: read from the sources, not from
habit.

``python -m sentinel_pipeline_tests.test_architecture`` writes the page ``docs/architecture.md``
anew from the same sources.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sentinel_pipeline"
FLOORS = (
    {"secrets"},
    {"advice", "errors", "markdown", "processes", "plots", "rates"},
    {"records", "cluster", "ports"},
    {"store", "sandbox"},
    {"gates", "costs", "critic", "phases", "worker"},
    {"tasks", "rewards", "mix"},
    {"candidates"},
    {"generation", "task_sources"},
    {"audit", "llm_judge"},
    {"bench", "pairs"},
    {"alerts", "frames", "release", "review", "training"},
    {"chat", "pages", "run_job"},
    {"__init__", "cli", "web", "defs"},
    {"definitions"},
    {"fork_server", "run_loop"},
)
"""Rooms from the ground up. A room imports rooms of lower floors only; rooms of one floor know
nothing of each other."""
LATE = {"torch", "transformers", "trl", "peft", "datasets", "pandas"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
OUTSIDE = sorted(
    path
    for folder in (PACKAGE.parent / "sentinel_pipeline_tests", PACKAGE.parent / "benchmarks")
    for path in folder.rglob("*.py")
)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(index for index, rooms in enumerate(FLOORS) if name in rooms)


@cache
def tree_of(path: Path) -> ast.Module:
    """A module as it was parsed; parsed once for all tests of this file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, *, top_level_only: bool = False) -> list[str]:
    """Absolute dotted names that a module imports, relative imports resolved."""
    tree = tree_of(path)
    guarded = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    nodes = [
        node
        for node in (tree.body if top_level_only else ast.walk(tree))
        if id(node) not in guarded
    ]
    package = ["sentinel_pipeline", *path.relative_to(PACKAGE).parent.parts]
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{stem}.{alias.name}" for alias in node.names]
    return found


def module_of(path: Path) -> str:
    parts = ("sentinel_pipeline", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows() -> dict[str, set[str]]:
    """Module -> modules of the package that it imports, wherever in the file, for type checking
    apart."""
    modules = {module_of(path) for path in MODULES}
    return {
        module_of(path): {
            name if name in modules else name.rpartition(".")[0]
            for name in imports(path)
            if name.startswith("sentinel_pipeline.")
        }
        - {"sentinel_pipeline"}
        for path in MODULES
    }


def roots(path: Path, *, top_level_only: bool = False) -> set[str]:
    return {name.split(".")[0] for name in imports(path, top_level_only=top_level_only)}


def offenders(breaks: Callable[[Path], object]) -> list[str]:
    """The modules that break a rule, each with what ``breaks`` says of it."""
    assert len(MODULES) > 400
    broken = ((path.relative_to(PACKAGE), breaks(path)) for path in MODULES)
    return [f"{path}: {problem}" for path, problem in broken if problem]


def test_a_room_imports_only_rooms_of_lower_floors() -> None:
    def upwards(path: Path) -> list[str]:
        here = room(path)
        names = [name.split(".") for name in imports(path)]
        theirs = [parts for parts in names if parts[0] == "sentinel_pipeline"]
        rooms = {parts[1] if len(parts) > 1 else "__init__" for parts in theirs}
        return [there for there in rooms if there != here and floor(there) >= floor(here)]

    assert offenders(upwards) == []


def test_no_file_imports_itself_through_others() -> None:
    sorter = TopologicalSorter(arrows())
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' -> '.join(error.args[1])}")


def test_dagster_stays_in_its_rooms() -> None:
    def strays(path: Path) -> set[str]:
        allowed = set[str]()
        if room(path) in {"defs", "definitions", "run_loop"}:
            allowed.add("dagster")
        if path.name == "run_job.py":
            allowed.add("dagster_pipes")
        return roots(path) & ({"dagster", "dagster_pipes"} - allowed)

    assert offenders(strays) == []


def test_heavy_libraries_are_imported_inside_functions() -> None:
    assert offenders(lambda path: roots(path, top_level_only=True) & LATE) == []


def test_duckdb_and_sqlite_are_opened_in_the_store_and_the_review_only() -> None:
    """And DuckDB in the one guest that runs candidates' queries."""

    def opens(path: Path) -> set[str]:
        allowed = set[str]()
        if room(path) == "store" or path == PACKAGE / "sandbox/guest/sql.py":
            allowed.add("duckdb")
        if room(path) in {"store", "review"}:
            allowed.add("sqlite3")
        return roots(path) & ({"duckdb", "sqlite3"} - allowed)

    assert offenders(opens) == []


def test_code_is_executed_in_the_sandbox_only() -> None:
    def executes(path: Path) -> set[str]:
        calls = {
            node.func.id
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        return calls & {"exec", "eval"} if room(path) != "sandbox" else set()

    assert offenders(executes) == []


def test_every_module_opens_with_what_it_does() -> None:
    silent = offenders(lambda path: "" if ast.get_docstring(tree_of(path)) else "no docstring")
    assert silent == []


def test_the_package_imports_itself_by_relative_names() -> None:
    def absolute(path: Path) -> list[str]:
        return [
            ast.unparse(node)
            for node in ast.walk(tree_of(path))
            if (isinstance(node, ast.ImportFrom) and not node.level) or isinstance(node, ast.Import)
            if "sentinel_pipeline" in ast.unparse(node)
        ]

    assert offenders(absolute) == []


def test_tests_and_benchmarks_import_by_absolute_names() -> None:
    assert len(OUTSIDE) > 100
    relative = [
        f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {ast.unparse(node)}"
        for path in OUTSIDE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_waiver_of_types_says_which_one_and_why() -> None:
    """That none is left over, mypy (``warn_unused_ignores``) and ruff (RUF100) hold."""
    waived = re.compile(r"# type: ignore(?!\[[a-z, -]+\]  # (?!noqa|fmt))")
    bare = [
        f"{path.relative_to(PACKAGE.parent)}:{number}: {line.strip()}"
        for path in (*MODULES, *OUTSIDE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if waived.search(line) and "re.compile" not in line
    ]
    assert bare == []


def test_importing_the_definitions_loads_no_heavy_library() -> None:
    code = "import sys, sentinel_pipeline.definitions; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & LATE


PAGE = PACKAGE.parent / "docs" / "architecture.md"
HEAD = """# Architecture

This page is generated from the imports: `python -m sentinel_pipeline_tests.test_architecture` writes it, a test compares it.

A room is a folder (or a file beside them) of `sentinel_pipeline`. It imports rooms of lower floors only, never one of its own
floor, and no file imports itself through others. Three front doors stand side by side: the command (`cli`), the web pages
(`web`) and Dagster (`defs`). `run_job` is the process that trains or generates, `run_loop` the one that runs the loop,
`fork_server` the one that the steps of a launched run are forked off.
"""


PLACES = {
    "base sentinels": "tasks/suites/sentinels.py",
    "best-of-N pairs": "pairs/best_of_n.py",
    "budget and cost": "costs.py",
    "candidates import": "candidates/files.py",
    "chat guard": "chat/guard.py",
    "coverage": "rewards/coverage.py",
    "critic label": "critic/labels.py",
    "decision tree": "gates/decisions.py",
    "entry point": "critic/entrypoint.py",
    "format probe": "tasks/suites/format_probe.py",
    "freezing": "training/loop/freezing.py",
    "kappa": "gates/effects.py",
    "learning-rate check": "gates/curve_rules.py",
    "length artifact": "bench/confounds.py",
    "McNemar": "gates/statistics.py",
    "optimizer checkpoints": "training/loop/checkpoints.py",
    "per-task eval reward": "gates/reward.py",
    "Portuguese JSON reader": "critic/json_reader.py",
    "power": "gates/power.py",
    "release folder": "release/bundle.py",
    "repair trace": "critic/repair.py",
    "secrets": "secrets/find.py",
    "smoke": "tasks/suites/smoke.py",
    "stop rule": "gates/window_rules.py",
    "unified diff": "critic/scorers/patch_applies.py",
}
"""What people look for, and the file to open first."""


def room_arrows() -> dict[str, set[str]]:
    """Room -> rooms that it imports. The package's own face is no room."""
    rooms: dict[str, set[str]] = {room(path): set() for path in MODULES if room(path) != "__init__"}
    for path in MODULES:
        here = room(path)
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "sentinel_pipeline" and len(parts) > 1 and parts[1] in rooms:
                rooms.setdefault(here, set()).add(parts[1])
    return {name: there - {name} for name, there in rooms.items() if name != "__init__"}


def without_shortcuts(arrows_of: dict[str, set[str]]) -> dict[str, set[str]]:
    """The transitive reduction: an arrow is drawn only where no longer way leads to the same
    room."""

    def reach(name: str) -> set[str]:
        return {name}.union(*(reach(there) for there in arrows_of[name]))

    return {
        name: {
            there
            for there in targets
            if not any(there in reach(other) for other in targets - {there})
        }
        for name, targets in arrows_of.items()
    }


def first_sentence(name: str) -> str:
    """What a room's own docstring says that it is."""
    folder = PACKAGE / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(tree_of(path)) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def architecture_page() -> str:
    """``docs/architecture.md``: the drawing of the rooms, and the table of floors."""
    drawn = without_shortcuts(room_arrows())
    lines = [HEAD, "## Drawing", "", "Arrows that follow from others are left out.", ""]
    lines += ["```mermaid", "graph BT"]
    for number, rooms in enumerate(FLOORS, start=1):
        names = sorted(name for name in rooms if name in drawn)
        lines.append(f"  subgraph floor{number}[floor {number}]")
        lines += [f"    {name}" for name in names]
        lines.append("  end")
    for name, targets in sorted(drawn.items()):
        lines += [f"  {name} --> {there}" for there in sorted(targets)]
    lines += [
        "```",
        "",
        "## Floors",
        "",
        "| floor | room | what it is | imports |",
        "|---|---|---|---|",
    ]
    arrows_of = room_arrows()
    for number, rooms in enumerate(FLOORS, start=1):
        for name in sorted(name for name in rooms if name in drawn):
            there = ", ".join(f"`{target}`" for target in sorted(arrows_of[name])) or "–"
            lines.append(f"| {number} | `{name}` | {first_sentence(name)} | {there} |")
    lines += ["", "## Where to look", "", "| what | file |", "|---|---|"]
    for noun, place in PLACES.items():
        assert (PACKAGE / place).is_file(), f"{noun}: there is no {place}"
        lines.append(f"| {noun} | [`{place}`](../sentinel_pipeline/{place}) |")
    return "\n".join(lines) + "\n"


def test_the_architecture_page_is_that_of_the_imports() -> None:
    expected = architecture_page()
    assert PAGE.read_text(encoding="utf-8") == expected, (
        "run: python -m sentinel_pipeline_tests.test_architecture"
    )


if __name__ == "__main__":
    PAGE.write_text(architecture_page(), encoding="utf-8")
