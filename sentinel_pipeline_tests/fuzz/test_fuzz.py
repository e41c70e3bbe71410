"""Whatever comes in, a value or a named reason comes of it: never another exception, never a row
lost."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates.files import read_files
from sentinel_pipeline.critic.diffs import apply_diff
from sentinel_pipeline.critic.extract import Kind, extract
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records import LABELS, Candidate, Quarantined
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.review.blind import add_batch
from sentinel_pipeline.review.database import Database
from sentinel_pipeline.review.importing import import_file
from sentinel_pipeline.review.review_queue import Conflict, ReviewQueue
from sentinel_pipeline.sandbox.guest import codec
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.cli.conftest import Run
from sentinel_pipeline_tests.cli.conftest import run as run
from sentinel_pipeline_tests.critic.made_diffs import git_applied, made_diff, outcome
from sentinel_pipeline_tests.fuzz import rows, strategies
from sentinel_pipeline_tests.fuzz.strategies import COUNTS
from sentinel_pipeline_tests.review.material import Clock
from sentinel_pipeline_tests.tools import missing_tool

MANY = int(os.environ.get("SENTINEL_FUZZ", "0"))
"""Inputs of each kind that ``make fuzz`` asks for; 0 in ``make test``, which makes a few."""


def budget(few: int, share: float = 1.0) -> settings:
    return settings(
        max_examples=max(int(MANY * share), few),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of small files are written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@budget(40, 0.1)
@given(st.lists(strategies.LINES, min_size=1, max_size=12))
def test_every_line_of_a_file_is_rows_with_seven_labels_or_a_reason(
    folder: Path, lines: list[bytes]
) -> None:
    COUNTS["rows"] += len(lines)
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    read = list(read_files([path]))
    good = [row for row in read if isinstance(row, Candidate) and row.verifier is None]
    assert {row.line for row in read} >= set(range(1, len(lines) + 1)) or len(read) == 1
    for row in read:
        assert not isinstance(row, Quarantined) or (row.reason and row.reason.isprintable())
    for labels in label(good, workers=1):
        assert all(getattr(labels, name).reason for name in LABELS)


@budget(200)
@given(strategies.COMPLETIONS)
def test_every_completion_has_a_value_or_an_error_of_every_kind(completion: str) -> None:
    COUNTS["answers"] += 1
    for kind in get_args(Kind):
        for reading in ("strict", "mend") if kind == "json" else ("strict",):
            taken = extract(completion, kind, entry_point="f", reading=reading)
            assert taken.error is None or ":" in taken.error or taken.error.isidentifier()
            assert taken.error is None or taken.value is None


@budget(60, 0.1)
@given(st.integers(10_000, 10**9))
def test_every_made_diff_has_the_outcome_that_git_gives_it(folder: Path, number: int) -> None:
    if shutil.which("git") is None:
        missing_tool("git")
    COUNTS["diffs"] += 1
    case = made_diff(number, folder / "made")
    ours = apply_diff(case.diff, case.files)
    git = git_applied(case, folder / "git")
    assert outcome(ours, git) != "other", (case, ours, git)


def places(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        inner = [place for item in value.values() for place in places(item)]
        return [(value, key) for key in value] + inner
    if isinstance(value, list):
        inner = [place for item in value for place in places(item)]
        return [(value, index) for index in range(len(value))] + inner
    return []


@budget(60)
@given(st.sampled_from(strategies.RECIPES), st.integers(1, 3), st.data())
def test_every_recipe_loads_or_names_its_file(
    folder: Path, table: dict[str, Any], changes: int, data: st.DataObject
) -> None:
    COUNTS["recipes"] += 1
    changed = copy.deepcopy(table)
    changed.pop("name", None)
    for _ in range(changes):
        container, key = data.draw(st.sampled_from(places(changed)))
        how = data.draw(st.sampled_from(["replace", "drop", "rename"]))
        if how == "replace":
            container[key] = data.draw(strategies.RECIPE_VALUES)
        elif how == "drop" or isinstance(container, list):
            del container[key]
        else:
            container[data.draw(st.text(max_size=12))] = container.pop(key)
    text = tomlkit.dumps(changed)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.sampled_from(["", "", "", "\ufeff", "=", "[", '"', "\n"]))
    path = folder / "any.toml"
    path.write_text(text[:at] + cut + text[at:] if cut else text, encoding="utf-8")
    try:
        recipe = load_recipe(path)
    except BadInput as error:
        assert str(path) in str(error)
    else:
        assert len(recipe.sha256()) == 64


@budget(300)
@given(strategies.WIRE)
def test_every_message_of_the_judges_wire_is_a_value_or_malformed(data: bytes) -> None:
    COUNTS["wire"] += 1
    try:
        codec.unpack(codec.from_text(data), lambda content: content)
    except codec.Malformed:
        return


@budget(20, 0.1)
@given(st.lists(strategies.review_lines(), min_size=1, max_size=8))
def test_every_line_of_an_import_is_counted_once(folder: Path, lines: list[bytes]) -> None:
    COUNTS["imports"] += len(lines)
    desk = ReviewQueue(db=Database(f"sqlite:///{folder / 'review.sqlite'}"), clock=Clock())
    path = folder / "sft_candidates.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    try:
        counts = import_file(desk, path, actor="ann")
        try:
            add_batch(desk, path, name="batch")
        except (BadInput, Conflict) as error:
            assert str(error)
    finally:
        desk.db.close()
    assert sum(counts) == len(lines)


def test_the_command_labels_a_fuzzed_file_and_accounts_for_every_line(
    home: Home, tmp_path: Path, run: Run
) -> None:
    """``make fuzz`` labels four rows for each input of another kind: 20,000 by default."""
    count = max(4 * MANY, 300)
    COUNTS["rows through `sentinel label`"] += count
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in rows.fuzzed_lines(count)))
    code, out, _ = run("label", path, "--out", tmp_path / "out", "--json")
    result = json.loads(out)
    lines = {
        row["line"]
        for name in ("accepted", "rejected", "quarantine")
        for row in read(tmp_path / "out" / f"{name}.jsonl")
    }
    assert code == 0 and result["rows"] + result["quarantined"] >= count
    assert lines == set(range(1, count + 1))


def read(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_bytes().splitlines())
